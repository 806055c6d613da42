//! Vaults with long logs: what opening them costs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crypto_backends::rustcrypto::lower_kdf_floors_for_tests;
use object_store::local::LocalFileSystem;
use vault_format::log::{
    Body, DeltaPart, EntryRef, Final, Heads, IndexSet, Outcome, Payload, Snapshot, SnapshotStats, SourceKind,
    SourceRecord, entry_prefix,
};
use vault_format::name::{ObjectName, PackName};
use vault_format::signed::clear_object;
use vault_format::{ChunkId, Domain, EpochId, Header, Identity, Mode, ObjectHash, ObjectType, Scope, Time};

use super::{InitOptions, OpenOptions, Purpose, UnlockSecret, Vault};
use crate::keys::Passphrase;
use crate::parallel;
use crate::state::Home;
use crate::store::Store;
use crate::store::faults::Meter;
use crate::sync::lock;

/// A vault in a folder, with devices that push every hour. The first one merges the index and, once a week, forgets most of
/// the snapshots and collects.
struct LongLogs {
    devices: Vec<Vault>,
    /// The newest entry of each device: (identity, seq).
    heads: Vec<Option<(Identity, u64)>>,
    /// Of the week before: what is forgotten next.
    last_week: Vec<EntryRef>,
    this_week: Vec<EntryRef>,
    entries: usize,
    deltas_since_merge: usize,
}

impl LongLogs {
    fn new(folder: &Path, devices: usize) -> Self {
        lower_kdf_floors_for_tests();
        fs::create_dir_all(folder).expect("made");
        let (url, first) = (url(folder), home(folder, 0));
        drop(Vault::init(InitOptions::new(&url, &first, "device 0", passphrase())).expect("a vault"));
        (1..devices).for_each(|n| drop(open(folder, n, Purpose::Read)));
        let mut devices: Vec<Vault> = (0..devices).map(|n| open(folder, n, Purpose::Read)).collect();
        // What a device keeps of its last entries takes longer than the entries.
        devices.iter_mut().for_each(|device| device.ephemeral = true);
        let heads = vec![None; devices.len()];
        let (last_week, this_week) = Default::default();
        Self { devices, heads, last_week, this_week, entries: 0, deltas_since_merge: 0 }
    }

    /// Every device pushes once; all of them have read what the others pushed in the hour before.
    fn hour(&mut self, hour: u64) {
        let numbers: Vec<usize> = (0..self.devices.len()).collect();
        let written = parallel::map(&numbers, parallel::REQUESTS, |n| {
            let payload = Payload::Snapshot(snapshot(*n, hour, self.heads[*n].map(|(head, _)| head)));
            Ok::<_, ()>(self.append(*n, hour, payload, true))
        });
        for (n, (identity, seq)) in written.expect("written").into_iter().enumerate() {
            self.wrote(n, (identity, seq));
            self.this_week.push(EntryRef { device: self.devices[n].device_id(), seq, identity });
        }
        self.deltas_since_merge += self.devices.len();
        if self.deltas_since_merge > crate::index::MAX_DELTAS {
            self.deltas_since_merge = 0;
            let mut shards: Vec<_> = (0..20).map(|n| ObjectHash(some_bytes(&[hour / (n + 1), n]))).collect();
            shards.sort_unstable();
            let set = IndexSet { domain: Domain::SHARED, shards, frontier: self.frontier() };
            let wrote = self.append(0, hour, Payload::Index(set), false);
            self.wrote(0, wrote);
        }
        if hour % WEEK == WEEK - 1 {
            self.collect(hour);
        }
    }

