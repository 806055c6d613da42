//! The documents of `--json`. Names of fields are restic's where restic has the field.

use std::borrow::Cow;

use serde::Serialize;
use vault_format::log::{Outcome, SourceKind};
use vault_format::{Entry, Kind, Time};

use crate::traffic::TrafficDocument;
use zvault::log::{SnapshotInfo, Suspicion};
use zvault::mirror::{Amount, MirrorReport};
use zvault::push::PushReport;
use zvault::vault::StoreTraffic;

/// One line of JSON.
pub(crate) fn line(document: &impl Serialize) -> String {
    serde_json::to_string(document).expect("documents have string keys and no writer that fails")
}

/// RFC 3339 in the time zone of this machine.
pub(crate) fn time(time: Time) -> String {
    local(time).map_or_else(|| format!("@{}", time.secs), |time| time.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string())
}

/// `2026-01-31 12:00:00` in the time zone of this machine.
pub(crate) fn plain_time(time: Time) -> String {
    local(time).map_or_else(|| format!("@{}", time.secs), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

#[allow(clippy::trivially_copy_pass_by_ref)] // what serde calls
fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn local(time: Time) -> Option<jiff::Zoned> {
    let timestamp = jiff::Timestamp::new(time.secs, 0).ok()?;
    let nanos = jiff::SignedDuration::from_nanos(i64::from(time.nanos));
    Some(timestamp.checked_add(nanos).ok()?.to_zoned(jiff::tz::TimeZone::system()))
}

/// What the program ends with when it fails.
#[derive(Serialize)]
pub(crate) struct ExitError<'a> {
    pub(crate) message_type: &'static str,
    pub(crate) code: u8,
    pub(crate) message: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) hints: &'a [String],
}

/// Something to know that is no problem.
#[derive(Serialize)]
pub(crate) struct Note<'a> {
    pub(crate) message_type: &'static str,
    pub(crate) message: &'a str,
}

/// A problem that does not end the job.
#[derive(Serialize)]
pub(crate) struct Problem<'a> {
    message_type: &'static str,
    error: ProblemText<'a>,
    during: &'a str,
    item: &'a str,
}

#[derive(Serialize)]
struct ProblemText<'a> {
    message: &'a str,
}

impl<'a> Problem<'a> {
    pub(crate) fn new(during: &'a str, item: &'a str, message: &'a str) -> Self {
        Self { message_type: "error", error: ProblemText { message }, during, item }
    }
}

/// What was done with one entry.
#[derive(Serialize)]
pub(crate) struct VerboseStatus<'a> {
    pub(crate) message_type: &'static str,
    pub(crate) action: &'static str,
    pub(crate) item: &'a str,
    pub(crate) data_size: u64,
}

/// Progress.
#[derive(Serialize)]
pub(crate) struct Status<'a> {
    pub(crate) message_type: &'static str,
    pub(crate) seconds_elapsed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seconds_remaining: Option<u64>,
    pub(crate) percent_done: f64,
    pub(crate) total_files: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) files_done: Option<u64>,
    pub(crate) total_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_done: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) files_restored: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_restored: Option<u64>,
    pub(crate) error_count: u64,
    pub(crate) current_files: Vec<Cow<'a, str>>,
}

/// A new vault.
#[derive(Serialize)]
pub(crate) struct Initialised<'a> {
    pub(crate) message_type: &'static str,
    pub(crate) id: String,
    pub(crate) repository: &'a str,
    pub(crate) device_id: String,
    pub(crate) device_name: &'a str,
    pub(crate) home: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recovery_words: Option<Vec<&'static str>>,
}

/// The end of a push.
#[derive(Serialize)]
pub(crate) struct PushSummary {
    message_type: &'static str,
    dry_run: bool,
    partial: bool,
    files_new: u64,
    files_changed: u64,
    files_unmodified: u64,
    dirs_new: u64,
    dirs_changed: u64,
    dirs_unmodified: u64,
    others: u64,
    databases: u64,
    data_blobs: u64,
    tree_blobs: u64,
    data_added: u64,
    data_added_packed: u64,
    total_files_processed: u64,
    total_bytes_processed: u64,
    total_duration: f64,
    problems: u64,
    #[serde(skip_serializing_if = "is_zero")]
    packs_under_ended_epoch: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stores: Vec<FollowedDocument>,
    #[serde(flatten)]
    traffic: TrafficDocument,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot_id: Option<String>,
}

