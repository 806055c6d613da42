//! Attackers: on the way, with tickets that they should not have, with somebody else's keys, and with a broken half of the handshake.

use clatter::KeyPair;
use clatter::bytearray::ByteArray;
use clatter::crypto::cipher::ChaChaPoly;
use clatter::crypto::hash::Blake2s;
use clatter::error::{DhResult, KemResult};
use clatter::symmetricstate::SymmetricState;
use clatter::traits::{Cipher, CryptoComponent, Dh, Hash, Kem, Rng};
use crypto_backends::Key;
use std::cell::RefCell;
use std::marker::PhantomData;
use vault_format::pairing::{Join, Message};
use vault_format::roster::{Op, Record};

use super::super::message::{check_join, make_join, open_secrets, proof};
use super::super::noise::for_tests::{Exchange, GcmRandomIv, MlKem768, P256, Sha256, X25519, with_provider};
use super::super::noise::{Handshake, Side};
use super::*;
use crate::keys::device_id;

/// A joiner that does what an attacker wants: `claim` makes its join, `prove` its ready.
fn hostile_joiner(
    vault: &Vault,
    claim: impl FnOnce(&DeviceKeys, &[u8; 32]) -> Join,
    prove: impl FnOnce(&DeviceKeys, &[u8; 32], &[u8]) -> Key,
) -> (Result<Sponsored, PairError>, Vec<JoinRequest>) {
    let invitation = vault.invite(READER);
    let session = by_ticket(&invitation).session().expect("a session");
    let hub = Hub::honest(2);
    let mut host = SponsorSide::new(vault);
    let result = std::thread::scope(|scope| {
        let (hub, host) = (&hub, &mut host);
        let sponsor = scope.spawn(move || sponsor(invitation, &mut hub.end(0), host, &Watch::new()));
        let (mut end, watch) = (hub.end(1), Watch::new());
        let until = Instant::now() + 2 * LIFETIME;
        let mut handshake = Handshake::joiner(provider(), &session).expect("a handshake");
        end.send(Step::Hello, &handshake.write(&[]).expect("a message"), &watch).expect("sent");
        let offer = end.receive(Step::Offer, until, &watch).expect("an offer");
        handshake.read(&offer).expect("authentic");
        let hash = handshake.hash();
        let keys = DeviceKeys::generate(provider(), vault.sponsor.vault).expect("keys");
        let join = Message::Join(claim(&keys, &hash)).encode(provider().suite).expect("a join");
        end.send(Step::Join, &handshake.write(&join).expect("a message"), &watch).expect("sent");
        let welcome = end.receive(Step::Welcome, until, &watch).expect("an answer");
        let payload = handshake.read(&welcome).expect("authentic");
        if let Message::Welcome(welcome) = Message::parse(&payload, provider().suite).expect("a message") {
            let shown = Message::Ready(*prove(&keys, &hash, &welcome.sealed).expose());
            let ready = shown.encode(provider().suite).expect("ready");
            let flight = handshake.finish().expect("a session").write(&ready).expect("a message");
            end.send(Step::Ready, &flight, &watch).expect("sent");
            end.receive(Step::Done, until, &watch).expect("an answer");
        }
        end.close();
        sponsor.join().expect("no panics")
    });
    (result, host.requests)
}

fn honest_claim(keys: &DeviceKeys, hash: &[u8; 32]) -> Join {
    make_join(provider(), keys, hash, READER, NAME).expect("a join")
}

fn honest_proof(keys: &DeviceKeys, hash: &[u8; 32], sealed: &[u8]) -> Key {
    let (w, _) = open_secrets(provider(), keys, hash, sealed).map_err(|e| e.to_string()).expect("opens");
    proof(provider(), &w, hash)
}

