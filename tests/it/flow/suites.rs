//! A vault of suite `0x02`, with the program as people have it.

use crate::runner::{World, run, tree};
use vault_format::{Header, Suite};

#[test]
fn a_vault_of_the_fips_suite_from_its_making_to_a_second_machine() {
    let (world, second) = (World::new(), World::new());
    let refused = World::new();
    let mut short = refused.command(["init", "--suite", "fips"]);
    run(short.env("ZVAULT_PASSPHRASE", "thirteen byte")).expect_code(12).expect_err("at least 14 bytes");
    world.run(["init", "--suite", "other"]).expect_code(2).expect_err("[possible values: default, fips]");
    world.run(["init", "--suite", "fips", "--no-recovery-key"]).expect_code(0);
    let file = world.write("data/letter", "from the first machine");
    let folder = file.parent().expect("a folder");
    for _ in 0..2 {
        world.run(["push".as_ref(), folder.as_os_str()]).expect_code(0);
    }
    let objects = tree(&world.path("vault"));
    assert!(objects.len() > 4);
    for (name, bytes) in &objects {
        assert_eq!(Header::parse(bytes).expect("a header").suite, Suite::Fips, "{name:?}");
    }
    world.run(["check", "--read-data"]).expect_code(0);
    world.run(["check", "--keyless"]).expect_code(0);
    world.run(["log"]).expect_code(0).expect_out("made the vault");
    world.run(["status"]).expect_code(0);
    world.run(["devices"]).expect_code(0);
    let target = world.path("restored");
    world.run(["restore", "latest", "--target", target.to_str().expect("UTF-8")]).expect_code(0);
    assert!(tree(&target).values().any(|content| content == b"from the first machine"));

    // A copy is a whole vault, and another machine opens it with the passphrase.
    let vault = world.path("vault");
    let url = vault.to_str().expect("UTF-8");
    second.run(["--url", url, "ls", "latest"]).expect_code(0).expect_out("letter");
    let target = second.path("restored");
    second.run(["--url", url, "restore", "latest", "-t", target.to_str().expect("UTF-8")]).expect_code(0);
    assert!(tree(&target).values().any(|content| content == b"from the first machine"));
    run(&mut second.bare(["vaults"])).expect_code(0).expect_out(url);
    world.run(["check", "--read-data"]).expect_code(0);
}
