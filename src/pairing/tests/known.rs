//! Known answers, as files that any implementation can be tried on: tickets, words, and a handshake with fixed randomness.
//!
//! `ZVAULT_WRITE=1` writes them again; a difference is a change of the format.

use std::fmt::Write;
use std::path::Path;

use crypto_backends::testing::{Replay, provider_of as replaying};
use crypto_backends::{Key, Provider, Secret};
use vault_format::{ids::VaultId, ticket::Extras};

use super::super::noise::Handshake;
use super::*;

#[test]
fn tickets_are_those_of_the_files() {
    let extras = Extras {
        vault: VaultId([0x11; 32]),
        roster: [0x22; 32],
        expires: 1_790_000_600,
        addresses: places().addresses,
        store: Some(URL.into()),
        mdns: true,
        presigned: Vec::new(),
        settings: places().settings,
    };
    let least =
        Extras { addresses: Vec::new(), store: None, mdns: false, settings: Vec::new(), expires: 0, ..extras.clone() };
    for (name, byte, extras) in [("full", 0x7f, extras), ("least", 0, least)] {
        let ticket = Ticket::new(suite(), Key::new([byte; 32]), extras.clone()).expect("a ticket");
        let text = ticket.to_text();
        let mut fields = vec![
            ("secret", hex::encode([byte; 32])),
            ("extras", hex::encode(extras.encode().expect("extras"))),
            ("text", text.to_string()),
        ];
        fields.extend(session_fields(&ticket.session(provider())));
        compare("ticket", name, &fields);
        let read = Ticket::parse(&text).expect("a ticket");
        assert_eq!(read.extras, extras);
    }
}

#[test]
fn words_are_those_of_the_files() {
    for (name, byte) in [("zeros", 0), ("7f", 0x7f), ("ones", 0xff)] {
        let words = PairWords::from_entropy(&Secret::new([byte; 16]), suite()).expect("a backend");
        let text = words.iter().collect::<Vec<_>>().join(" ");
        let mut fields = vec![("secret", hex::encode([byte; 16])), ("words", text.clone())];
        let read = PairWords::parse(&text).expect("words");
        fields.extend(session_fields(&read.session(provider())));
        compare("words", name, &fields);
    }
}

/// Each side draws: static X25519 key or P-256 scalar 32, static ML-KEM seed 64; for a message its ephemeral key 32 and ML-KEM seed 64, and
/// 32 for each ciphertext, in the order of the tokens. In suite 0x02 also 12 for each AES-GCM.
#[test]
fn the_handshake_is_that_of_the_file() {
    let words = PairWords::from_entropy(&Secret::new([0x7f; 16]), suite()).expect("a backend");
    let session = words.session(provider());
    let random = [1u8, 2].map(|side| (0..512u32).map(|i| (i * 7) as u8 ^ (side << 6)).collect::<Vec<u8>>());
    let sides = random.clone().map(|stream| {
        let replay: &'static Replay = Box::leak(Box::new(Replay::new(stream)));
        let provider: &'static Provider = Box::leak(Box::new(replaying(suite(), replay)));
        (replay, provider)
    });
    let mut joiner = Handshake::joiner(sides[0].1, &session).expect("a handshake");
    let mut sponsor = Handshake::sponsor(sides[1].1, &session).expect("a handshake");
    let mut fields = vec![
        ("protocol", PROTOCOL[usize::from(suite() == Suite::Fips)].to_owned()),
        ("psk", hex::encode(session.psk.expose())),
        ("prologue", hex::encode(&session.prologue)),
    ];
    let mut flights = Vec::new();
    for (i, payload) in [&b""[..], b"offer", b"join", b"welcome"].into_iter().enumerate() {
        let (from, to) = if i % 2 == 0 { (&mut joiner, &mut sponsor) } else { (&mut sponsor, &mut joiner) };
        let flight = from.write(payload).expect("a message");
        assert_eq!(**to.read(&flight).expect("authentic"), *payload);
        flights.push(hex::encode(flight));
        if i == 1 {
            assert_eq!(joiner.hash(), sponsor.hash());
            fields.push(("h", hex::encode(joiner.hash())));
        }
    }
    let (mut joiner, mut sponsor) = (joiner.finish().expect("a session"), sponsor.finish().expect("a session"));
    let ready = joiner.write(b"ready").expect("a message");
    assert_eq!(**sponsor.read(&ready).expect("authentic"), *b"ready");
    let done = sponsor.write(b"done").expect("a message");
    assert_eq!(**joiner.read(&done).expect("authentic"), *b"done");
    flights.extend([hex::encode(ready), hex::encode(done)]);
    for (name, (stream, (replay, _))) in ["joiner random", "sponsor random"].into_iter().zip(random.iter().zip(sides)) {
        fields.push((name, hex::encode(&stream[..replay.drawn()])));
    }
    fields.push(("payloads", ", offer, join, welcome, ready, done".to_owned()));
    fields.extend(flights.into_iter().map(|flight| ("flight", flight)));
    compare("handshake", "words", &fields);
}