    fn collect(&mut self, hour: u64) {
        let old = std::mem::replace(&mut self.last_week, std::mem::take(&mut self.this_week));
        // One a day stays.
        let keep_one_in = 24 * self.devices.len();
        let mut forget: Vec<_> =
            old.iter().enumerate().filter(|(n, _)| n % keep_one_in != 0).map(|(_, entry)| *entry).collect();
        if forget.is_empty() {
            return;
        }
        forget.sort_unstable();
        let wrote = self.append(0, hour, Payload::Forget(forget), false);
        self.wrote(0, wrote);
        let device = self.devices[0].device_id();
        let pack = |n| PackName { tree: false, device, hash: ObjectHash(some_bytes(&[hour, n, 5])) };
        let mut packs: Vec<_> = (0..20).map(pack).collect();
        packs.sort_unstable();
        let condemn = self.append_clear(hour, Payload::Condemn(packs.clone()));
        let frontier = self.frontier();
        self.append_clear(hour, Payload::Fence { condemn, frontier });
        let frontier = self.frontier();
        let (index, entries, parts) = Default::default();
        self.append_clear(hour, Payload::Final(Final { condemn, frontier, packs, index, entries, parts }));
    }

    fn frontier(&self) -> Heads {
        let heads = self.heads.iter().zip(&self.devices);
        heads.filter_map(|(head, vault)| Some((vault.device_id(), vec![(*head)?.0]))).collect()
    }

    fn body(&self, n: usize, hour: u64, payload: Payload) -> Body {
        let all = self.frontier();
        let others = all.iter().filter(|(device, _)| **device != self.devices[n].device_id());
        Body {
            time: Time { secs: 1_700_000_000 + 3600 * hour as i64 + 60 * n as i64, nanos: 123_456_789 },
            roster_heads: self.devices[n].roster().heads.clone(),
            other_heads: others.map(|(device, heads)| (*device, heads[0])).collect(),
            seen: all,
            deltas: Vec::new(),
            parts: Default::default(),
            payload,
        }
    }

    fn append(&self, n: usize, hour: u64, payload: Payload, delta: bool) -> (Identity, u64) {
        let mut body = self.body(n, hour, payload);
        if delta {
            let hash = ObjectHash(some_bytes(&[hour, n as u64, 7]));
            body.deltas = vec![(hash, 12)];
            body.parts = [(hash, DeltaPart { data: true, trees: true, first: 17, last: 65_000 })].into();
        }
        let vault = &self.devices[n];
        vault.put_entry(vault.seal_entry(&body).expect("an entry")).expect("stored");
        let end = lock(&vault.own_end).expect("an end");
        lock(&vault.written).clear();
        end
    }

    fn append_clear(&mut self, hour: u64, payload: Payload) -> Identity {
        let vault = &self.devices[0];
        let (provider, device) = (vault.provider(), vault.device_keys());
        let (head, seq) = self.heads[0].expect("a head");
        let body = self.body(0, hour, payload).encode().expect("a body");
        let header = Header {
            suite: provider.suite,
            object_type: ObjectType::Entry,
            mode: Mode::Clear,
            vault: vault.id(),
            epoch: EpochId::NONE,
            domain: Domain::SHARED,
            writer: device.id,
            salt: some_bytes(&[hour, seq]),
        };
        let prefix = entry_prefix(&header, seq + 1, &[head]);
        let mut bytes = clear_object(prefix, &body, provider.suite.signature_len());
        let identity = Identity(vault.hash(&bytes));
        bytes.extend(device.sign_stored(provider, ObjectType::Entry, &bytes).expect("signed"));
        let name = ObjectName::Log { device: device.id, seq: seq + 1, hash: ObjectHash(vault.hash(&bytes)) };
        vault.store().put(&name, Bytes::from(bytes)).expect("stored");
        *lock(&vault.own_end) = Some((identity, seq + 1));
        self.wrote(0, (identity, seq + 1));
        identity
    }

    fn wrote(&mut self, n: usize, end: (Identity, u64)) {
        self.heads[n] = Some(end);
        self.entries += 1;
    }
}

