//! How pairings end where nobody attacks.

use super::*;
use crate::keychain::testing::InMemory;
use crate::pairing::KeepAt;
use crate::state::{Home, KeptIn, KeychainUse};
use crate::watch::Watch;
use std::sync::Arc;

#[test]
fn a_reader_joins_by_ticket_and_opens_everything() {
    let vault = Vault::new();
    let outcome = run(&vault, Box::new(|_, _, flight| vec![flight.to_vec()]));
    outcome.assert_member(&vault);
    let joined = outcome.joiner.as_ref().map_err(|e| e.to_string()).expect("joined");
    let keys = vault.roster().open_as(provider(), &joined.keys).map_err(|e| e.to_string()).expect("opens");
    assert_eq!(keys.device_names[&joined.keys.id], NAME);
    assert_eq!(joined.capabilities, READER);
    assert_eq!((joined.stores[0].url.as_str(), joined.log_heads[0].seq), (URL, 3));
    assert_eq!((joined.credentials[0].0.as_str(), joined.credentials[0].1.expose()), ("secret key", &b"canary"[..]));
    assert!(!outcome.requests[0].by_words);
    let fingerprint = &outcome.requests[0].fingerprint;
    assert!(fingerprint.len() == 35 && fingerprint.split('-').all(|group| group.len() == 5), "{fingerprint}");
}

/// Also not for the moment until it sees itself in the roster.
#[test]
fn credentials_that_came_are_in_no_file_where_a_keychain_takes_them() {
    let vault = Vault::new();
    let outcome = run(&vault, Box::new(|_, _, flight| vec![flight.to_vec()]));
    let joined = outcome.joiner.as_ref().map_err(|e| e.to_string()).expect("joined");
    let id = joined.keys.vault;
    let (folder, keychain) = (tempfile::tempdir().expect("a folder"), Arc::new(InMemory::default()));
    for is_locked in [false, true] {
        keychain.lock(is_locked);
        let home = Home::open(folder.path()).expect("a home");
        let home = home.with_keychain(Some(keychain.clone()), KeychainUse::Auto);
        let (mut met, mut endpoint) = (|_: &Meeting| {}, |_: &str| Ok(()));
        let mut host = KeepAt::new(&home, None, &mut met, &mut endpoint);
        host.keep(joined).expect("kept");
        assert_eq!(host.not_in_keychain().is_some(), is_locked);
        let (joining, access) = (home.joining(id).expect("read").expect("there"), home.access(id).expect("read"));
        assert!(!joining.expose().windows(6).any(|window| window == b"canary"));
        assert_eq!(access.kept_in(), Some(if is_locked { KeptIn::State } else { KeptIn::Keychain }));
        assert_eq!(access.credentials_for.as_deref(), Some(URL));
        host.forget();
        assert!(keychain.accounts().is_empty() && home.vaults().expect("listed").is_empty());
    }
}

/// Whoever waits for it is told, where the message is too long and where only the flight is.
#[test]
fn a_welcome_that_is_too_long_ends_both() {
    let vault = Vault::new();
    let too_long = [3900, 3940, 3980, 4020, 4060, 4096].map(|len| {
        let (invitation, records) = (vault.invite(READER), vault.records());
        let (invite, mut host) = (by_ticket(&invitation), SponsorSide::new(&vault));
        host.credentials = (10..26).map(|i| (i.to_string(), vec![7; len])).collect();
        let outcome = run_with(invitation, &invite, &Hub::honest(2), host, JoinerSide::default(), NAME);
        if outcome.joiner.is_ok() {
            outcome.assert_member(&vault);
            return false;
        }
        outcome.assert_nothing_left(&vault, records);
        let told = outcome.joiner.as_ref().err();
        assert!(matches!(told, Some(PairError::Refused(Reason::Failed))), "{len}: {:?}", told.map(ToString::to_string));
        true
    });
    assert!(!too_long[0] && too_long.is_sorted() && too_long[5], "{too_long:?}");
}

