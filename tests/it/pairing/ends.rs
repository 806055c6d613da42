//! Pairings that end otherwise: both sides say why, and nothing is left behind.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::runner::provider;
use vault_format::pairing::{Step, mail_object};
use zvault::pairing::Invite;

use super::*;

#[test]
fn nobody_invites_any_more() {
    let (first, second) = (sponsor(), World::new());
    let mut inviting = Inviting::start(&first, &["--via", "tcp"]);
    inviting.child.kill().expect("it runs");
    inviting.child.wait().expect("it ends");
    join(&second, &[&inviting.ticket]).expect_code(1).expect_err("no device answered to this ticket");
    assert!(kept(&second).is_empty());
    assert_eq!(records(&first), 1);
}

#[test]
fn a_ticket_of_another_pairing() {
    let (first, second) = (sponsor(), World::new());
    let mut over = Inviting::start(&first, &["--via", "tcp"]);
    over.child.kill().expect("it runs");
    over.child.wait().expect("it ends");
    let mut inviting = Inviting::start(&first, &["--via", "tcp"]);
    let address = inviting.address.clone().expect("an address");
    join(&second, &[&over.ticket, "--address", &address])
        .expect_code(12)
        .expect_err("the other device did not take this ticket");
    assert!(kept(&second).is_empty());
    // It still waits for the right one.
    join(&second, &[&inviting.ticket]).expect_code(0);
    assert_eq!(inviting.next().expect("a joiner")["message_type"], "joiner");
    inviting.end().expect_code(0);
    assert_member(&second);
}

#[test]
fn what_is_no_ticket() {
    let world = World::new();
    join(&world, &["ZVPAIR1ABC"]).expect_code(2).expect_err("cut");
    join(&world, &["zebra"]).expect_code(2).expect_err("this is no ticket");
    join(&world, &["zebra", "zebra"]).expect_code(2).expect_err("12 words");
    assert!(kept(&world).is_empty());
}

#[test]
fn expired() {
    let (first, second) = (sponsor(), World::new());
    let inviting = Inviting::start(&first, &["--via", "all", "--expires", "1s"]);
    let ticket = inviting.ticket.clone();
    inviting.end().expect_code(1).expect_err("nobody joined in time");
    // The joiner's clock may not have come so far.
    let ran = join(&second, &[&ticket, "--via", "tcp"]);
    assert!(ran.err.contains("the ticket expired") || ran.err.contains("no device answered"), "{}", ran.err);
    assert!(ran.code != Some(0) && kept(&second).is_empty());
    assert_eq!((records(&first), mail(&first)), (1, 0));
}

#[test]
fn a_ticket_is_good_once() {
    let (first, second, third) = (sponsor(), World::new(), World::new());
    let inviting = Inviting::start(&first, &["--via", "tcp"]);
    let ticket = inviting.ticket.clone();
    join(&second, &[&ticket]).expect_code(0);
    inviting.end().expect_code(0);
    join(&third, &[&ticket]).expect_code(1).expect_err("no device answered");
    assert!(kept(&third).is_empty());
    join(&second, &[&ticket]).expect_code(1).expect_err("already");
    assert_eq!(records(&first), 2);
}

#[test]
fn who_may_not_hand_it_on() {
    let (first, second, third) = (sponsor(), World::new(), World::new());
    let inviting = Inviting::start(&first, &[]);
    join(&second, &[&inviting.ticket]).expect_code(0);
    inviting.end().expect_code(0);
    let invites = run(&mut second.bare(["pair", "--json", "--yes", "--listen", "127.0.0.1"]));
    invites.expect_code(13).expect_err("may not add devices");
    run(&mut third.bare(["pair", "--json", "--yes"])).expect_code(10).expect_err("device of no vault");
}

#[test]
fn interrupted_on_the_side_that_invites() {
    let (first, second) = (sponsor(), World::new());
    let inviting = Inviting::start(&first, &[]);
    let ticket = inviting.ticket.clone();
    assert!(Command::new("kill").args(["-INT", &inviting.child.id().to_string()]).status().expect("it runs").success());
    inviting.end().expect_code(130).expect_err("interrupted");
    join(&second, &[&ticket, "--via", "tcp"]).expect_code(1);
    assert_eq!((records(&first), mail(&first), kept(&second).len()), (1, 0, 0));
}

#[test]
fn junk_in_mailbox_does_not_abort() {
    let (first, second) = (sponsor(), World::new());
    let inviting = Inviting::start(&first, &["--via", "mailbox"]);
    let session = Invite::parse(&inviting.ticket).expect("a ticket").session().expect("of this suite");
    for step in Step::ALL {
        for number in 0..10u8 {
            // Of the right form, of no form, and under a name that is not its own.
            let junk = mail_object(provider().suite, &[number; 1_200]).expect("it fits");
            let name = session.mail_name(step, &junk);
            let other = session.mail_name(step, &[number; 8]);
            first.write(&format!("vault/{}", name.to_path()), &junk);
            first.write(&format!("vault/{}", other.to_path()), [number; 8]);
            first.write(&format!("vault/{}", session.mail_name(step, &[number, 1]).to_path()), &junk);
        }
    }
    join(&second, &[&inviting.ticket]).expect_code(0);
    inviting.end().expect_code(0);
    assert_member(&second);
    assert_eq!(mail(&first), 0, "objects are left");
}