/// A device with `pair` makes heads with ground identities: what admins wrote is among those that are handed on.
#[test]
fn ground_heads_hide_no_record_of_an_admin() {
    let vault = Vault::new();
    let p = vault.enroll(READER.union(Capabilities::PAIR));
    let victim = vault.enroll(READER);
    let base = vault.roster().heads;
    let sign = |signer: &DeviceKeys, op: Op, nanos| {
        let record = Record {
            genesis: None,
            time: Time { nanos, ..NOW },
            parents: base.clone(),
            n: 3,
            ops: vec![op],
            epoch: None,
            boxes: Vec::new(),
            private: None,
        };
        let signed = crate::roster::sign(provider(), signer, &record).expect("signed");
        let object = RecordObject::parse(&signed.bytes).expect("a record");
        (Identity(provider().hash.hash(&[&signed.bytes[..object.signed_len]])), signed)
    };
    let revoke = |nanos| sign(&vault.sponsor, Op::Revoke { id: victim.id, last: None }, nanos);
    let (revoked, record) = (0..).map(revoke).find(|(identity, _)| identity.0[0] >= 0xc0).expect("one");
    let add = |nanos| {
        let device = DeviceKeys::generate(provider(), p.vault).expect("keys");
        let (id, verify_key, kem_key) = (device.id, device.verify_key.clone(), device.kem_key.clone());
        sign(&p, Op::Add { id, verify_key, kem_key, capabilities: READER, slot: None, handshake: None }, nanos)
    };
    let ground: Vec<_> = (0..).map(add).filter(|(identity, _)| *identity < revoked).take(20).collect();
    vault.store(record);
    for (_, record) in ground {
        vault.store(record);
    }
    let roster = vault.roster();
    assert_eq!((roster.heads.len(), &roster.heads[20]), (21, &revoked));
    let named = roster.next_place(vault.sponsor.id).0;
    assert!(named.contains(&revoked) && named.len() < 21);
    let invitation = vault.invite(READER);
    assert_eq!(invitation.ticket().extras.roster, super::super::ticket::roster_hash(provider(), &named));
    let (hub, invite) = (Hub::honest(2), by_ticket(&invitation));
    let outcome = run_with(invitation, &invite, &hub, SponsorSide::new(&vault), JoinerSide::default(), NAME);
    outcome.assert_member(&vault);
}

#[test]
fn joiner_registers_foreign_keys() {
    let vault = Vault::new();
    let victim = DeviceKeys::generate(provider(), vault.sponsor.vault).expect("keys");
    let id = |join: &Join| device_id(provider(), vault.sponsor.vault, &join.verify_key, &join.kem_key);
    let refused = |claim: &dyn Fn(&DeviceKeys, &[u8; 32]) -> Join| {
        let (result, requests) = hostile_joiner(&vault, claim, honest_proof);
        assert!(matches!(result, Err(PairError::NotProven)));
        assert!(requests.is_empty(), "nobody is asked about it");
        assert_eq!(vault.records(), 1);
    };
    // Somebody else's signing key, and all of somebody else's keys.
    refused(&|keys, hash| {
        let mut join = Join { verify_key: victim.verify_key.clone(), ..honest_claim(keys, hash) };
        join.device = id(&join);
        join
    });
    refused(&|keys, hash| Join {
        device: victim.id,
        verify_key: victim.verify_key.clone(),
        kem_key: victim.kem_key.clone(),
        ..honest_claim(keys, hash)
    });
    // What somebody else signed in another session.
    refused(&|_, _| honest_claim(&victim, &[7; 32]));
    // Signed by one of the two algorithms only.
    for at in [0, 63, 64, 3372] {
        refused(&|keys, hash| {
            let mut join = honest_claim(keys, hash);
            join.signature[at] ^= 1;
            join
        });
    }
    // Other capabilities, another name, another id than was signed.
    refused(&|keys, hash| make_join(provider(), keys, hash, Capabilities::ALL, NAME).expect("a join"));
    refused(&|keys, hash| Join { name: "another".into(), ..honest_claim(keys, hash) });
    refused(&|keys, hash| Join { device: victim.id, ..honest_claim(keys, hash) });

    // Somebody else's KEM key under the joiner's own signature: it never sees what was sealed to it.
    let claim = |keys: &DeviceKeys, hash: &[u8; 32]| {
        let mut other = keys.duplicate();
        other.kem_key.clone_from(&victim.kem_key);
        other.id = device_id(provider(), vault.sponsor.vault, &other.verify_key, &other.kem_key);
        let join = honest_claim(&other, hash);
        check_join(provider(), &join, vault.sponsor.vault, hash, READER).expect("the signatures are right");
        join
    };
    let guess = |keys: &DeviceKeys, hash: &[u8; 32], sealed: &[u8]| {
        assert!(open_secrets(provider(), keys, hash, sealed).is_err());
        proof(provider(), &Key::new([0; 32]), hash)
    };
    let (result, _) = hostile_joiner(&vault, claim, guess);
    assert!(matches!(result, Err(PairError::NotProven)));
    assert_eq!(vault.records(), 1);

    let (result, _) = hostile_joiner(&vault, honest_claim, honest_proof);
    result.expect("nothing else was wrong");
}