/// Joins with the credentials in the keychain, and sees itself in the roster while another run, or this one, moves them out of
/// it.
#[test]
fn credentials_that_move_while_a_pairing_is_finished_are_not_lost() {
    let vault = Vault::new();
    let outcome = run(&vault, Box::new(|_, _, flight| vec![flight.to_vec()]));
    let joined = outcome.joiner.as_ref().map_err(|e| e.to_string()).expect("joined");
    let (folder, keychain) = (tempfile::tempdir().expect("a folder"), Arc::new(InMemory::default()));
    let url = vault.in_folder(&folder.path().join("vault"));
    let home = |usage| {
        let home = Home::open(&folder.path().join("home")).expect("a home");
        home.with_keychain(Some(keychain.clone()), usage)
    };
    let (mut met, mut endpoint) = (|_: &Meeting| {}, |_: &str| Ok(()));
    KeepAt::new(&home(KeychainUse::Auto), Some(url), &mut met, &mut endpoint).keep(joined).expect("kept");
    let (off, id) = (home(KeychainUse::Off), joined.keys.vault);
    // What opening a store in a bucket does.
    let moves = |_: &str| {
        if let Some(kept) = off.access(id).expect("read").in_keychain {
            assert_eq!((kept.fetch)().expect("fetched")[0].1.expose(), b"canary");
        }
        StoreOptions::default()
    };
    let finished = finish(&off, id, &moves, Duration::ZERO, &Watch::new()).expect("a device");
    assert_eq!(finished.credentials, Some(KeptIn::State));
    let access = home(KeychainUse::Auto).access(id).expect("read");
    assert!(keychain.accounts().is_empty() && access.url.is_none() && !access.ids.is_empty());
    assert_eq!(access.kept_in(), Some(KeptIn::State));
    assert_eq!(access.credentials[0].1.expose(), b"canary");
}

#[test]
fn a_push_only_device_joins_by_words_and_reads_nothing() {
    let vault = Vault::new();
    let invitation = vault.invite(Capabilities::PUSH);
    let invite = by_words(&invitation);
    let hub = Hub::honest(2);
    let outcome = run_with(invitation, &invite, &hub, SponsorSide::new(&vault), JoinerSide::default(), NAME);
    outcome.assert_member(&vault);
    assert!(outcome.requests[0].by_words);
    let joined = outcome.joiner.as_ref().map_err(|e| e.to_string()).expect("joined");
    assert!(vault.roster().open_as_pusher(provider(), &joined.keys).is_ok());
    assert!(vault.roster().open_as(provider(), &joined.keys).is_err());
}

#[test]
fn only_who_may_invites_and_only_to_what_it_holds() {
    let vault = Vault::new();
    let reader = vault.enroll(READER);
    let pairer = vault.enroll(READER | Capabilities::PAIR);
    let try_invite = |device: &DeviceKeys, caps| vault.try_invite(device.id, caps, LIFETIME).map(drop);
    assert!(matches!(try_invite(&reader, READER), Err(PairError::MayNotInvite { .. })));
    assert!(matches!(try_invite(&pairer, Capabilities::ALL), Err(PairError::MayNotGrant { .. })));
    assert!(matches!(try_invite(&pairer, Capabilities::NONE), Err(PairError::MayNotGrant { .. })));
    try_invite(&pairer, READER).expect("it holds that");
}

#[test]
fn a_person_says_no() {
    let vault = Vault::new();
    let invitation = vault.invite(READER);
    let invite = by_ticket(&invitation);
    let mut host = SponsorSide::new(&vault);
    host.on_confirm = Box::new(|_| false);
    let outcome = run_with(invitation, &invite, &Hub::honest(2), host, JoinerSide::default(), NAME);
    outcome.assert_nothing_left(&vault, 1);
    assert!(matches!(outcome.sponsor, Err(PairError::Declined { .. })));
    assert!(matches!(outcome.joiner, Err(PairError::Refused(Reason::Declined))));
}