/// How a store beside the primary has followed.
#[derive(Serialize)]
struct FollowedDocument {
    name: String,
    objects: u64,
    bytes: u64,
    caught_up: bool,
    holes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl PushSummary {
    pub(crate) fn new(report: &PushReport, traffic: &[StoreTraffic], dry_run: bool) -> Self {
        Self {
            message_type: "summary",
            dry_run,
            partial: report.partial,
            files_new: report.files_new,
            files_changed: report.files_changed,
            files_unmodified: report.files_unmodified,
            dirs_new: report.dirs_new,
            dirs_changed: report.dirs_changed,
            dirs_unmodified: report.dirs_unmodified,
            others: report.others,
            databases: report.databases,
            data_blobs: report.data_chunks,
            tree_blobs: report.tree_chunks,
            data_added: report.data_added,
            data_added_packed: report.data_added_packed,
            total_files_processed: report.total_files_processed,
            total_bytes_processed: report.total_bytes_processed,
            total_duration: report.duration.as_secs_f64(),
            problems: report.problems,
            packs_under_ended_epoch: report.packs_under_ended_epoch,
            stores: report
                .stores
                .iter()
                .map(|store| FollowedDocument {
                    name: store.name.clone(),
                    objects: store.objects,
                    bytes: store.bytes,
                    caught_up: store.caught_up,
                    holes: store.holes,
                    error: store.error.clone(),
                })
                .collect(),
            traffic: traffic.into(),
            snapshot_id: report.snapshot.map(|id| id.to_string()),
        }
    }
}

/// The end of a restore.
#[derive(Serialize)]
pub(crate) struct RestoreSummary {
    pub(crate) message_type: &'static str,
    pub(crate) dry_run: bool,
    pub(crate) snapshot_id: String,
    pub(crate) seconds_elapsed: f64,
    pub(crate) total_files: u64,
    pub(crate) files_restored: u64,
    pub(crate) files_skipped: u64,
    pub(crate) files_deleted: u64,
    pub(crate) total_bytes: u64,
    pub(crate) bytes_restored: u64,
    pub(crate) bytes_skipped: u64,
    pub(crate) dirs: u64,
    pub(crate) others: u64,
    pub(crate) files_verified: u64,
    pub(crate) problems: u64,
    pub(crate) damaged: u64,
    pub(crate) warnings: u64,
    #[serde(flatten)]
    pub(crate) traffic: TrafficDocument,
}

/// A snapshot.
#[derive(Serialize)]
pub(crate) struct SnapshotDocument<'a> {
    id: String,
    short_id: String,
    time: String,
    hostname: &'a str,
    username: &'a str,
    tags: &'a [String],
    paths: Vec<Cow<'a, str>>,
    program_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    device_id: String,
    device_name: &'a str,
    partial: bool,
    /// Its device is not believed.
    suspect: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspicion: Option<String>,
    sources: Vec<SourceDocument<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<SnapshotSummary>,
}

#[derive(Serialize)]
struct SourceDocument<'a> {
    path: Cow<'a, str>,
    kind: &'static str,
    outcome: &'static str,
    entries: u64,
    bytes: u64,
    missed: u64,
}

#[derive(Serialize)]
struct SnapshotSummary {
    files_new: u64,
    files_changed: u64,
    files_unmodified: u64,
    dirs_new: u64,
    dirs_changed: u64,
    dirs_unmodified: u64,
    data_added: u64,
    data_added_packed: u64,
    total_bytes_processed: u64,
    total_duration: f64,
}

impl<'a> SnapshotDocument<'a> {
    pub(crate) fn new(info: &'a SnapshotInfo, suspicion: Option<&Suspicion>) -> Self {
        let snapshot = &info.snapshot;
        let sources = || snapshot.sources.iter();
        Self {
            id: info.id.to_string(),
            short_id: info.short(),
            time: time(info.time),
            hostname: &snapshot.host,
            username: &snapshot.user,
            tags: &snapshot.tags,
            paths: sources().map(|source| String::from_utf8_lossy(&source.label)).collect(),
            program_version: &snapshot.program,
            parent: snapshot.parent.map(|parent| parent.to_string()),
            device_id: info.device.to_string(),
            device_name: &info.device_name,
            partial: info.partial(),
            suspect: suspicion.is_some(),
            suspicion: suspicion.map(ToString::to_string),
            sources: sources()
                .map(|source| SourceDocument {
                    path: String::from_utf8_lossy(&source.label),
                    kind: source_kind(source.kind),
                    outcome: match source.outcome {
                        Outcome::Complete => "complete",
                        Outcome::Partial => "partial",
                        Outcome::Failed => "failed",
                    },
                    entries: source.entries,
                    bytes: source.bytes,
                    missed: source.missed,
                })
                .collect(),
            summary: snapshot.stats.as_ref().map(|stats| SnapshotSummary {
                files_new: stats.files_new,
                files_changed: stats.files_changed,
                files_unmodified: stats.files_unmodified,
                dirs_new: stats.dirs_new,
                dirs_changed: stats.dirs_changed,
                dirs_unmodified: stats.dirs_unmodified,
                data_added: stats.data_added,
                data_added_packed: stats.data_added_packed,
                total_bytes_processed: sources().map(|source| source.bytes).sum(),
                total_duration: stats.duration_ms as f64 / 1000.0,
            }),
        }
    }
}

