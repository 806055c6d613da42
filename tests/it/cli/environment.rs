use crate::runner::{World, run};

#[test]
fn misspelt_variables_are_refused() {
    let world = World::new();
    for (name, value, said) in [
        ("ZVAULT_ULR", "/v", "did you mean ZVAULT_URL"),
        ("ZVAULT_SOMETHING_ELSE", "1", "known are"),
        ("ZVAULT_PROFILE", "laptop", "not supported yet"),
        ("ZVAULT_PASSPHRASE", "", "empty"),
        ("ZVAULT_NO_PROGRESS", "perhaps", "ZVAULT_NO_PROGRESS"),
        ("ZVAULT_PROGRESS_INTERVAL", "soon", "between 0.01"),
    ] {
        let ran = run(world.bare(["version"]).env(name, value));
        assert!(ran.err.contains(said) || ran.err.contains("--no-progress"), "{name}: {}", ran.err);
        ran.expect_code(2);
    }
}

#[test]
fn other_peoples_variables_are_theirs() {
    let world = World::new();
    run(world.bare(["version"]).env("ZVAULTX", "1").env("MY_ZVAULT_URL", "x")).expect_code(0);
}

#[test]
fn state_and_cache_are_where_they_are_said_to_be() {
    let world = World::new();
    let mut init = world.command(["init"]);
    run(init.env("ZVAULT_HOME", world.path("state")).env("ZVAULT_CACHE_DIR", world.path("cache"))).expect_code(0);
    assert!(world.path("state/vaults").is_dir());
    assert!(!world.path("user/.local").exists() && !world.path("user/.cache").exists());
}

#[test]
fn lines_of_progress_are_there_only_if_asked_for() {
    let world = World::with_vault();
    world.write("data/a", "a");
    let ran = world.run(["push", "data"]).expect_code(0);
    assert_eq!(ran.err, "", "no progress where the output is a log");
    let slow = ["push", "--stdin-from-command", "--", "sh", "-c", "head -c 100000 /dev/zero; sleep 0.6"];
    run(world.command(slow).env("ZVAULT_PROGRESS_INTERVAL", "0.1")).expect_code(0).expect_err("[0:00] ");
    let mut silenced = world.command(slow);
    silenced.env("ZVAULT_PROGRESS_INTERVAL", "0.1").env("ZVAULT_NO_PROGRESS", "1");
    assert_eq!(run(&mut silenced).expect_code(0).err, "");
}