#[test]
fn junk_on_the_network_does_not_abort() {
    let (first, second) = (sponsor(), World::new());
    let inviting = Inviting::start(&first, &["--via", "tcp"]);
    let address = inviting.address.as_deref().expect("an address");
    let mut open = Vec::new();
    for number in 0..40u8 {
        let mut stream = TcpStream::connect(address).expect("it listens");
        match number % 4 {
            // Nothing; half a head; a session that nobody has; a flight of 4 GiB.
            0 => {}
            1 => stream.write_all(&[number; 10]).expect("sent"),
            2 => stream.write_all(&[&[number; 17][..], &[0; 4]].concat()).expect("sent"),
            _ => stream.write_all(&[&[0; 17][..], &[0xff; 4]].concat()).expect("sent"),
        }
        open.push(stream);
    }
    join(&second, &[&inviting.ticket]).expect_code(0);
    inviting.end().expect_code(0);
    assert_member(&second);
}

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Victim {
    Sponsor,
    Joiner,
}

/// Carries frames between the two, and kills one of them when a flight of this step comes by, before or after it was passed on.
struct Way {
    victim: Victim,
    at: u8,
    after: bool,
    /// Process ids.
    sponsor: u32,
    joiner: Arc<Mutex<Option<u32>>>,
}

impl Way {
    fn carry(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut head = [0; 21];
        while from.read_exact(&mut head).is_ok() {
            let len = u32::from_le_bytes(*head[17..].first_chunk().expect("4 bytes"));
            let mut flight = vec![0; len as usize];
            if from.read_exact(&mut flight).is_err() {
                break;
            }
            let here = head[16] == self.at;
            if here && !self.after {
                self.kill();
            }
            if to.write_all(&[&head[..], &flight].concat()).is_err() {
                break;
            }
            if here && self.after {
                self.kill();
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }

    fn kill(&self) {
        let id = match self.victim {
            Victim::Sponsor => self.sponsor,
            Victim::Joiner => loop {
                if let Some(id) = *self.joiner.lock().expect("no panics") {
                    break id;
                }
                std::thread::yield_now();
            },
        };
        Command::new("kill").args(["-KILL", &id.to_string()]).status().expect("it runs");
    }
}

#[test]
fn killed_in_each_step() {
    for victim in [Victim::Sponsor, Victim::Joiner] {
        for at in 0..6 {
            for after in [false, true] {
                // Who was never heard of is nobody's loss: the other one waits on.
                if (victim, at, after) != (Victim::Joiner, 0, false) {
                    killed(victim, at, after);
                }
            }
        }
    }
}

fn killed(victim: Victim, at: u8, after: bool) {
    let case = format!("{victim:?} killed at {at}, after: {after}");
    let (first, second) = (sponsor(), World::new());
    let inviting = Inviting::start(&first, &["--via", "tcp"]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let proxy = listener.local_addr().expect("an address").to_string();
    let target = inviting.address.clone().expect("an address");
    let joiner = Arc::new(Mutex::new(None));
    let way = Arc::new(Way { victim, at, after, sponsor: inviting.child.id(), joiner: joiner.clone() });
    let carrier = std::thread::spawn(move || {
        let (near, _) = listener.accept().expect("the joiner");
        let far = TcpStream::connect(target).expect("the sponsor");
        let (back, forth) = (near.try_clone().expect("a clone"), far.try_clone().expect("a clone"));
        let other = std::thread::spawn({
            let way = way.clone();
            move || way.carry(far, back)
        });
        way.carry(near, forth);
        other.join().expect("no panic");
    });
    let mut args = vec!["pair", "--json", "--via", "tcp", "--address", &proxy];
    args.extend(inviting.words.iter().map(String::as_str));
    let child = second.bare(args).spawn().expect("it starts");
    *joiner.lock().expect("no panics") = Some(child.id());
    let (joins, invites) = (ended(child), inviting.end());
    carrier.join().expect("no panic");

    let (gone, stays) = match victim {
        Victim::Sponsor => (&invites, &joins),
        Victim::Joiner => (&joins, &invites),
    };
    // Whoever is killed after its last word may have ended by itself.
    assert!(gone.code.is_none() || gone.code == Some(0), "{case}: {:?} {}", gone.code, gone.err);
    if stays.code != Some(0) {
        assert!(matches!(stays.code, Some(1 | 12)), "{case}: {}", stays.err);
        assert!(
            stays.err.contains("stopped in the middle")
                || stays.err.contains("does not have it yet")
                || stays.err.contains("did not take"),
            "{case}: {}",
            stays.err
        );
    }
    let is_added = records(&first) == 2;
    // A file that had no name yet is nothing.
    match (is_added, !unfinished(&second) && !kept(&second).iter().any(|path| path.ends_with("device"))) {
        // Everything, or the joiner finds out by itself.
        (true, false) => run(&mut second.bare(["ls", "latest"])).expect_code(0).expect_out("letter"),
        (true, true) => panic!("{case}: the roster has a device that nobody holds"),
        (false, kept_nothing) => {
            if !kept_nothing {
                run(&mut second.bare(["ls", "latest"])).expect_code(1).expect_err("does not have it yet");
            }
            let inviting = Inviting::start(&first, &["--via", "tcp"]);
            let again = join(&second, &[&inviting.ticket]).expect_code(0);
            inviting.end().expect_code(0);
            again
        }
    };
    assert_member(&second);
}
