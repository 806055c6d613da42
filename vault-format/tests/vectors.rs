//! Runs every vector below `testdata`: a folder per format version, in it a folder per structure, in it a file per case.

#[path = "vectors/cases.rs"]
mod cases;
#[path = "vectors/codec.rs"]
mod codec;

use codec::Vector;
use std::path::{Path, PathBuf};

#[test]
fn every_vector_has_its_outcome() {
    let files = walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/v1"));
    assert!(files.len() > 100, "vectors are missing");
    let mut failures = Vec::new();
    for file in files {
        let structure = file.parent().and_then(Path::file_name).expect("a folder").to_string_lossy();
        if CBOR_HALF.contains(&&*structure) {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("a readable vector");
        let vector = Vector::from_text(&text).unwrap_or_else(|| panic!("{}: not a vector", file.display()));
        assert_eq!(vector.structure, structure, "{}", file.display());
        match run(&vector) {
            Some(Ok(())) => {}
            Some(Err(failure)) => failures.push(format!("{}: {failure}", file.display())),
            None => panic!("{}: no structure `{structure}`", file.display()),
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// The files are what `cargo run -p vault-format --example vectors` writes. Old files without a case here may stay.
#[test]
fn generated_vectors_are_committed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/v1");
    for (name, vector) in cases::all() {
        let file = root.join(&vector.structure).join(name).with_extension("txt");
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert_eq!(text, vector.to_text(), "{}", file.display());
    }
}

fn run(vector: &Vector) -> Option<Result<(), String>> {
    let decoded = codec::decode(vector)?;
    Some(match (&vector.outcome, decoded) {
        (Ok(()), Ok(decoded)) if decoded.fields != vector.fields => Err(format!("decoded as {:#?}", decoded.fields)),
        (Ok(()), Ok(decoded)) if decoded.again != vector.bytes => Err("written back differently".to_owned()),
        (Ok(()), Ok(_)) => Ok(()),
        (Err(name), Err(error)) if error.name() == name => Ok(()),
        (expected, Ok(_)) => Err(format!("accepted, not {expected:?}")),
        (expected, Err(error)) => Err(format!("{}: {error}; not {expected:?}", error.name())),
    })
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for item in std::fs::read_dir(folder).expect("a folder of vectors") {
        let path = item.expect("an item").path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

/// The folders that `vectors_cbor.rs` runs, and those that need cryptography, which the tests of the program run. Any other has to be known here.
const CBOR_HALF: &[&str] = &[
    "cbor",
    "extras",
    "genesis",
    "handshake",
    "history",
    "log",
    "pairing",
    "private",
    "roster",
    "sealed",
    "slot",
    "ticket",
    "words",
];
