//! What the person sees who invites, on a terminal, and what the answer does on both sides.

use super::*;
use crate::terminal::Terminal;

/// A device that invites on a terminal, and what it shows before anybody has come.
fn inviting(world: &World, columns: u16, args: &[&str]) -> (Terminal, Shown) {
    let mut all = vec!["pair", "--listen", "127.0.0.1", "--via", "tcp"];
    all.extend(args);
    let mut terminal = Terminal::start(&mut world.command(all), columns);
    let text = terminal.wait_for("waiting for the other device");
    let after = |head: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(head));
        line.unwrap_or_else(|| panic!("no {head:?} in {text:?}")).to_owned()
    };
    let ticket = after("  zvault pair ZVPAIR");
    let words = after("  zvault pair --address ");
    let (address, words) = words.split_once(' ').expect("an address and words");
    let shown = Shown { ticket: format!("ZVPAIR{ticket}"), address: address.into(), words: words.into(), text };
    (terminal, shown)
}

struct Shown {
    ticket: String,
    address: String,
    words: String,
    text: String,
}

impl Shown {
    /// Somebody joins beside the person's terminal.
    fn join(&self, world: &World, args: &[&str]) -> Child {
        let mut all = vec!["pair", "--json", &*self.ticket];
        all.extend(args);
        world.bare(all).spawn().expect("it starts")
    }
}

/// What a camera reads from a screen with white blocks on black.
fn scan(text: &str) -> String {
    let rows: Vec<Vec<char>> = text
        .lines()
        .filter_map(|line| line.strip_prefix("\x1b[97;40m")?.strip_suffix("\x1b[0m"))
        .map(|line| line.chars().collect())
        .collect();
    let width = rows.first().expect("a code").len();
    assert!(rows.iter().all(|row| row.len() == width), "its lines are broken");
    let value = |x: usize, y: usize| {
        let (upper, lower) = match rows.get(y / 8).map(|row| row[x / 4]) {
            Some('\u{2588}') => (255, 255),
            Some('\u{2580}') => (255, 0),
            Some('\u{2584}') => (0, 255),
            Some(' ') => (0, 0),
            other => panic!("{other:?} in a code"),
        };
        if (y / 4).is_multiple_of(2) { upper } else { lower }
    };
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(4 * width, 8 * rows.len(), value);
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1, "one code");
    grids[0].decode().expect("it is readable").1
}

/// Nothing of the joiner is in the vault, and nothing of the vault on the joiner.
#[track_caller]
fn assert_apart(first: &World, second: &World) {
    assert_eq!((records(first), mail(first), kept(second).len()), (1, 0, 0));
}

#[test]
fn a_person_says_yes() {
    let (first, second) = (sponsor(), World::new());
    let (mut terminal, shown) = inviting(&first, 80, &[]);
    assert_eq!(scan(&shown.text), shown.ticket, "what a camera reads is the ticket");
    let words: Vec<&str> = shown.words.split(' ').collect();
    assert_eq!(words.len(), 12);
    assert!(words.iter().all(|word| word.bytes().all(|c| c.is_ascii_lowercase())), "{words:?}");

    // By the words and the address that stand there.
    let mut args = vec!["pair", "--json", "--address", &*shown.address, "--name", "\u{1b}[2Jsecond\u{202e}"];
    args.extend(&words);
    let joiner = second.bare(args).spawn().expect("it starts");
    let text = terminal.wait_for("Let it in? [y/N] ");
    let introduced = &text[shown.text.len()..];
    assert!(introduced.contains("[2Jsecond wants to join, and may read, push\n"), "{introduced:?}");
    assert!(!introduced.contains('\u{1b}') && !introduced.contains('\u{202e}'), "{introduced:?}");
    let fingerprint = introduced.split_once("  fingerprint  ").expect("it is shown").1;
    let fingerprint = fingerprint.lines().next().expect("a line").to_owned();
    terminal.type_in("y\r");
    terminal.wait_for("is now a device of the vault");
    assert_eq!(terminal.end().0, Some(0));
    let said = ended(joiner).expect_code(0).json();
    assert_eq!(said[1]["fingerprint"], *fingerprint, "both show the same");
    assert_member(&second);
}

#[test]
fn a_person_says_no_or_nothing() {
    let (first, second) = (sponsor(), World::new());
    for answer in ["n\r", "\r", "yesterday\r", "\x04"] {
        let (mut terminal, shown) = inviting(&first, 80, &[]);
        let joiner = shown.join(&second, &[]);
        terminal.wait_for("Let it in? [y/N] ");
        terminal.type_in(answer);
        terminal.wait_for("was not added");
        assert_eq!(terminal.end().0, Some(13), "{answer:?}");
        ended(joiner).expect_code(13).expect_err("the person at the other device said no");
        assert_apart(&first, &second);
    }
}

#[test]
fn ctrl_c_before_and_at_the_question() {
    let (first, second) = (sponsor(), World::new());
    let (mut terminal, shown) = inviting(&first, 80, &[]);
    terminal.type_in("\x03");
    let (code, text) = terminal.end();
    assert!(code == Some(130) && text.contains("interrupted"), "{code:?} {text:?}");
    assert_ne!(ended(shown.join(&second, &[])).code, Some(0), "nobody invites any more");

    let (mut terminal, shown) = inviting(&first, 80, &[]);
    let joiner = shown.join(&second, &[]);
    terminal.wait_for("Let it in? [y/N] ");
    terminal.type_in("\x03");
    let (code, text) = terminal.end();
    assert!(code == Some(130) && text.contains("interrupted"), "{code:?} {text:?}");
    ended(joiner).expect_code(1).expect_err("cancelled on the other device");
    assert_apart(&first, &second);
}

/// Whoever types a line while nobody is there has not seen whom they let in.
#[test]
fn what_was_typed_before_the_question_is_no_answer() {
    let (first, second) = (sponsor(), World::new());
    let (mut terminal, shown) = inviting(&first, 80, &[]);
    terminal.type_in("y\ry\r");
    terminal.wait_for("y\r\ny\r\n");
    let joiner = shown.join(&second, &[]);
    terminal.wait_for("Let it in? [y/N] ");
    terminal.type_in("n\r");
    terminal.wait_for("was not added");
    assert_eq!(terminal.end().0, Some(13));
    ended(joiner).expect_code(13);
    assert_apart(&first, &second);
}

/// Broken into pieces no camera reads it: then there is none, and the ticket all the same.
#[test]
fn a_terminal_that_is_too_narrow_for_the_code() {
    let first = sponsor();
    let (mut terminal, shown) = inviting(&first, 40, &[]);
    assert!(!shown.text.contains('\u{2588}'), "{:?}", shown.text);
    assert!(shown.text.contains("the terminal has 40"), "{:?}", shown.text);
    terminal.type_in("\x03");
    assert_eq!(terminal.end().0, Some(130));
}
