//! Tickets and words as people carry them.

use super::*;
use crypto_backends::Secret;

#[test]
fn tickets_survive_what_people_do_to_them() {
    let vault = Vault::new();
    let invitation = vault.invite(READER);
    let ticket = invitation.ticket();
    let text = ticket.to_text();
    assert!(text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()), "QR alphanumeric mode");
    let broken: String =
        text.chars().enumerate().flat_map(|(i, c)| [if i % 40 == 0 { '\n' } else { '-' }, c]).collect();
    for text in [text.to_string(), text.to_lowercase(), broken, format!("  {}\r\n", *text)] {
        let read = Ticket::parse(&text).expect("a ticket");
        assert_eq!(read.extras, ticket.extras);
        assert_eq!(read.session(provider()).psk.expose(), ticket.session(provider()).psk.expose());
        assert_eq!(read.session(provider()).prologue, ticket.session(provider()).prologue);
        assert_eq!(*read.to_text(), *ticket.to_text());
    }
    assert_eq!(ticket.extras.addresses, places().addresses);
}

#[test]
fn says_what_is_wrong_with_a_ticket() {
    let vault = Vault::new();
    let invitation = vault.invite(READER);
    let text = invitation.ticket().to_text();
    let error = |text: &str| Ticket::parse(text).err().expect("no ticket");
    for none in ["", "hello", "ZVPAI", "https://example.org", "ZVPAIRX", "ZVPAIR!", "é"] {
        assert_eq!(error(none), TicketError::NoTicket, "{none}");
    }
    for len in ["ZVPAIR".len()..12, 12..text.len()].into_iter().flatten() {
        assert_eq!(error(&text[..len]), TicketError::Cut, "{len} characters");
    }
    for number in ['0', '2', '9'] {
        assert_eq!(error(&text.replacen('1', &number.to_string(), 1)), TicketError::Newer { version: number });
    }
    for wrong in [format!("{}A", *text), format!("{}AAAAAAAA", *text), format!("{}!", *text), format!("{}é", *text)] {
        assert_eq!(error(&wrong), TicketError::Typo, "{wrong}");
    }
    // Every single wrong character after the length, and every pair that was exchanged.
    let start = "ZVPAIR1".len() + 4;
    for at in start..text.len() {
        let mut wrong = text.as_bytes().to_vec();
        wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(error(std::str::from_utf8(&wrong).expect("ASCII")), TicketError::Typo, "character {at}");
        let mut swapped = text.as_bytes().to_vec();
        swapped.swap(at - 1, at);
        if swapped != text.as_bytes() && at > start {
            assert_eq!(error(std::str::from_utf8(&swapped).expect("ASCII")), TicketError::Typo, "exchanged {at}");
        }
    }
    assert!(matches!(error(&"ZVPAIR1".repeat(10_000)), TicketError::Typo));
}

#[test]
fn nothing_of_a_secret_is_in_an_error() {
    let vault = Vault::new();
    let invitation = vault.invite(READER);
    let text = invitation.ticket().to_text();
    let shown = format!("{:?}", Ticket::parse(&text[..text.len() - 3]).err());
    assert!(!shown.contains(&text[20..30]), "{shown}");
}

#[test]
fn tickets_expire_by_this_machines_clock() {
    let vault = Vault::new();
    let invitation = vault.invite(READER);
    let ticket = invitation.ticket();
    let after = |secs| ticket.check_expiry(Time { secs: NOW.secs + secs, nanos: 0 });
    assert_eq!((after(0), after(600)), (Ok(()), Ok(())));
    assert_eq!(after(601), Err(TicketError::Expired { since: 1 }));
    assert_eq!(ticket.check_expiry(Time { secs: -5, nanos: 0 }), Ok(()));
}