#[test]
fn control_characters_in_name() {
    let vault = Vault::new();
    let invitation = vault.invite(READER);
    let invite = by_ticket(&invitation);
    let name = "\u{1b}[2J\r\n\u{202e}gpj.exe\u{2066}\u{200b}\u{7}\u{9b}31m laptop\u{feff} ";
    let outcome = run_with(invitation, &invite, &Hub::honest(2), SponsorSide::new(&vault), JoinerSide::default(), name);
    outcome.assert_member(&vault);
    assert_eq!(outcome.requests[0].name, "[2Jgpj.exe31m laptop");
    let roster = vault.roster();
    let keys = roster.open_as(provider(), &vault.sponsor).map_err(|e| e.to_string()).expect("opens");
    assert_eq!(keys.device_names[&outcome.requests[0].device], "[2Jgpj.exe31m laptop");
}

#[test]
fn caps_in_roster_differ_from_offer() {
    let vault = Vault::new();
    let joined_where = |on_admit: OnAdmit<'_>| {
        let invitation = vault.invite(READER);
        let invite = by_ticket(&invitation);
        let host = SponsorSide { on_admit, ..SponsorSide::new(&vault) };
        let outcome = run_with(invitation, &invite, &Hub::honest(2), host, JoinerSide::default(), NAME);
        let joined = outcome.joiner.map_err(|e| e.to_string()).expect("joined");
        joined.membership(&vault.roster())
    };
    for given in [Capabilities::PUSH, Capabilities::READ, READER | Capabilities::PRUNE, Capabilities::ALL] {
        let other = joined_where(Box::new(move |vault, admission| {
            let admission = Admission { capabilities: given, ..duplicate(admission) };
            Ok(vault.admit(&vault.sponsor, &admission))
        }));
        assert!(matches!(other, Err(PairError::CapabilitiesDiffer { given: g, .. }) if g == given));
    }
    // By another device than the one that offered, and in another session.
    let pairer = vault.enroll(READER | Capabilities::PAIR);
    let by_other = joined_where(Box::new(|vault, admission| Ok(vault.admit(&pairer, admission))));
    assert!(matches!(by_other, Err(PairError::AddedOtherwise { by }) if by == pairer.id));
    let in_other = joined_where(Box::new(|vault, admission| {
        Ok(vault.admit(&vault.sponsor, &Admission { handshake: [1; 32], ..duplicate(admission) }))
    }));
    assert!(matches!(in_other, Err(PairError::AddedOtherwise { by }) if by == vault.sponsor.id));
    // A record that is reported and not there, and the roster of another vault.
    let reported = joined_where(Box::new(|_, _| Ok(Identity([5; 32]))));
    assert!(matches!(reported, Ok(None)));
    let elsewhere = run(&vault, Box::new(|_, _, flight| vec![flight.to_vec()]));
    let joined = elsewhere.joiner.map_err(|e| e.to_string()).expect("joined");
    assert!(matches!(joined.membership(&Vault::new().roster()), Err(PairError::OtherRoster { .. })));
}

fn duplicate(admission: &Admission) -> Admission {
    Admission {
        device: admission.device,
        verify_key: admission.verify_key.clone(),
        kem_key: admission.kem_key.clone(),
        w: admission.w.duplicate(),
        name: admission.name.clone(),
        capabilities: admission.capabilities,
        handshake: admission.handshake,
    }
}