/// The snapshot that `ls` lists: the first line.
#[derive(Serialize)]
pub(crate) struct LsSnapshot<'a> {
    pub(crate) message_type: &'static str,
    pub(crate) struct_type: &'static str,
    #[serde(flatten)]
    pub(crate) snapshot: SnapshotDocument<'a>,
}

/// One entry of `ls`.
#[derive(Serialize)]
pub(crate) struct Node<'a> {
    message_type: &'static str,
    struct_type: &'static str,
    name: Cow<'a, str>,
    r#type: &'static str,
    path: Cow<'a, str>,
    /// The path in hex, where it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    uid: u32,
    gid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    mode: u32,
    permissions: String,
    mtime: String,
    ctime: String,
    inode: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    linktarget: Option<Cow<'a, str>>,
}

impl<'a> Node<'a> {
    pub(crate) fn new(path: &'a [u8], entry: &'a Entry, user: Option<&'a str>, group: Option<&'a str>) -> Self {
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
        Self {
            message_type: "node",
            struct_type: "node",
            name: String::from_utf8_lossy(name),
            r#type: kind(entry.kind),
            path: String::from_utf8_lossy(path),
            path_hex: std::str::from_utf8(path).is_err().then(|| hex::encode(path)),
            uid: entry.uid,
            gid: entry.gid,
            user,
            group,
            size: (entry.kind == Kind::File).then_some(entry.size),
            mode: entry.mode,
            permissions: permissions(entry),
            mtime: time(entry.mtime),
            ctime: time(entry.ctime),
            inode: entry.inode,
            linktarget: (entry.kind == Kind::Symlink).then(|| String::from_utf8_lossy(&entry.target)),
        }
    }
}

/// The end of a check.
#[derive(Serialize)]
pub(crate) struct CheckSummary<'a> {
    pub(crate) message_type: &'static str,
    pub(crate) num_errors: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) snapshots: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entries: Option<u64>,
    pub(crate) objects: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) packs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) packs_read: Option<u64>,
    pub(crate) bytes_read: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unreferenced: Option<u64>,
    pub(crate) leftovers: u64,
    pub(crate) junk: &'a [String],
    pub(crate) notes: &'a [String],
    #[serde(flatten)]
    pub(crate) traffic: TrafficDocument,
    pub(crate) damaged: Vec<DamageDocument<'a>>,
}

/// A damaged object and who suffers.
#[derive(Serialize)]
pub(crate) struct DamageDocument<'a> {
    pub(crate) object: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) files: Vec<DamagedFile<'a>>,
    pub(crate) more_files: u64,
}

/// A file of a snapshot that cannot be restored as it was.
#[derive(Serialize)]
pub(crate) struct DamagedFile<'a> {
    pub(crate) snapshot: &'a str,
    pub(crate) path: Cow<'a, str>,
}

/// The end of a copy from one store to another.
#[derive(Serialize)]
pub(crate) struct MirrorSummary<'a> {
    message_type: &'static str,
    dry_run: bool,
    from: &'a str,
    to: &'a str,
    vault_id: Option<String>,
    objects_copied: u64,
    bytes_copied: u64,
    records: AmountDocument,
    entries: AmountDocument,
    index: AmountDocument,
    tree_packs: AmountDocument,
    data_packs: AmountDocument,
    healed: AmountDocument,
    deleted: AmountDocument,
    present: u64,
    extra: u64,
    held_back: u64,
    bytes_read: u64,
    num_errors: usize,
    damaged: Vec<StoreDamage<'a>>,
    ignored: &'a [String],
    ignored_count: u64,
}

#[derive(Serialize)]
struct AmountDocument {
    objects: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct StoreDamage<'a> {
    store: &'a str,
    object: &'a str,
    reason: &'a str,
}

