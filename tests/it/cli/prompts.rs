//! Secrets that are typed on a terminal: never shown, and the terminal is afterwards as it was.

use std::process::Command;

use crate::runner::{World, run, tree};
use crate::terminal::Terminal;

/// The program on a terminal, without a passphrase in its environment.
fn on_terminal(world: &World, args: &[&str]) -> Terminal {
    Terminal::start(world.bare(args).env("ZVAULT_URL", world.path("vault")), 80)
}

fn answer(terminal: &mut Terminal, prompt: &str, typed: &str) {
    terminal.wait_for(prompt);
    terminal.wait_for_echo(false);
    terminal.type_in(typed);
}

#[test]
fn a_new_vault_and_a_restore_from_nothing() {
    let world = World::new();
    let mut terminal = on_terminal(&world, &["init"]);
    answer(&mut terminal, "Passphrase for the new vault: ", "correct canary\r");
    answer(&mut terminal, "Once more: ", "correct canary\r");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("The vault is ready") && !text.contains("canary"), "{text}");
    let file = world.write("data/letter", "dear");
    let mut push = world.bare(["push".as_ref(), file.as_os_str()]);
    run(push.env("ZVAULT_URL", world.path("vault"))).expect_code(0);

    // Another machine, where the passphrase is all there is.
    let on_other = |target: &str| {
        let mut restore = world.bare(["restore", "latest", "--ephemeral", "--target", target]);
        restore.env("ZVAULT_URL", world.path("vault")).env("ZVAULT_HOME", world.path("elsewhere"));
        Terminal::start(&mut restore, 80)
    };
    let mut terminal = on_other("out");
    // Corrected while typing, unseen.
    answer(&mut terminal, ", or its 24 words: ", "correct canyon\x7f\x7f\x7fary\r");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("canary") && !text.contains("canyon"), "{text}");
    assert!(tree(&world.path("out")).values().any(|content| content == b"dear"));

    let mut terminal = on_other("wrong");
    answer(&mut terminal, ", or its 24 words: ", "another canary\r");
    let (code, text) = terminal.end();
    assert!(code == Some(12) && !text.contains("canary"), "{code:?} {text}");
}

#[test]
fn two_that_differ_make_nothing() {
    let world = World::new();
    let mut terminal = on_terminal(&world, &["init"]);
    answer(&mut terminal, "Passphrase for the new vault: ", "correct canary\r");
    answer(&mut terminal, "Once more: ", "correct canari\r");
    let (code, text) = terminal.end();
    assert!(code == Some(2) && text.contains("the two passphrases differ"), "{code:?} {text}");
    assert!(!text.contains("canar") && !world.path("vault").exists(), "{text}");
}

#[test]
fn ctrl_c_at_a_prompt_leaves_the_terminal_as_it_was() {
    let world = World::new();
    for args in [&["init"][..], &["pair", "-"]] {
        let mut terminal = on_terminal(&world, args);
        terminal.wait_for(": ");
        terminal.wait_for_echo(false);
        terminal.type_in("half\x03");
        let (code, text) = terminal.end();
        assert!(code == Some(130) && text.contains("interrupted"), "{code:?} {text}");
        assert!(!text.contains("half") && !world.path("vault").exists(), "{text}");
    }
}

/// Whoever types a line before they were asked has not read what it would be an answer to.
#[test]
fn what_was_typed_before_a_question_is_no_answer() {
    let world = World::new();
    world.run(["init", "--device-name", "desk"]).expect_code(0);
    for (answer, said) in [("n\r", "nothing was done"), ("y\r", "has this already")] {
        // What is typed is there before the program is.
        let program = world.command(["devices", "grant", "desk", "prune"]);
        let mut shell = Command::new("sh");
        shell.args(["-c", "read first; exec \"$0\" \"$@\""]).arg(program.get_program()).args(program.get_args());
        shell.current_dir(world.path("")).env_clear();
        shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut terminal = Terminal::start(&mut shell, 80);
        terminal.type_in("go\ry\ry\r");
        terminal.wait_for("Go on? [y/N] ");
        terminal.type_in(answer);
        let (_, text) = terminal.end();
        assert!(text.contains(said), "{answer:?}: {text}");
    }
}