/// A sponsor with the right secret and another vault: somebody swapped what the ticket points to.
#[test]
fn an_offer_that_is_not_what_the_ticket_says() {
    let (vault, other) = (Vault::new(), Vault::new());
    let text = vault.invite(READER).ticket().to_text();
    let ticket = || Ticket::parse(&text).expect("a ticket");
    let with_offer_of = |vault: &Vault, capabilities: Capabilities| {
        let mut invitation = vault.invite(capabilities);
        invitation.replace_ticket(ticket());
        let invite = Invite::Ticket(Box::new(ticket()));
        run_with(invitation, &invite, &Hub::honest(2), SponsorSide::new(vault), JoinerSide::default(), NAME)
    };
    let outcome = with_offer_of(&other, READER);
    outcome.assert_nothing_left(&other, 1);
    assert!(matches!(outcome.joiner, Err(PairError::OtherVault { what: "another vault" })));
    assert!(matches!(outcome.sponsor, Err(PairError::Refused(Reason::OtherVault))));

    vault.enroll(READER);
    let outcome = with_offer_of(&vault, READER);
    outcome.assert_nothing_left(&vault, 2);
    assert!(matches!(outcome.joiner, Err(PairError::OtherVault { what: "another state of the vault" })));
}

/// The man in the middle has no ticket: to each side he is somebody with a wrong one.
#[test]
fn man_in_the_middle_without_the_ticket() {
    let vault = Vault::new();
    let (invitation, his) = (vault.invite(READER), vault.invite(READER));
    let (invite, his_invite) = (by_ticket(&invitation), by_ticket(&his));
    // Towards the sponsor.
    let outcome =
        run_with(invitation, &his_invite, &Hub::honest(2), SponsorSide::new(&vault), JoinerSide::default(), NAME);
    outcome.assert_nothing_left(&vault, 1);
    assert_eq!(outcome.sponsor_error(), "nobody joined in time; one attempt came with a wrong ticket");
    // Towards the joiner.
    let outcome = run_with(his, &invite, &Hub::honest(2), SponsorSide::new(&vault), JoinerSide::default(), NAME);
    outcome.assert_nothing_left(&vault, 1);
    assert!(outcome.side.met.is_empty());
    // In between, exchanging the keys of the first messages for his own: all that he can do without the secret.
    let mut stranger = Handshake::joiner(provider(), &his_invite.session().expect("a session")).expect("a handshake");
    let his_hello = stranger.write(&[]).expect("a message");
    let swap: Fault<'_> = Box::new(move |_, step, flight| match step {
        Step::Hello => vec![[&his_hello[..32], &flight[32..]].concat(), [&flight[..32], &his_hello[32..]].concat()],
        _ => vec![flight.to_vec()],
    });
    run(&vault, swap).assert_nothing_left(&vault, 1);
}

/// Whoever finds a ticket after its time, with the sponsor still running.
#[test]
fn man_in_the_middle_with_an_expired_ticket() {
    let vault = Vault::new();
    let invitation = vault.try_invite(vault.sponsor.id, READER, Duration::ZERO).expect("an invitation");
    let invite = by_ticket(&invitation);
    let hub = Hub::honest(2);
    let outcome = run_with(invitation, &invite, &hub, SponsorSide::new(&vault), JoinerSide::default(), NAME);
    outcome.assert_nothing_left(&vault, 1);
    assert!(matches!(outcome.sponsor, Err(PairError::Expired { .. })));
    assert!(hub.sent().iter().all(|(party, ..)| *party == 1), "the sponsor says nothing to him");
}

/// All flights of a pairing that went well, played to a sponsor: one with another secret, and one that even has the same.
#[test]
fn man_in_the_middle_with_a_recorded_session() {
    let vault = Vault::new();
    let invitation = vault.invite(READER);
    let invite = by_ticket(&invitation);
    let text = invitation.ticket().to_text();
    let hub = Hub::honest(2);
    run_with(invitation, &invite, &hub, SponsorSide::new(&vault), JoinerSide::default(), NAME).assert_member(&vault);
    let recorded: Vec<Vec<u8>> =
        hub.sent().into_iter().filter(|(party, ..)| *party == 1).map(|(_, _, flight)| flight).collect();
    assert_eq!(recorded.len(), 3);
    for same_secret in [false, true] {
        let mut invitation = vault.invite(READER);
        if same_secret {
            invitation.replace_ticket(Ticket::parse(&text).expect("a ticket"));
        }
        let hub = Hub::honest(2);
        recorded.iter().for_each(|flight| hub.inject(1, flight.clone()));
        let mut host = SponsorSide::new(&vault);
        let (hub, until) = (&hub, Instant::now() + 2 * LIFETIME);
        let result = std::thread::scope(|scope| {
            // Somebody who listens, and has nothing more to say.
            scope.spawn(move || while hub.end(1).receive(Step::Offer, until, &Watch::new()).is_ok() {});
            sponsor(invitation, &mut hub.end(0), &mut host, &Watch::new())
        });
        match same_secret {
            true => assert!(matches!(result, Err(PairError::Tampered { step: Step::Join, junk: 2 })), "{result:?}"),
            false => assert!(matches!(result, Err(PairError::Expired { junk: 3 })), "{result:?}"),
        }
        assert!(host.requests.is_empty());
        assert_eq!(vault.records(), 2);
    }
}

