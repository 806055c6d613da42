//! Every flight changed on its way, in every way.

use super::*;
use vault_format::limits;

/// What arrives instead of a flight.
type Change = fn(&[u8]) -> Vec<Vec<u8>>;

/// One flight goes through `change`; the others arrive as they are.
fn change_at<'a>(at: Step, change: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'a) -> Fault<'a> {
    Box::new(move |_, step, flight| if step == at { change(flight) } else { vec![flight.to_vec()] })
}

/// What must hold when the flight of `at` did not arrive, whatever else did.
fn assert_clean_end(vault: &Vault, outcome: &Outcome, at: Step, records: usize, case: &str) {
    if at == Step::Done {
        // The record was there before. The joiner looks for itself.
        assert!(outcome.sponsor.is_ok(), "{case}");
        let joined = outcome.joiner.as_ref().map_err(|e| e.to_string()).expect(case);
        assert!(joined.record.is_none() && joined.membership(&vault.roster()).expect(case).is_some(), "{case}");
        return;
    }
    outcome.assert_nothing_left(vault, records);
    assert_eq!(outcome.requests.len(), usize::from(at > Step::Join), "{case}: who was shown to a person");
}

#[test]
fn flipped_cut_or_replaced() {
    let vault = Vault::new();
    let changes: [(&str, Change); 10] = [
        ("first byte", |flight| vec![flip(flight, 0)]),
        ("32nd byte", |flight| vec![flip(flight, 31.min(flight.len() - 1))]),
        ("a third", |flight| vec![flip(flight, flight.len() / 3)]),
        ("middle", |flight| vec![flip(flight, flight.len() / 2)]),
        ("tag", |flight| vec![flip(flight, flight.len() - 10)]),
        ("last byte", |flight| vec![flip(flight, flight.len() - 1)]),
        ("last byte cut", |flight| vec![flight[..flight.len() - 1].to_vec()]),
        ("half", |flight| vec![flight[..flight.len() / 2].to_vec()]),
        ("nothing", |_| vec![Vec::new()]),
        ("over-long", |flight| vec![[flight, &vec![0; 70_000]].concat()]),
    ];
    for at in Step::ALL {
        for (name, change) in changes {
            let records = vault.records();
            let outcome = run(&vault, change_at(at, change));
            assert_clean_end(&vault, &outcome, at, records, &format!("{name} of {at:?}"));
            if at != Step::Done {
                assert_tampered(&outcome, at);
            }
        }
    }
}

/// Whoever waited for the flight says what happened.
fn assert_tampered(outcome: &Outcome, at: Step) {
    let found = if at.is_joiners() { outcome.sponsor.as_ref().err() } else { outcome.joiner.as_ref().err() };
    let expected = match found {
        Some(PairError::Tampered { step, junk: 1 | 2 }) => *step == at,
        Some(PairError::Expired { junk: 1 }) => at == Step::Hello,
        Some(PairError::NotAccepted) => at == Step::Offer,
        _ => false,
    };
    assert!(expected, "{at:?}: {found:?}");
}

#[test]
fn lost() {
    let vault = Vault::new();
    for at in Step::ALL {
        let records = vault.records();
        let outcome = run(&vault, change_at(at, |_| Vec::new()));
        assert_clean_end(&vault, &outcome, at, records, &format!("{at:?}"));
    }
}

#[test]
fn repeated() {
    let vault = Vault::new();
    for at in Step::ALL {
        run(&vault, change_at(at, |flight| vec![flight.to_vec(); 3])).assert_member(&vault);
    }
}

/// Junk before the right flight, of every size, up to one less than anybody looks at.
#[test]
fn junk_does_not_abort() {
    let vault = Vault::new();
    for at in Step::ALL {
        let outcome = run(
            &vault,
            change_at(at, |flight| {
                let mut all: Vec<Vec<u8>> = (0..limits::PAIR_CANDIDATES - 1).map(|i| vec![i as u8; i * 1100]).collect();
                all.push(flight.to_vec());
                all
            }),
        );
        outcome.assert_member(&vault);
    }
}

#[test]
fn more_junk_than_anybody_looks_at() {
    let vault = Vault::new();
    for at in Step::ALL {
        let records = vault.records();
        let junk = |_: &[u8]| (0..limits::PAIR_CANDIDATES).map(|i| vec![i as u8; 100]).collect();
        let outcome = run(&vault, change_at(at, junk));
        assert_clean_end(&vault, &outcome, at, records, &format!("{at:?}"));
    }
}

/// Every flight comes after all that were sent before it, in both directions, oldest first and newest first.
#[test]
fn reordered_and_replayed_within_a_session() {
    let vault = Vault::new();
    for newest_first in [false, true] {
        let mut before: Vec<Vec<u8>> = Vec::new();
        let fault: Fault<'_> = Box::new(move |_, _, flight| {
            let mut all = before.clone();
            if newest_first {
                all.reverse();
            }
            before.push(flight.to_vec());
            all.push(flight.to_vec());
            all
        });
        run(&vault, fault).assert_member(&vault);
    }
}

/// An earlier flight in place of a later one.
#[test]
fn out_of_order() {
    let vault = Vault::new();
    for at in [Step::Offer, Step::Join, Step::Welcome, Step::Ready, Step::Done] {
        for instead in Step::ALL.into_iter().filter(|step| *step < at) {
            let mut seen: Vec<Vec<u8>> = Vec::new();
            let fault: Fault<'_> = Box::new(move |_, step, flight| {
                seen.push(flight.to_vec());
                if step == at { vec![seen[usize::from(instead.number())].clone()] } else { vec![flight.to_vec()] }
            });
            let records = vault.records();
            let outcome = run(&vault, fault);
            assert_clean_end(&vault, &outcome, at, records, &format!("{instead:?} for {at:?}"));
        }
    }
}

fn flip(flight: &[u8], at: usize) -> Vec<u8> {
    let mut flight = flight.to_vec();
    flight[at] ^= 1;
    flight
}