fn snapshot(n: usize, hour: u64, parent: Option<Identity>) -> Snapshot {
    let some = |what| some_bytes(&[hour, n as u64, what]);
    let stats = SnapshotStats {
        files_new: hour % 7,
        files_changed: 3 + hour % 90,
        files_unmodified: 81_000 + hour,
        dirs_unmodified: 7_700,
        dirs_changed: 3,
        data_added: 1_234_567 + hour * 977,
        data_added_packed: 456_789 + hour * 311,
        duration_ms: 1_777 + hour % 999,
        ..SnapshotStats::default()
    };
    let source = SourceRecord {
        label: format!("/home/person-{n}").into_bytes(),
        kind: SourceKind::Path,
        scope: Scope::VAULT,
        domain: Domain::SHARED,
        root: Some(ChunkId(some(3))),
        level: 2,
        outcome: Outcome::Complete,
        entries: 88_000 + hour,
        bytes: 123_456_789_000 + hour * 65_537,
        missed: 0,
    };
    Snapshot {
        sources: vec![source],
        host: format!("laptop-{n}"),
        user: format!("person-{n}"),
        tags: vec!["hourly".into()],
        program: crate::PROGRAM.into(),
        parent,
        stats: Some(stats),
    }
}

/// Bytes that do not compress, always the same.
fn some_bytes(seed: &[u64]) -> [u8; 32] {
    let seed: Vec<u8> = seed.iter().flat_map(|n| n.to_le_bytes()).collect();
    crypto_backends::rustcrypto::provider().hash.hash(&[b"long logs", &seed])
}

fn url(folder: &Path) -> String {
    folder.join("vault").to_str().expect("a path").to_owned()
}

fn home(folder: &Path, n: usize) -> Arc<Home> {
    Arc::new(Home::open(&folder.join(format!("home-{n}"))).expect("a home"))
}

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse").expect("a passphrase")
}

/// Opened as a device, which becomes one if it is none.
fn open(folder: &Path, n: usize, purpose: Purpose) -> Vault {
    let (url, home, name) = (url(folder), home(folder, n), format!("device {n}"));
    let mut unlock = |_: &str| Ok(UnlockSecret::Passphrase(passphrase()));
    let mut options = OpenOptions::new(&url, &home, &name, &mut unlock);
    options.purpose = purpose;
    Vault::open(options).expect("opens")
}

#[test]
fn the_local_copy_gives_what_the_store_gives() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut logs = LongLogs::new(folder.path(), 2);
    let pushes = 2 * 2 * WEEK;
    (0..2 * WEEK).for_each(|hour| logs.hour(hour));
    // Of the first week one snapshot a day is left, and nothing is void: everybody had read of the collection.
    let live = 2 * WEEK + WEEK / 24;
    forget_all_but_keys(folder.path());
    let fresh = open(folder.path(), 1, Purpose::Read);
    assert_eq!(fresh.log().len(), logs.entries);
    assert!(fresh.log().len() as u64 > pushes && fresh.snapshots().len() as u64 == live, "{}", fresh.snapshots().len());
    let again = open(folder.path(), 1, Purpose::Read);
    assert!(lock(&again.saved).holds(fresh.log()));
    assert!(again.log().entries().eq(fresh.log().entries()));
    assert_eq!(again.snapshots(), fresh.snapshots());
    let newest = again.resolve("latest").expect("a snapshot").info;
    assert_eq!((newest.device, Some(newest.id)), (again.device_id(), logs.heads[1].map(|(head, _)| head)));
    // Sets cover all but the newest deltas.
    let deltas = again.tables(Domain::SHARED).deltas.len();
    assert!(deltas > 0 && deltas <= crate::index::MAX_DELTAS + 2, "{deltas}");
}