/// A first message of an earlier pairing does not consume this one; one of this pairing, again, changes nothing.
#[test]
fn replayed_first_message() {
    let vault = Vault::new();
    let earlier = Hub::honest(2);
    let invitation = vault.invite(READER);
    let invite = by_ticket(&invitation);
    run_with(invitation, &invite, &earlier, SponsorSide::new(&vault), JoinerSide::default(), NAME)
        .assert_member(&vault);
    let old_hello = earlier.sent()[0].2.clone();
    let fault: Fault<'_> = Box::new(move |_, step, flight| match step {
        Step::Hello => vec![old_hello.clone(), flight.to_vec(), flight.to_vec(), old_hello.clone()],
        _ => vec![flight.to_vec()],
    });
    run(&vault, fault).assert_member(&vault);
}

/// X25519: a public key of low order makes the shared secret zero whatever the other key is. P-256: bytes that are no point.
#[test]
fn bad_public_keys_end_the_handshake() {
    match suite() {
        Suite::Default => bad_public_key_ends_it::<X25519, ChaChaPoly, Blake2s>(),
        Suite::Fips => bad_public_key_ends_it::<P256, GcmRandomIv, Sha256>(),
    }
}

fn bad_public_key_ends_it<D: Dh + 'static, C: Cipher + 'static, H: Hash + 'static>() {
    let session = by_ticket(&Vault::new().invite(READER)).session().expect("a session");
    let mut joiner = Side::<Zeros<D>, MlKem768, C, H>::new(provider(), &session, true).expect("a handshake");
    let mut sponsor = Side::<D, MlKem768, C, H>::new(provider(), &session, false).expect("a handshake");
    sponsor.read(&joiner.write(&[]).expect("a message")).expect("the key is not used yet");
    assert!(sponsor.write(b"offer").is_err());
}

/// Its public keys are zeros.
#[derive(Clone)]
struct Zeros<D>(PhantomData<D>);

impl<D: Dh> CryptoComponent for Zeros<D> {
    fn name() -> &'static str {
        D::name()
    }
}

impl<D: Dh> Dh for Zeros<D> {
    type PrivateKey = D::PrivateKey;
    type PubKey = D::PubKey;
    type Output = D::Output;

    fn genkey_rng<R: Rng>(rng: &mut R) -> DhResult<KeyPair<Self::PubKey, Self::PrivateKey>> {
        let KeyPair { secret, .. } = &D::genkey_rng(rng)?;
        Ok(KeyPair::new(D::PubKey::new_zero(), secret.clone()))
    }

    fn pubkey(_: &Self::PrivateKey) -> Self::PubKey {
        D::PubKey::new_zero()
    }

    fn dh(secret: &Self::PrivateKey, public: &Self::PubKey) -> DhResult<Self::Output> {
        D::dh(secret, public)
    }
}

/// The recorder has every flight and, later, the ticket. He breaks X25519 or P-256, or ML-KEM, or both.
#[test]
fn the_session_falls_only_if_both_halves_fall() {
    match suite() {
        Suite::Default => falls_only_if_both_fall::<X25519, ChaChaPoly, Blake2s>(),
        Suite::Fips => falls_only_if_both_fall::<P256, GcmRandomIv, Sha256>(),
    }
}