/// Randomness that ends is an error, and nothing is made from zeros.
#[test]
fn failing_randomness_is_an_error() {
    let session = PairWords::from_entropy(&Secret::new([1; 16]), suite()).expect("a backend").session(provider());
    // In suite 0x02 the last that is drawn for the first message is its IV.
    let of_suite: &[usize] = if suite() == Suite::Fips { &[192, 203] } else { &[] };
    for len in [0, 31, 95, 96, 127, 191].iter().chain(of_suite).copied() {
        let replay: &'static Replay = Box::leak(Box::new(Replay::of_seed(1, len)));
        let provider: &'static Provider = Box::leak(Box::new(replaying(suite(), replay)));
        let made = Handshake::joiner(provider, &session).and_then(|mut joiner| joiner.write(&[]));
        assert!(matches!(made, Err(crypto_backends::CryptoError::Random(_))), "{len} bytes");
    }
}

const PROTOCOL: [&str; 2] =
    ["Noise_hybridXXpsk0_25519+MLKEM768_ChaChaPoly_BLAKE2s", "Noise_hybridXXpsk0_P256+MLKEM768_AESGCMrandomIV_SHA256"];

/// Each message counts: repeated, or in another place, it does not open, and what is in its place still does.
#[test]
fn messages_after_the_handshake_open_once_and_in_order() {
    let session = PairWords::from_entropy(&Secret::new([1; 16]), suite()).expect("a backend").session(provider());
    let mut joiner = Handshake::joiner(provider(), &session).expect("a handshake");
    let mut sponsor = Handshake::sponsor(provider(), &session).expect("a handshake");
    for _ in 0..2 {
        sponsor.read(&joiner.write(&[]).expect("a message")).expect("authentic");
        joiner.read(&sponsor.write(&[]).expect("a message")).expect("authentic");
    }
    let (mut joiner, mut sponsor) = (joiner.finish().expect("a session"), sponsor.finish().expect("a session"));
    let [first, second] = [b"one", b"two"].map(|text| joiner.write(text).expect("a message"));
    assert!(sponsor.read(&second).is_err(), "it comes too early");
    assert_eq!(**sponsor.read(&first).expect("authentic"), *b"one");
    assert!(sponsor.read(&first).is_err(), "it comes again");
    assert!(joiner.read(&second).is_err(), "it goes the other way");
    for at in 0..second.len() {
        let mut changed = second.clone();
        changed[at] ^= 1;
        assert!(sponsor.read(&changed).is_err(), "byte {at}");
    }
    assert_eq!(**sponsor.read(&second).expect("authentic"), *b"two");
}

fn session_fields(session: &Session) -> Vec<(&'static str, String)> {
    vec![
        ("psk", hex::encode(session.psk.expose())),
        ("session", hex::encode(session.id())),
        ("mdns", session.mdns_instance()),
        ("prologue", hex::encode(&session.prologue)),
        ("place 0", session.presigned_name(Step::Hello).to_path()),
        ("place 5", session.presigned_name(Step::Done).to_path()),
    ]
}

fn compare(structure: &str, name: &str, fields: &[(&str, String)]) {
    let mut text = format!("structure: {structure}\noutcome: ok\n");
    for (name, value) in fields {
        writeln!(text, "{name}: {value}").expect("a string grows");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vault-format/testdata/v1").join(structure);
    let file = if suite() == Suite::Default { format!("{name}.txt") } else { format!("{name}-02.txt") };
    let path = folder.join(file);
    if std::env::var_os("ZVAULT_WRITE").is_some() {
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(&path, &text).expect("written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(committed, text, "{}", path.display());
}
