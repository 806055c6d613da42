//! What collections have deleted: never copied back, and deleted in the target too.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Mutex;

use vault_format::log::{Final, Payload};
use vault_format::roster::Capabilities;
use vault_format::{DeviceId, Identity, ObjectHash, ObjectName, PackName};

use super::MirrorError;
use super::copy::Job;
use crate::check::{SignedEntry, Verdict};
use crate::sync::lock;

/// Names in verified `final` entries.
#[derive(Default)]
pub(super) struct Finals {
    /// With the entries that name them.
    named: BTreeMap<ObjectName, ObjectName>,
    /// Devices of whose logs entries were deleted: a hole in these is no damage.
    pub(super) shortened: BTreeSet<DeviceId>,
}

impl Finals {
    /// Reads the logs of all members that may collect, as both stores show them. An entry that was seen to be sealed by an
    /// earlier run is not read again: records of collection are in clear.
    pub(super) fn read(job: &Job<'_>) -> Result<Self, MirrorError> {
        let roster = job.roster();
        let collects = |name: &ObjectName| {
            let device = name.device().and_then(|id| roster.devices.get(&id));
            device.is_some_and(|device| device.is_member() && device.capabilities.contains(Capabilities::PRUNE))
        };
        let mut seen = Seen::load(job);
        let entries: BTreeSet<ObjectName> = [&job.source, &job.target]
            .into_iter()
            .flat_map(|shown| shown.objects.keys())
            .filter(|name| matches!(name, ObjectName::Log { .. }) && collects(name) && !seen.has(name))
            .copied()
            .collect();
        let entries: Vec<ObjectName> = entries.into_iter().collect();
        let found = Mutex::new((Vec::new(), Vec::new()));
        job.each(super::copy::SMALL, &entries, |name| {
            if let Some((bytes, _)) = job.read_either(name)?
                && let Verdict::Entry(entry) = job.trust().judge_bytes(name, &bytes)
            {
                let mut found = lock(&found);
                match entry.clear {
                    Some(_) => found.0.push((*name, *entry)),
                    None => found.1.push(name.hash()),
                }
            }
            Ok(())
        })?;
        let (clear, sealed) = std::mem::take(&mut *lock(&found));
        seen.add(sealed);
        Ok(Self::of(clear))
    }

    /// The `final` that says that this object is deleted.
    pub(super) fn names(&self, name: &ObjectName) -> Option<&ObjectName> {
        self.named.get(name)
    }

    /// A final counts for packs that its own condemn names, by the same device (GC-7).
    fn of(clear: Vec<(ObjectName, SignedEntry)>) -> Self {
        let mut condemned: HashMap<Identity, (DeviceId, HashSet<PackName>)> = HashMap::new();
        for (_, entry) in &clear {
            if let Some(Payload::Condemn(packs)) = &entry.clear {
                condemned.insert(entry.identity, (entry.device, packs.iter().copied().collect()));
            }
        }
        let mut finals = Self::default();
        for (name, entry) in &clear {
            let Some(Payload::Final(Final { condemn, packs, index, entries, parts, .. })) = &entry.clear else {
                continue;
            };
            let Some((_, may)) = condemned.get(condemn).filter(|(device, _)| *device == entry.device) else { continue };
            if !packs.iter().all(|pack| may.contains(pack)) {
                continue;
            }
            finals.named.extend(packs.iter().map(|pack| (ObjectName::Pack(*pack), *name)));
            finals.named.extend(index.iter().map(|table| {
                let (device, hash) = (table.device, table.hash);
                (
                    if table.shard { ObjectName::Shard { device, hash } } else { ObjectName::Delta { device, hash } },
                    *name,
                )
            }));
            finals.named.extend(
                entries
                    .iter()
                    .map(|gone| (ObjectName::Log { device: gone.device, seq: gone.seq, hash: gone.hash }, *name)),
            );
            finals.named.extend(parts.iter().map(|part| (ObjectName::from(*part), *name)));
            finals.shortened.extend(entries.iter().map(|gone| gone.device));
        }
        finals
    }
}

/// Hashes of entries that an earlier run found to be sealed. Losing them costs requests and nothing else.
struct Seen {
    file: Option<std::path::PathBuf>,
    hashes: HashSet<ObjectHash>,
}

impl Seen {
    fn load(job: &Job<'_>) -> Self {
        let file = job.options.cache.map(|folder| folder.join("sealed-entries"));
        let bytes = file.as_ref().and_then(|file| std::fs::read(file).ok()).unwrap_or_default();
        let hashes = bytes.chunks_exact(32).map(|hash| ObjectHash(*hash.first_chunk().expect("32 bytes"))).collect();
        Self { file, hashes }
    }

    fn has(&self, name: &ObjectName) -> bool {
        self.hashes.contains(&name.hash())
    }

    fn add(&mut self, new: Vec<ObjectHash>) {
        self.hashes.extend(&new);
        if let Some(file) = self.file.as_ref().filter(|_| !new.is_empty()) {
            let bytes: Vec<u8> = self.hashes.iter().flat_map(|hash| hash.0).collect();
            let beside = file.with_extension("new");
            let _ = std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, file));
        }
    }
}
