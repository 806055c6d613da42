//! What the program writes about itself is committed, and is what it writes. `ZVAULT_WRITE=1` rewrites it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::runner::{World, run};

#[test]
fn completions() {
    let world = World::new();
    let files =
        SHELLS.map(|(shell, name)| (name.to_owned(), run(&mut world.bare(["completions", shell])).expect_code(0).out));
    compare("completions", BTreeMap::from(files));
}

#[test]
fn man_pages() {
    let world = World::new();
    let folder = world.path("pages");
    run(&mut world.bare(["man", "--out", "pages"])).expect_code(0);
    let pages: BTreeMap<_, _> = fs::read_dir(folder)
        .expect("a folder of pages")
        .map(|entry| entry.expect("a page"))
        .map(|entry| {
            (entry.file_name().into_string().expect("UTF-8"), fs::read_to_string(entry.path()).expect("a page"))
        })
        .collect();
    let own = run(&mut world.bare(["man"])).expect_code(0).out;
    assert_eq!(pages.get("zvault.1"), Some(&own));
    compare("man", pages);
}

#[test]
fn help() {
    let world = World::new();
    let mut files = BTreeMap::new();
    let top = run(&mut world.bare(["-h"])).expect_code(0).out;
    let commands: Vec<&str> = top
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with("    "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() >= 9, "{commands:?}");
    for command in &commands {
        for (option, suffix) in [("-h", "short"), ("--help", "long")] {
            let ran = run(&mut world.bare([command, option])).expect_code(0);
            assert_eq!(ran.err, "");
            files.insert(format!("{command}.{suffix}.txt"), ran.out);
        }
    }
    files.insert("zvault.long.txt".into(), run(&mut world.bare(["--help"])).expect_code(0).out);
    files.insert("zvault.short.txt".into(), top);
    compare("tests/it/help", files);
}

/// Compares all files of a folder with what they should be, or writes them.
fn compare(folder: &str, files: BTreeMap<String, String>) {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let present = || -> BTreeMap<String, String> {
        let entries = fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.expect("an entry"));
        entries
            .map(|entry| {
                (entry.file_name().into_string().expect("UTF-8"), fs::read_to_string(entry.path()).expect("text"))
            })
            .collect()
    };
    if std::env::var_os("ZVAULT_WRITE").is_some_and(|value| value == "1") {
        fs::create_dir_all(&folder).expect("the folder");
        for name in present().keys().filter(|name| !files.contains_key(*name)) {
            fs::remove_file(folder.join(name)).expect("removed");
        }
        for (name, text) in &files {
            fs::write(folder.join(name), text).expect("written");
        }
    }
    let present = present();
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&present), names(&files), "{}: {REWRITE}", folder.display());
    for (name, text) in &files {
        assert!(present[name] == *text, "{} differs: {REWRITE}", folder.join(name).display());
    }
}

const SHELLS: [(&str, &str); 5] = [
    ("bash", "zvault.bash"),
    ("zsh", "_zvault"),
    ("fish", "zvault.fish"),
    ("powershell", "_zvault.ps1"),
    ("elvish", "zvault.elv"),
];
const REWRITE: &str = "rewrite with ZVAULT_WRITE=1 cargo test --test it generated";