#[test]
fn a_wrong_ticket_is_turned_away_and_the_sponsor_goes_on_waiting() {
    let vault = Vault::new();
    let invitation = vault.invite(READER);
    let wrong = by_ticket(&vault.invite(READER));
    let outcome = run_with(invitation, &wrong, &Hub::honest(2), SponsorSide::new(&vault), JoinerSide::default(), NAME);
    outcome.assert_nothing_left(&vault, 1);
    assert!(matches!(outcome.joiner, Err(PairError::NoAnswer | PairError::NotAccepted)));
    assert!(outcome.sponsor.is_err_and(|error| matches!(
        error,
        PairError::Tampered { step: Step::Hello, junk: 1 } | PairError::Expired { junk: 1 }
    )));
}

#[test]
fn an_expired_invitation_takes_nobody() {
    let vault = Vault::new();
    let invitation = vault.try_invite(vault.sponsor.id, READER, Duration::ZERO).expect("an invitation");
    let invite = by_ticket(&invitation);
    let outcome = run_with(invitation, &invite, &Hub::honest(2), SponsorSide::new(&vault), JoinerSide::default(), NAME);
    outcome.assert_nothing_left(&vault, 1);
    assert!(matches!(outcome.sponsor, Err(PairError::Expired { junk: 0 })));

    let later = JoinOptions { name: NAME, now: Time { secs: NOW.secs + 61, nanos: 0 }, deadline: Instant::now() };
    let mut side = JoinerSide::default();
    let late = join(&invite, &later, &mut Hub::honest(2).end(1), &mut side, &Watch::new());
    assert!(matches!(late, Err(PairError::Ticket(TicketError::Expired { since: 61 }))));
}

/// The second one has the same ticket, and comes while a person still looks at the first one.
#[test]
fn a_second_joiner_is_told_that_it_is_late() {
    let vault = Vault::new();
    let invitation = vault.invite(READER);
    for second in [by_ticket(&invitation), by_words(&invitation)] {
        let invitation = vault.invite(READER);
        let first = by_ticket(&invitation);
        let second = match second {
            Invite::Ticket(_) => by_ticket(&invitation),
            Invite::Words(_) => by_words(&invitation),
        };
        let hub = Hub::honest(3);
        let mut second_side = JoinerSide::default();
        let records = vault.records();
        std::thread::scope(|scope| {
            let mut host = SponsorSide::new(&vault);
            let (hub, second_side) = (&hub, &mut second_side);
            let (start, started) = std::sync::mpsc::channel();
            let late = scope.spawn(move || {
                started.recv().expect("the first one is there");
                let options = JoinOptions { name: "late", now: NOW, deadline: Instant::now() + LIFETIME };
                join(&second, &options, &mut hub.end(2), second_side, &Watch::new())
            });
            host.on_confirm = Box::new(move |_| {
                start.send(()).expect("the second one waits");
                hub.await_from(2);
                true
            });
            run_with(invitation, &first, hub, host, JoinerSide::default(), NAME).assert_member(&vault);
            assert!(matches!(late.join().expect("no panics"), Err(PairError::Used)));
        });
        assert!(second_side.kept.is_none() && second_side.met.is_empty());
        assert_eq!(vault.records(), records + 1);
    }
}

#[test]
fn cancelled_on_either_side_at_any_step() {
    let vault = Vault::new();
    for stopped in [0, 1] {
        for at in Step::ALL {
            let watches = [Watch::new(), Watch::new()];
            let stop = &watches[stopped];
            let invitation = vault.invite(READER);
            let invite = by_ticket(&invitation);
            let records = vault.records();
            let fault: Fault<'_> = Box::new(move |_, step, flight| {
                if step == at {
                    stop.stop();
                }
                vec![flight.to_vec()]
            });
            let (hub, host) = (Hub::new(2, fault), SponsorSide::new(&vault));
            let [sponsor, joiner] = &watches;
            let outcome = run_watched(invitation, &invite, &hub, host, JoinerSide::default(), NAME, [sponsor, joiner]);
            let case = format!("{stopped} at {at:?}");
            let cancelled = if stopped == 0 { outcome.sponsor_result() } else { outcome.joiner_result() };
            match (stopped, at) {
                // The record is written, so the sponsor is done.
                (0, Step::Done) => outcome.assert_member(&vault),
                // What the joiner has to do is done, or the sponsor may be writing: its next start finds out.
                (1, Step::Ready | Step::Done) => {
                    assert!(matches!(cancelled, Some(PairError::Cancelled)), "{case}");
                    let kept = outcome.side.kept.as_ref().expect("kept");
                    let joined = Joined::parse(provider(), kept.expose()).expect("what was kept");
                    assert!(joined.membership(&vault.roster()).expect("as agreed").is_some(), "{case}");
                }
                _ => {
                    assert!(matches!(cancelled, Some(PairError::Cancelled)), "{case}");
                    outcome.assert_nothing_left(&vault, records);
                }
            }
        }
    }
}

