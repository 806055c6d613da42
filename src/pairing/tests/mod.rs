//! Two devices, one vault, and everything that can go wrong between them (the design's A15).

mod attacks;
mod faults;
mod floods;
mod hub;
mod known;
mod outcomes;
mod signed;
mod text;

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crypto_backends::rustcrypto::{lower_kdf_floors_for_tests, provider_of};
use crypto_backends::{Provider, SecretBytes, Suite};
use vault_format::{
    ObjectName, Time,
    ids::{DeviceId, Identity},
    pairing::{LogHead, StorePlace},
    roster::{Capabilities, RecordObject},
};

use self::hub::{Fault, Hub};
use super::*;
use crate::keys::{DeviceKeys, Passphrase};
use crate::roster::{AdmitOptions, EnrollOptions, FoundingOptions, Roster, admit, enroll, found};
use crate::store::{OpenMode, Store, StoreOptions, StoreUrl};

const NOW: Time = Time { secs: 1_790_000_000, nanos: 5 };
const NAME: &str = "joiner's laptop";
const URL: &str = "s3://bucket/vault";
const READER: Capabilities = Capabilities::READ.union(Capabilities::PUSH);

/// These tests run in two modules, one for each suite.
fn suite() -> Suite {
    if module_path!().contains("tests_of_fips") { Suite::Fips } else { Suite::Default }
}

fn provider() -> &'static Provider {
    provider_of(suite())
}

/// A vault as a store holds it, and the device that invites.
struct Vault {
    objects: Mutex<Vec<(ObjectName, Vec<u8>)>>,
    sponsor: DeviceKeys,
}

impl Vault {
    fn new() -> Self {
        lower_kdf_floors_for_tests();
        let passphrase = Passphrase::new("correct horse battery").expect("a passphrase");
        let options = FoundingOptions {
            passphrase: &passphrase,
            password_params: provider().password.fit(0),
            low_memory: false,
            words: false,
            device_name: "founder",
            store_url: URL,
            store_kind: 1,
            store_verdict: 0,
            time: NOW,
        };
        let founded = found(provider(), &options).expect("a vault");
        Self { objects: Mutex::new(vec![(founded.record.name, founded.record.bytes)]), sponsor: founded.device }
    }

    fn roster(&self) -> Roster {
        let objects = self.objects.lock().expect("no panics");
        Roster::build(provider(), &objects, Some(self.sponsor.vault)).expect("a roster")
    }

    fn records(&self) -> usize {
        self.objects.lock().expect("no panics").len()
    }

    fn store(&self, record: crate::roster::NewRecord) -> Identity {
        let object = RecordObject::parse(&record.bytes).expect("a record");
        let identity = Identity(provider().hash.hash(&[&record.bytes[..object.signed_len]]));
        self.objects.lock().expect("no panics").push((record.name, record.bytes));
        identity
    }

    /// What it has, where a store can be opened.
    fn in_folder(&self, path: &Path) -> String {
        let url = StoreUrl::parse(path.to_str().expect("a path")).expect("a URL");
        let store = Store::open(&url, &StoreOptions::default(), OpenMode::Create).expect("a store");
        for (name, bytes) in self.objects.lock().expect("no panics").iter() {
            store.put(name, bytes.clone().into()).expect("stored");
        }
        url.to_string()
    }

    fn admit(&self, signer: &DeviceKeys, admission: &Admission) -> Identity {
        let roster = self.roster();
        let keys = roster.open_as(provider(), signer).map_err(|e| e.to_string()).expect("opens");
        let options = AdmitOptions {
            verify_key: &admission.verify_key,
            kem_key: &admission.kem_key,
            w: &admission.w,
            name: &admission.name,
            capabilities: admission.capabilities,
            handshake: Some(admission.handshake),
            time: NOW,
        };
        self.store(admit(provider(), &roster, &keys, signer, &options).expect("a record"))
    }

    fn enroll(&self, capabilities: Capabilities) -> DeviceKeys {
        let roster = self.roster();
        let keys = roster.open_as(provider(), &self.sponsor).map_err(|e| e.to_string()).expect("opens");
        let options = EnrollOptions { name: "another", capabilities, time: NOW };
        let enrolled = enroll(provider(), &roster, &keys, &self.sponsor, &options).expect("enrolled");
        self.store(enrolled.record);
        enrolled.device
    }

    fn invite(&self, capabilities: Capabilities) -> Invitation {
        self.try_invite(self.sponsor.id, capabilities, LIFETIME).expect("an invitation")
    }

    fn try_invite(
        &self,
        sponsor: DeviceId,
        capabilities: Capabilities,
        lifetime: Duration,
    ) -> Result<Invitation, PairError> {
        let roster = self.roster();
        let options = InviteOptions { roster: &roster, sponsor, capabilities, lifetime, now: NOW, words: true };
        Invitation::new(provider(), &options, |_| places())
    }
}

fn places() -> Places {
    Places {
        addresses: vec!["192.0.2.7:4711".parse().expect("an address"), "[2001:db8::7]:4711".parse().expect("one")],
        store: Some(URL.into()),
        mdns: true,
        presigned: Vec::new(),
        settings: vec![("region".into(), "eu".into())],
    }
}

fn by_ticket(invitation: &Invitation) -> Invite {
    Invite::parse(&invitation.ticket().to_text()).expect("a ticket")
}

fn by_words(invitation: &Invitation) -> Invite {
    let words: Vec<_> = invitation.words().expect("words").iter().collect();
    Invite::parse(&words.join(" ")).expect("words")
}