impl<'a> MirrorSummary<'a> {
    pub(crate) fn new(from: &'a str, to: &'a str, report: &'a MirrorReport, dry_run: bool) -> Self {
        let amount = |amount: Amount| AmountDocument { objects: amount.objects, bytes: amount.bytes };
        Self {
            message_type: "summary",
            dry_run,
            from,
            to,
            vault_id: report.vault.map(|vault| vault.to_string()),
            objects_copied: report.copied().objects,
            bytes_copied: report.copied().bytes,
            records: amount(report.records),
            entries: amount(report.entries),
            index: amount(report.index),
            tree_packs: amount(report.tree_packs),
            data_packs: amount(report.data_packs),
            healed: amount(report.healed),
            deleted: amount(report.deleted),
            present: report.present,
            extra: report.extra,
            held_back: report.held_back,
            bytes_read: report.bytes_read,
            num_errors: report.damaged.len(),
            damaged: report
                .damaged
                .iter()
                .map(|one| StoreDamage { store: &one.store, object: &one.object, reason: &one.reason })
                .collect(),
            ignored: &report.ignored,
            ignored_count: report.ignored_count,
        }
    }
}

/// How the vault is.
#[derive(Serialize)]
pub(crate) struct StatusDocument<'a> {
    pub(crate) vault_id: String,
    pub(crate) device_id: String,
    /// Seconds.
    pub(crate) newest_own_age: Option<u64>,
    pub(crate) max_age: Option<u64>,
    pub(crate) too_old: bool,
    pub(crate) devices: Vec<DeviceStatusDocument<'a>>,
    pub(crate) stores: Vec<StoreStatusDocument<'a>>,
}

/// The newest snapshot of a device.
#[derive(Serialize)]
pub(crate) struct DeviceStatusDocument<'a> {
    pub(crate) device_id: String,
    pub(crate) device_name: &'a str,
    pub(crate) snapshot_id: String,
    pub(crate) time: String,
}

/// How far a store is.
#[derive(Serialize)]
pub(crate) struct StoreStatusDocument<'a> {
    pub(crate) name: &'a str,
    pub(crate) url: &'a str,
    pub(crate) primary: bool,
    pub(crate) reachable: bool,
    pub(crate) error: Option<&'a str>,
    pub(crate) behind: Option<u64>,
    pub(crate) extra: u64,
    pub(crate) level_at: Option<String>,
    pub(crate) holes: u64,
}

/// A store of the vault.
#[derive(Serialize)]
pub(crate) struct StoreDocument<'a> {
    pub(crate) id: Option<String>,
    pub(crate) name: Option<&'a str>,
    pub(crate) url: Option<&'a str>,
    pub(crate) primary: bool,
}

/// What this program is.
#[derive(Serialize)]
pub(crate) struct Version<'a> {
    pub(crate) message_type: &'static str,
    pub(crate) version: &'static str,
    pub(crate) format_major: u64,
    pub(crate) os: &'static str,
    pub(crate) arch: &'static str,
    pub(crate) build: &'static str,
    pub(crate) suites: &'a [SuiteDocument],
}

/// A suite that this program can use.
#[derive(Serialize)]
pub(crate) struct SuiteDocument {
    pub(crate) number: u8,
    pub(crate) backend: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) module: Option<ModuleDocument>,
    pub(crate) fips: String,
    pub(crate) parts: Vec<PartDocument>,
}

/// The validated module that a suite's backend stands on.
#[derive(Serialize)]
pub(crate) struct ModuleDocument {
    pub(crate) name: &'static str,
    pub(crate) certificate: &'static str,
}

/// One part of a suite.
#[derive(Serialize)]
pub(crate) struct PartDocument {
    pub(crate) job: &'static str,
    pub(crate) algorithm: &'static str,
    pub(crate) fips: String,
}

/// As `ls -l` writes them: `drwxr-xr-x`.
pub(crate) fn permissions(entry: &Entry) -> String {
    let kind = match entry.kind {
        Kind::File => '-',
        Kind::Dir => 'd',
        Kind::Symlink => 'l',
        Kind::Fifo => 'p',
        Kind::Socket => 's',
        Kind::CharDevice => 'c',
        Kind::BlockDevice => 'b',
    };
    let mut text = String::from(kind);
    for (shift, special, set) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = entry.mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (entry.mode & special != 0, bits & 1 != 0) {
            (true, true) => set,
            (true, false) => set.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Dir => "dir",
        Kind::Symlink => "symlink",
        Kind::Fifo => "fifo",
        Kind::Socket => "socket",
        Kind::CharDevice => "chardev",
        Kind::BlockDevice => "dev",
    }
}

fn source_kind(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Path => "path",
        SourceKind::Stdin => "stdin",
        SourceKind::Command => "command",
    }
}