fn falls_only_if_both_fall<D: Dh + 'static, C: Cipher + 'static, H: Hash + 'static>() {
    LEAKED.take();
    let session = by_ticket(&Vault::new().invite(READER)).session().expect("a session");
    let mut joiner = Side::<Leaky<D>, Leaky<D>, C, H>::new(provider(), &session, true).expect("a handshake");
    let mut sponsor = Side::<Leaky<D>, Leaky<D>, C, H>::new(provider(), &session, false).expect("a handshake");
    let mut flights = Vec::new();
    for (i, payload) in [&b""[..], b"the offer", b"the join", b"the welcome"].into_iter().enumerate() {
        let (from, to) = if i % 2 == 0 { (&mut joiner, &mut sponsor) } else { (&mut sponsor, &mut joiner) };
        flights.push(from.write(payload).expect("a message"));
        assert_eq!(**to.read(&flights[i]).expect("authentic"), *payload);
    }
    let leaked = LEAKED.take();
    assert_eq!(leaked.kem.len(), 3, "ekem and two times skem");
    assert_eq!(leaked.dh.len(), 4, "two pairs a side");

    let read = |dh, kem| {
        let recorder = Recorder::<D, C, H> { session: &session, leaked: &leaked, dh, kem, of: PhantomData };
        with_provider(provider(), || recorder.read(&flights)).expect("no randomness fails")
    };
    let all: Vec<&[u8]> = vec![b"", b"the offer", b"the join", b"the welcome"];
    assert_eq!(read(true, true), all, "nothing else is missing");
    assert_eq!(read(true, false), all[..1], "with a broken Diffie-Hellman");
    assert_eq!(read(false, true), all[..1], "with a broken ML-KEM");
    assert_eq!(read(false, false), all[..1]);
}

/// Goes through the handshake with what he has: the transcript, the ticket, and the secrets of what he broke.
struct Recorder<'a, D, C, H> {
    session: &'a Session,
    leaked: &'a Leaked,
    dh: bool,
    kem: bool,
    of: PhantomData<(D, C, H)>,
}

impl<D: Dh, C: Cipher, H: Hash> Recorder<'_, D, C, H> {
    /// The payloads that he can read, up to the first that he cannot.
    fn read(&self, flights: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut read = Vec::new();
        // As in SPEC section 18.3, with the names of the leaky algorithms.
        let protocol = format!("Noise_hybridXXpsk0_leaky+leaky_{}_{}", C::name(), H::name());
        let mut state = SymmetricState::<C, H>::new(&protocol);
        state.mix_hash(&self.session.prologue);
        let _ = self.walk(&mut state, flights, &mut read);
        read
    }

    /// The tokens of the pattern, as SPEC section 18.3 has them.
    fn walk(&self, state: &mut SymmetricState<C, H>, flights: &[Vec<u8>], read: &mut Vec<Vec<u8>>) -> Option<()> {
        // -> psk, e
        let mut m = &flights[0][..];
        state.mix_key_and_hash(self.session.psk.expose());
        let joiner_e = self.ephemeral(state, &mut m);
        read.push(decrypt(state, m)?);
        // <- ekem, e, ee, s, es
        let mut m = &flights[1][..];
        let ct = take(&mut m, CT);
        state.mix_hash(ct);
        state.mix_key(&self.kem_secret(ct));
        let sponsor_e = self.ephemeral(state, &mut m);
        state.mix_key(&self.dh_secret(&joiner_e, &sponsor_e));
        let sponsor_s = decrypt(state, take(&mut m, D::PubKey::len() + C::tag_len()))?;
        decrypt(state, take(&mut m, PUBLIC + C::tag_len()))?;
        state.mix_key(&self.dh_secret(&joiner_e, &sponsor_s));
        read.push(decrypt(state, m)?);
        // -> skem, s, se
        let mut m = &flights[2][..];
        let ct = decrypt(state, take(&mut m, CT + C::tag_len()))?;
        state.mix_key_and_hash(&self.kem_secret(&ct));
        let joiner_s = decrypt(state, take(&mut m, D::PubKey::len() + C::tag_len()))?;
        decrypt(state, take(&mut m, PUBLIC + C::tag_len()))?;
        state.mix_key(&self.dh_secret(&sponsor_e, &joiner_s));
        read.push(decrypt(state, m)?);
        // <- skem
        let mut m = &flights[3][..];
        let ct = decrypt(state, take(&mut m, CT + C::tag_len()))?;
        state.mix_key_and_hash(&self.kem_secret(&ct));
        read.push(decrypt(state, m)?);
        Some(())
    }

    fn ephemeral(&self, state: &mut SymmetricState<C, H>, m: &mut &[u8]) -> Vec<u8> {
        let dh = take(m, D::PubKey::len());
        for part in [dh, take(m, PUBLIC)] {
            state.mix_hash(part);
            state.mix_key(part);
        }
        dh.to_vec()
    }

    /// Whoever breaks Diffie-Hellman gets the secret key of any public one.
    fn dh_secret(&self, one: &[u8], other: &[u8]) -> Vec<u8> {
        let broken = self.leaked.dh.iter().filter(|_| self.dh).find(|(public, _)| public == one);
        let Some((_, secret)) = broken else { return vec![0; 32] };
        let shared = D::dh(&D::PrivateKey::from_slice(secret), &D::PubKey::from_slice(other));
        shared.expect("honest keys").as_slice().to_vec()
    }

    /// Whoever breaks ML-KEM gets what is in any ciphertext.
    fn kem_secret(&self, ct: &[u8]) -> Vec<u8> {
        let broken = self.leaked.kem.iter().filter(|_| self.kem).find(|(leaked, _)| leaked == ct);
        broken.map_or(vec![0; 32], |(_, shared)| shared.clone())
    }
}