/// What a test makes of the sponsor's side.
type OnConfirm<'v> = Box<dyn FnMut(&JoinRequest) -> bool + Send + 'v>;
type OnAdmit<'v> = Box<dyn FnMut(&Vault, &Admission) -> Result<Identity, HostError> + Send + 'v>;

struct SponsorSide<'v> {
    vault: &'v Vault,
    requests: Vec<JoinRequest>,
    credentials: Vec<(String, Vec<u8>)>,
    on_confirm: OnConfirm<'v>,
    on_admit: OnAdmit<'v>,
}

impl<'v> SponsorSide<'v> {
    fn new(vault: &'v Vault) -> Self {
        Self {
            vault,
            requests: Vec::new(),
            credentials: vec![("secret key".into(), b"canary".to_vec())],
            on_confirm: Box::new(|_| true),
            on_admit: Box::new(|vault, admission| Ok(vault.admit(&vault.sponsor, admission))),
        }
    }
}

impl SponsorHost for SponsorSide<'_> {
    fn confirm(&mut self, request: &JoinRequest) -> bool {
        self.requests.push(request.clone());
        (self.on_confirm)(request)
    }

    fn gift(&mut self, _: &JoinRequest) -> Result<Gift, HostError> {
        Ok(Gift {
            stores: vec![StorePlace { id: [9; 16], primary: true, url: URL.into(), settings: Vec::new() }],
            log_heads: vec![LogHead { device: DeviceId([2; 16]), seq: 3, identity: Identity([4; 32]) }],
            roster_heads: self.vault.roster().next_place(self.vault.sponsor.id).0,
            credentials: self
                .credentials
                .iter()
                .map(|(name, value)| (name.clone(), SecretBytes::new(value.clone())))
                .collect(),
        })
    }

    fn admit(&mut self, admission: &Admission) -> Result<Identity, HostError> {
        (self.on_admit)(self.vault, admission)
    }
}

/// What a test makes of the joiner's side.
#[derive(Default)]
struct JoinerSide {
    met: Vec<Meeting>,
    kept: Option<SecretBytes>,
    forgot: bool,
    disk_is_full: bool,
}

impl JoinerHost for JoinerSide {
    fn met(&mut self, meeting: &Meeting) {
        self.met.push(meeting.clone());
    }

    fn keep(&mut self, joined: &Joined) -> Result<(), HostError> {
        if self.disk_is_full {
            return Err("disk full".into());
        }
        self.kept = Some(joined.encode());
        Ok(())
    }

    fn forget(&mut self) {
        self.forgot = true;
        self.kept = None;
    }
}

/// How it went on both sides.
struct Outcome {
    sponsor: Result<Sponsored, PairError>,
    joiner: Result<Joined, PairError>,
    requests: Vec<JoinRequest>,
    side: JoinerSide,
}

impl Outcome {
    fn sponsor_error(&self) -> String {
        self.sponsor.as_ref().err().map(ToString::to_string).expect("the sponsor fails")
    }

    /// Both sides know, and so does the vault.
    fn assert_member(&self, vault: &Vault) {
        let joined = self.joiner.as_ref().map_err(|e| e.to_string()).expect("joined");
        let sponsored = self.sponsor.as_ref().map_err(|e| e.to_string()).expect("sponsored");
        assert_eq!(joined.record, Some(sponsored.record));
        let membership = joined.membership(&vault.roster()).expect("a roster as agreed");
        assert_eq!(membership, Some(Membership { record: sponsored.record }));
        assert_eq!(self.requests[0].fingerprint, self.side.met[0].fingerprint);
    }

    /// Nobody is a member who was none, and nothing is kept.
    fn assert_nothing_left(&self, vault: &Vault, records: usize) {
        assert!(self.sponsor.is_err(), "the sponsor thinks that it went well");
        assert!(self.joiner.is_err(), "the joiner thinks that it went well");
        assert_eq!(vault.records(), records, "a record was written");
        assert!(self.side.kept.is_none(), "something was kept");
    }
}

fn run(vault: &Vault, fault: Fault<'_>) -> Outcome {
    let invitation = vault.invite(READER);
    let invite = by_ticket(&invitation);
    run_with(invitation, &invite, &Hub::new(2, fault), SponsorSide::new(vault), JoinerSide::default(), NAME)
}

fn run_with(
    invitation: Invitation,
    invite: &Invite,
    hub: &Hub<'_>,
    host: SponsorSide<'_>,
    side: JoinerSide,
    name: &str,
) -> Outcome {
    run_watched(invitation, invite, hub, host, side, name, [&Watch::new(), &Watch::new()])
}

fn run_watched(
    invitation: Invitation,
    invite: &Invite,
    hub: &Hub<'_>,
    mut host: SponsorSide<'_>,
    mut side: JoinerSide,
    name: &str,
    watches: [&Watch<'_>; 2],
) -> Outcome {
    let options = JoinOptions { name, now: NOW, deadline: Instant::now() + 2 * LIFETIME };
    let (sponsor, joiner) = std::thread::scope(|scope| {
        let host = &mut host;
        let sponsor = scope.spawn(move || super::sponsor(invitation, &mut hub.end(0), host, watches[0]));
        let joiner = join(invite, &options, &mut hub.end(1), &mut side, watches[1]);
        (sponsor.join().expect("the sponsor does not panic"), joiner)
    });
    Outcome { sponsor, joiner, requests: host.requests, side }
}