#[test]
fn a_full_disk_ends_it_on_both_sides() {
    let vault = Vault::new();
    let invitation = vault.invite(READER);
    let invite = by_ticket(&invitation);
    let side = JoinerSide { disk_is_full: true, ..JoinerSide::default() };
    let outcome = run_with(invitation, &invite, &Hub::honest(2), SponsorSide::new(&vault), side, NAME);
    outcome.assert_nothing_left(&vault, 1);
    assert!(matches!(outcome.joiner, Err(PairError::Keep(_))));
    assert!(matches!(outcome.sponsor, Err(PairError::Refused(Reason::Failed))));
}

/// What a store says has failed is sometimes there, so the joiner keeps what it has and looks.
#[test]
fn a_record_that_is_not_confirmed() {
    let vault = Vault::new();
    let invitation = vault.invite(READER);
    let invite = by_ticket(&invitation);
    let mut host = SponsorSide::new(&vault);
    host.on_admit = Box::new(|vault, admission| {
        vault.admit(&vault.sponsor, admission);
        Err("timed out".into())
    });
    let outcome = run_with(invitation, &invite, &Hub::honest(2), host, JoinerSide::default(), NAME);
    assert!(matches!(outcome.sponsor, Err(PairError::Admit(_))));
    assert!(matches!(outcome.joiner, Err(PairError::Refused(Reason::Failed))));
    let kept = outcome.side.kept.as_ref().expect("kept");
    let joined = Joined::parse(provider(), kept.expose()).expect("what was kept");
    assert!(joined.membership(&vault.roster()).expect("as agreed").is_some());
}

/// The sponsor's process dies before it can say so, and the joiner's as well. What is on disk is enough.
#[test]
fn crash_after_roster_record_finishes() {
    let vault = Vault::new();
    let lose_done: Fault<'_> =
        Box::new(|_, step, flight| if step == Step::Done { Vec::new() } else { vec![flight.to_vec()] });
    let outcome = run(&vault, lose_done);
    let sponsored = outcome.sponsor.as_ref().map_err(|e| e.to_string()).expect("sponsored");
    assert_eq!(outcome.joiner.as_ref().map_err(|e| e.to_string()).expect("joined").record, None);
    let kept = outcome.side.kept.as_ref().expect("kept");

    let joined = Joined::parse(provider(), kept.expose()).expect("what was kept");
    assert_eq!(joined.membership(&vault.roster()).expect("as agreed").map(|m| m.record), Some(sponsored.record));
    assert!(vault.roster().open_as(provider(), &joined.keys).is_ok());
    assert!(Joined::parse(provider(), &kept.expose()[..kept.expose().len() - 1]).is_none());
    assert_eq!(joined.encode().expose(), kept.expose());
    // Of a store that does not show the record yet.
    let earlier = vault.objects.lock().expect("no panics")[..1].to_vec();
    let earlier = Roster::build(provider(), &earlier, Some(vault.sponsor.vault)).expect("a roster");
    assert_eq!(joined.membership(&earlier).expect("nothing wrong"), None);
}

impl Outcome {
    fn sponsor_result(&self) -> Option<&PairError> {
        self.sponsor.as_ref().err()
    }

    fn joiner_result(&self) -> Option<&PairError> {
        self.joiner.as_ref().err()
    }
}