fn decrypt<C: Cipher, H: Hash>(state: &mut SymmetricState<C, H>, sealed: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0; sealed.len() - C::tag_len()];
    state.decrypt_and_hash(sealed, &mut out).ok()?;
    Some(out)
}

fn take<'m>(m: &mut &'m [u8], len: usize) -> &'m [u8] {
    let (taken, rest) = m.split_at(len);
    *m = rest;
    taken
}

/// Public and secret keys of Diffie-Hellman; ML-KEM ciphertexts and what is in them.
#[derive(Default)]
struct Leaked {
    dh: Vec<(Vec<u8>, Vec<u8>)>,
    kem: Vec<(Vec<u8>, Vec<u8>)>,
}

thread_local! {
    static LEAKED: RefCell<Leaked> = RefCell::default();
}

/// Both algorithms as they are, and a leak.
#[derive(Clone)]
struct Leaky<D>(PhantomData<D>);

impl<D: Dh> CryptoComponent for Leaky<D> {
    fn name() -> &'static str {
        "leaky"
    }
}

impl<D: Dh> Dh for Leaky<D> {
    type PrivateKey = D::PrivateKey;
    type PubKey = D::PubKey;
    type Output = D::Output;

    fn genkey_rng<R: Rng>(rng: &mut R) -> DhResult<KeyPair<Self::PubKey, Self::PrivateKey>> {
        let pair = D::genkey_rng(rng)?;
        let leak = (pair.public.as_slice().to_vec(), pair.secret.as_slice().to_vec());
        LEAKED.with_borrow_mut(|leaked| leaked.dh.push(leak));
        Ok(pair)
    }

    fn pubkey(secret: &Self::PrivateKey) -> Self::PubKey {
        D::pubkey(secret)
    }

    fn dh(secret: &Self::PrivateKey, public: &Self::PubKey) -> DhResult<Self::Output> {
        D::dh(secret, public)
    }
}

impl<D: Dh> Kem for Leaky<D> {
    type SecretKey = <MlKem768 as Kem>::SecretKey;
    type PubKey = <MlKem768 as Kem>::PubKey;
    type Ct = <MlKem768 as Kem>::Ct;
    type Ss = <MlKem768 as Kem>::Ss;

    fn genkey_rng<R: Rng>(rng: &mut R) -> KemResult<KeyPair<Self::PubKey, Self::SecretKey>> {
        MlKem768::genkey_rng(rng)
    }

    fn encapsulate<R: Rng>(public: &[u8], rng: &mut R) -> KemResult<(Self::Ct, Self::Ss)> {
        let (ct, shared) = MlKem768::encapsulate(public, rng)?;
        let leak = (ct.as_slice().to_vec(), shared.as_slice().to_vec());
        LEAKED.with_borrow_mut(|leaked| leaked.kem.push(leak));
        Ok((ct, shared))
    }

    fn decapsulate(ct: &[u8], secret: &[u8]) -> KemResult<Self::Ss> {
        MlKem768::decapsulate(ct, secret)
    }
}

const CT: usize = 1088;
const PUBLIC: usize = 1184;