#[test]
fn words_as_people_write_them() {
    let words = PairWords::from_entropy(&Secret::new([0x7f; 16]), suite()).expect("a backend");
    let list: Vec<_> = words.iter().collect();
    let last = if suite() == Suite::Default { "yellow" } else { "year" };
    assert_eq!((list.len(), list[0], list[11]), (12, "legal", last));
    let psk = |text: &str| PairWords::parse(text).map(|words| *words.session(provider()).psk.expose());
    let expected = *words.session(provider()).psk.expose();
    let numbered: String =
        list.iter().enumerate().map(|(i, w)| format!("{:2}. {}\t\r\n", i + 1, w.to_uppercase())).collect();
    for text in [list.join(" "), numbered, format!(" {},\n", list.join(", "))] {
        assert_eq!(psk(&text), Ok(expected));
        assert!(matches!(Invite::parse(&text), Ok(Invite::Words(_))));
    }
    let ending = |last: &str| format!("{} {last}", list[..11].join(" "));
    assert_eq!(psk(&list[1..].join(" ")), Err(PairWordsError::Count { count: 11 }));
    assert_eq!(psk(&"legal ".repeat(24)), Err(PairWordsError::Count { count: 24 }));
    assert_eq!(psk(&ending("yelow")), Err(PairWordsError::Unknown { number: 12 }));
    assert_eq!(psk(&ending("zoo")), Err(PairWordsError::Checksum));
}

/// No words are those of both suites, and what is typed wrong is hardly ever one of either.
#[test]
fn words_tell_the_suite() {
    let other = if suite() == Suite::Default { Suite::Fips } else { Suite::Default };
    for byte in 0..=255 {
        let texts = [suite(), other].map(|suite| {
            let words = PairWords::from_entropy(&Secret::new([byte; 16]), suite).expect("a backend");
            words.iter().collect::<Vec<_>>().join(" ")
        });
        assert_eq!(PairWords::parse(&texts[0]).map(|words| words.suite()), Ok(suite()), "{byte}");
        assert_eq!(PairWords::parse(&texts[1]).map(|words| words.suite()), Ok(other), "{byte}");
        assert_eq!(
            texts[0].rsplit_once(' ').map(|(first, _)| first),
            texts[1].rsplit_once(' ').map(|(first, _)| first)
        );
    }
    let english = bip39::Language::English.word_list();
    let accepted = english.iter().filter(|last| PairWords::parse(&format!("{}{last}", "legal ".repeat(11))).is_ok());
    assert_eq!(accepted.count(), 2048 / 16 * 2, "two of sixteen checksums");
}

#[test]
fn what_is_pasted_is_a_ticket_or_words() {
    for (text, ticket) in [("", true), ("word", true), ("zvpair1 abc", true), ("zoo zebra", false), ("12", true)] {
        match Invite::parse(text) {
            Err(PairError::Ticket(_)) => assert!(ticket, "{text}"),
            Err(PairError::Words(_)) => assert!(!ticket, "{text}"),
            _ => panic!("{text}"),
        }
    }
}

#[test]
fn every_name_that_follows_from_a_secret_is_another_one() {
    let words = PairWords::from_entropy(&Secret::new([1; 16]), suite()).expect("a backend");
    let session = words.session(provider());
    let mut names: Vec<String> = Step::ALL.iter().map(|step| session.presigned_name(*step).to_path()).collect();
    names.push(session.mail_name(Step::Hello, b"bytes").to_path());
    let folder = format!("zv1/m/{}/", hex::encode(session.id()));
    assert!(names.iter().all(|name| name.starts_with(&folder)));
    names.push(session.mdns_instance());
    names.push(hex::encode(session.id()));
    names.push(hex::encode(session.psk.expose()));
    let count = names.len();
    assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), count);
    assert_eq!(session.mdns_instance().len(), 16);
    assert!(!names[0].contains(&session.mdns_instance()));
}

#[test]
fn names_of_devices_as_they_are_shown() {
    for (name, shown) in [
        ("laptop", "laptop"),
        ("  my laptop ", "my laptop"),
        ("Jürgens Gerät", "Jürgens Gerät"),
        ("", "unnamed"),
        ("\u{202e}\u{200b}\n", "unnamed"),
        ("a\0b\u{85}c\u{e0041}", "abc"),
    ] {
        assert_eq!(clean_name(name), shown);
    }
    let long = "é".repeat(200);
    assert_eq!(clean_name(&long).len(), 254);
}