/// Ten devices that push every hour for more than a year: `ZVAULT_LONG_LOGS=FOLDER CARGO_PROFILE_DEV_OPT_LEVEL=1 cargo test --lib
/// measure_long_logs -- --ignored --nocapture`. Makes the vault in the folder unless it is there; `ZVAULT_HOURS` and `ZVAULT_DEVICES` for others;
/// `ZVAULT_DELAY_MS` for a store that is far away, `ZVAULT_NO_CHECKPOINT` to read one by one what is in none.
#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "a measurement")]
fn measure_long_logs() {
    lower_kdf_floors_for_tests();
    let number = |name: &str, otherwise| std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"));
    let folder = PathBuf::from(std::env::var("ZVAULT_LONG_LOGS").expect("ZVAULT_LONG_LOGS names a folder"));
    if !folder.join("made").exists() {
        let mut logs = LongLogs::new(&folder, number("ZVAULT_DEVICES", 10) as usize);
        (0..number("ZVAULT_HOURS", 9_700)).for_each(|hour| logs.hour(hour));
        eprintln!("{} entries of {} devices in {}", logs.entries, logs.devices.len(), folder.display());
        fs::write(folder.join("made"), "").expect("written");
    }
    if std::env::var_os("ZVAULT_NO_CHECKPOINT").is_none() {
        let mut vault = measured("the first device", || open(&folder, 0, Purpose::Push));
        let written = measured("checkpoints", || {
            std::iter::from_fn(|| vault.write_checkpoint().expect("written").then_some(())).count()
        });
        eprintln!("  {written} checkpoints");
    }
    for round in 0..number("ZVAULT_ROUNDS", 1) {
        if round == 0 || std::env::var_os("ZVAULT_COLD").is_some() {
            forget_all_but_keys(&folder);
            let vault = measured("from nothing", || open(&folder, 1, Purpose::Read));
            eprintln!("  {} entries", vault.log().len());
        }
        let delay = Duration::from_millis(number("ZVAULT_DELAY_MS", 0));
        if !delay.is_zero() {
            forget_all_but_keys(&folder);
            drop(measured("from nothing, far away", || open_far(&folder, 1, delay)));
            drop(measured("warm, far away", || open_far(&folder, 1, delay)));
        }
        let vault = measured("warm", || open(&folder, 1, Purpose::Read));
        let found = measured("  snapshots", || vault.snapshots().len());
        eprintln!("  {found} snapshots");
        measured("  latest", || vault.resolve("latest").expect("a snapshot"));
        measured("  tables", || vault.tables(Domain::SHARED).deltas.len());
        drop(vault);
    }
}

/// Opened as a device that is there, behind a network where each request takes this long. Pages of listings are not counted.
fn open_far(folder: &Path, n: usize, delay: Duration) -> Vault {
    let (url, home, name) = (url(folder), home(folder, n), format!("device {n}"));
    let objects = LocalFileSystem::new_with_prefix(folder.join("vault")).expect("a folder");
    let store = Store::from_object_store(Meter::new(delay).wrap(Arc::new(objects)), &url).expect("a store");
    let state = home.vaults().expect("listed").first().map(|id| home.device(*id).expect("read"));
    let mut unlock = |_: &str| Ok(UnlockSecret::Passphrase(passphrase()));
    let options = OpenOptions::new(&url, &home, &name, &mut unlock);
    Vault::open_on(store, url.clone(), state, options).expect("opens")
}

/// Leaves the second device nothing but its keys.
fn forget_all_but_keys(folder: &Path) {
    for vault in fs::read_dir(folder.join("home-1/vaults")).expect("listed") {
        for file in fs::read_dir(vault.expect("listed").path()).expect("listed") {
            let file = file.expect("listed");
            if file.file_name() != "device" && file.file_name() != "lock" {
                fs::remove_file(file.path()).expect("removed");
            }
        }
    }
}

/// Prints what `work` takes: seconds, processor seconds of this process, and the most memory that it had.
#[expect(clippy::print_stderr, reason = "a measurement")]
fn measured<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let _ = fs::write("/proc/self/clear_refs", "5");
    let (cpu, start) = (cpu_seconds(), Instant::now());
    let result = work();
    let peak = fs::read_to_string("/proc/self/status").expect("read");
    let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:")).map_or("", str::trim);
    eprintln!("{what}: {:.2} s, {:.2} s CPU, peak {peak}", start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    result
}

fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("read");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // utime and stime, in hundredths.
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().expect("a number") / 100.0).sum()
}

/// Hours between collections.
const WEEK: u64 = 168;
