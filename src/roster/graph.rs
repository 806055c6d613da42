//! From stored bytes to a graph of well-formed records (SPEC section 11.3).

use super::rank::{Act, KeyTag, Node, Pasts};
use crate::keys::{device_id, verify_stored};
use crypto_backends::Provider;
use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};
use vault_format::{
    FormatError, ObjectName,
    genesis::{Genesis, vault_id_input},
    header::ObjectType,
    ids::{DeviceId, Identity, ObjectHash, VaultId},
    roster::{Op, Record, RecordObject},
    sizes,
};

/// An object below the roster's prefix that counts for nothing. Never fatal: anybody who can write to the store can plant one.
#[derive(Debug)]
pub struct Ignored {
    /// Its name.
    pub name: ObjectName,
    /// What is wrong with it.
    pub why: IgnoredWhy,
}

/// What is wrong with an ignored record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IgnoredWhy {
    /// Not the name of a roster record.
    #[error("its name is not that of a roster record")]
    Name,
    /// Damaged, or stored under a false name.
    #[error("its bytes do not have the hash that is its name")]
    Hash,
    /// Not a size of SPEC section 13.
    #[error("its size is none that a record has")]
    Size,
    /// Does not parse, or is of a newer version.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Of another vault.
    #[error("it belongs to vault {0}")]
    OtherVault(VaultId),
    /// The genesis in it is not that of the vault it names, or not signed by its founder.
    #[error("its genesis is not that of its vault")]
    Genesis,
    /// The number in its name, in its body and after its parents are not the same.
    #[error("its number does not follow from its parents")]
    Number,
    /// One of its ancestors is missing or itself ignored.
    #[error("its parent {0} is missing")]
    Parent(Identity),
    /// An added device's id is not the hash of its keys.
    #[error("device {0} does not have the keys that make its id")]
    DeviceId(DeviceId),
    /// The signer had not been added when the record was written.
    #[error("its signer {0} is unknown")]
    Signer(DeviceId),
    /// One of the signatures is not valid.
    #[error("its signature is not valid")]
    Signature,
}

/// The well-formed records of one vault, in the order (n, identity).
pub(crate) struct Graph {
    pub(crate) vault: VaultId,
    pub(crate) genesis: Vec<u8>,
    /// Who signed record 0.
    pub(crate) founders: BTreeSet<DeviceId>,
    pub(crate) root: Option<KeyTag>,
    /// Who has the root key in record 0.
    pub(crate) roots: BTreeSet<DeviceId>,
    /// The keys in the genesis.
    pub(crate) reserved: Vec<KeyTag>,
    pub(crate) records: Vec<Checked>,
    /// Runs parallel to `records`.
    pub(crate) nodes: Vec<Node>,
    pub(crate) pasts: Pasts,
    pub(crate) keys: BTreeMap<DeviceId, KeyTag>,
}

/// A well-formed record.
pub(crate) struct Checked {
    pub(crate) identity: Identity,
    pub(crate) n: u32,
    pub(crate) signer: DeviceId,
    pub(crate) record: Record,
}

/// A record that parses, with nothing verified but its name.
pub(crate) struct Parsed<'a> {
    name: ObjectName,
    stored: &'a [u8],
    object: RecordObject,
    identity: Identity,
    record: Record,
}

/// Parses what a store shows.
pub(crate) fn parse<'a>(provider: &Provider, objects: &'a [(ObjectName, Vec<u8>)]) -> (Vec<Parsed<'a>>, Vec<Ignored>) {
    let (mut parsed, mut ignored) = (Vec::new(), Vec::new());
    for (name, stored) in objects {
        match parse_one(provider, name, stored) {
            Ok(record) => parsed.push(record),
            Err(why) => ignored.push(Ignored { name: *name, why }),
        }
    }
    // In this order parents come first, whatever the order of arrival.
    parsed.sort_by_key(|p| (p.record.n, p.identity, p.name.hash()));
    (parsed, ignored)
}

/// How much there is to judge: records that parse, and their operations. No signature was looked at.
pub(crate) fn weight(provider: &Provider, objects: &[(ObjectName, Vec<u8>)]) -> Weight {
    let (parsed, _) = parse(provider, objects);
    Weight { records: parsed.len(), operations: parsed.iter().map(|p| p.record.ops.len()).sum() }
}

/// What judging a roster costs, about: in the worst case the square of it.
#[derive(Default)]
pub(crate) struct Weight {
    pub(crate) records: usize,
    pub(crate) operations: usize,
}

impl Weight {
    /// Of both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { records: self.records + other.records, operations: self.operations + other.operations }
    }
}

/// The vaults of which there is a record 0 signed by its founder.
pub(crate) fn vaults(provider: &Provider, parsed: &[Parsed<'_>]) -> BTreeSet<VaultId> {
    parsed.iter().filter(|p| verify_genesis(provider, p).is_ok()).map(|p| p.object.header.vault).collect()
}

/// Verifies every record of `vault`. `None`: there is no genesis of it.
pub(crate) fn verify(
    provider: &Provider,
    vault: VaultId,
    parsed: Vec<Parsed<'_>>,
    ignored: &mut Vec<Ignored>,
) -> Option<Graph> {
    let mut builder = None;
    for p in parsed {
        if p.object.header.vault != vault {
            let why = IgnoredWhy::OtherVault(p.object.header.vault);
            ignored.push(Ignored { name: p.name, why });
            continue;
        }
        if builder.is_none()
            && let Ok(genesis) = verify_genesis(provider, &p)
        {
            builder = Some(Builder::new(vault, genesis));
        }
        let (name, builder) = (p.name, builder.as_mut());
        let outcome = match builder {
            Some(builder) => builder.take(provider, p),
            None => Err(IgnoredWhy::Genesis),
        };
        if let Err(why) = outcome {
            ignored.push(Ignored { name, why });
        }
    }
    builder.map(|builder| builder.graph)
}

/// Tells records from noise one at a time, in the order of their names, so that noise need not be kept until all is read.
pub(crate) struct Sieve {
    vault: Option<VaultId>,
    builders: BTreeMap<VaultId, Builder>,
}

impl Sieve {
    /// For the records of a vault, or of any.
    pub(crate) fn new(vault: Option<VaultId>) -> Self {
        Self { vault, builders: BTreeMap::new() }
    }

    /// What is wrong with an object. Its parents were here before, or are not there.
    pub(crate) fn take(&mut self, provider: &Provider, name: &ObjectName, stored: &[u8]) -> Result<(), IgnoredWhy> {
        let p = parse_one(provider, name, stored)?;
        let vault = p.object.header.vault;
        if self.vault.is_some_and(|wanted| wanted != vault) {
            return Err(IgnoredWhy::OtherVault(vault));
        }
        let builder = match self.builders.entry(vault) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Builder::new(vault, verify_genesis(provider, &p)?)),
        };
        builder.take(provider, p)
    }

    /// Whether a record has come.
    pub(crate) fn knows(&self, record: &Identity) -> bool {
        self.builders.values().any(|builder| builder.places.contains_key(record))
    }
}

impl Ignored {
    /// Whether no other record can make this one a record of the vault that it is ignored in.
    pub(crate) fn is_final(&self) -> bool {
        match (&self.why, self.name) {
            (IgnoredWhy::Hash | IgnoredWhy::Parent(_), _) => false,
            // Of others it only says that there is no beginning.
            (IgnoredWhy::Genesis, ObjectName::Roster { n, .. }) => n == 0,
            _ => true,
        }
    }
}

struct Builder {
    graph: Graph,
    places: BTreeMap<Identity, usize>,
    /// Where each device was added.
    adds: BTreeMap<DeviceId, Vec<usize>>,
    tags: BTreeMap<Vec<u8>, KeyTag>,
}

impl Builder {
    fn new(vault: VaultId, genesis: Genesis) -> Self {
        let mut tags = BTreeMap::new();
        let bytes = genesis.encode();
        let founder = tag(&mut tags, &genesis.founder);
        let root = genesis.root.map(|key| tag(&mut tags, &key));
        let graph = Graph {
            vault,
            genesis: bytes,
            founders: BTreeSet::new(),
            root,
            roots: BTreeSet::new(),
            reserved: [Some(founder), root].into_iter().flatten().collect(),
            records: Vec::new(),
            nodes: Vec::new(),
            pasts: Pasts::default(),
            keys: BTreeMap::new(),
        };
        Self { graph, places: BTreeMap::new(), adds: BTreeMap::new(), tags }
    }

    /// Adds a record, if it is well formed. The second stored form of one identity adds nothing.
    fn take(&mut self, provider: &Provider, p: Parsed<'_>) -> Result<(), IgnoredWhy> {
        if let Some(known) = self.places.get(&p.identity) {
            return match p.record.n {
                0 => verify_genesis(provider, &p).map(|_| ()),
                _ => self.verify_signer(provider, &p, *known),
            };
        }
        let parent = |id: &Identity| self.places.get(id).copied().ok_or(IgnoredWhy::Parent(*id));
        let parents = p.record.parents.iter().map(parent).collect::<Result<Vec<_>, _>>()?;
        let follows = parents.iter().map(|i| self.graph.records[*i].n + 1).max().unwrap_or(0);
        if p.record.n != follows {
            return Err(IgnoredWhy::Number);
        }
        for op in &p.record.ops {
            if let Op::Add { id, verify_key, kem_key, .. } = op
                && *id != device_id(provider, self.graph.vault, verify_key, kem_key)
            {
                return Err(IgnoredWhy::DeviceId(*id));
            }
        }

        let here = self.graph.records.len();
        self.graph.pasts.push(&parents);
        let signed = if p.record.n == 0 {
            verify_genesis(provider, &p).map(|_| ())
        } else {
            self.verify_signer(provider, &p, here)
        };
        if let Err(why) = signed {
            self.graph.pasts.pop();
            return Err(why);
        }
        let acts = self.acts(&p.record);
        for op in &p.record.ops {
            if let Op::Add { id, verify_key, .. } = op {
                let tag = tag(&mut self.tags, verify_key);
                self.graph.keys.insert(*id, tag);
                self.adds.entry(*id).or_default().push(here);
                if p.record.n == 0 && Some(tag) == self.graph.root {
                    self.graph.roots.insert(*id);
                }
            }
        }
        let signer = p.object.header.writer;
        if p.record.n == 0 {
            self.graph.founders.insert(signer);
        }
        self.places.insert(p.identity, here);
        self.graph.nodes.push(Node { signer, acts });
        self.graph.records.push(Checked { identity: p.identity, n: p.record.n, signer, record: p.record });
        Ok(())
    }

    /// The signer's key comes from the record's own past.
    fn verify_signer(&self, provider: &Provider, p: &Parsed<'_>, here: usize) -> Result<(), IgnoredWhy> {
        let signer = p.object.header.writer;
        let added = self.adds.get(&signer).into_iter().flatten().find(|i| self.graph.pasts.sees(here, **i));
        let key = added.and_then(|i| added_key(&self.graph.records[*i].record, signer));
        verify_signature(provider, p, key.ok_or(IgnoredWhy::Signer(signer))?)
    }

    fn acts(&mut self, record: &Record) -> Vec<Act> {
        let mut acts: Vec<Act> = record
            .ops
            .iter()
            .map(|op| match op {
                Op::Add { id, capabilities, .. } => Act::Add(*id, *capabilities),
                Op::Grant { id, capabilities } => Act::Grant(*id, *capabilities),
                Op::Revoke { id, .. } => Act::Revoke(*id),
                Op::NewRoot { verify_key } => Act::NewRoot(tag(&mut self.tags, verify_key)),
                Op::Store { .. }
                | Op::RemoveStore { .. }
                | Op::Flags { .. }
                | Op::Setting { .. }
                | Op::Unknown { .. } => Act::Administer,
            })
            .collect();
        // Who adds a device gives it its boxes; boxes for anybody else are an admin's.
        let foreign_box = record.boxes.iter().any(|b| added_key(record, b.device).is_none());
        if record.epoch.is_some() || foreign_box {
            acts.push(Act::Administer);
        }
        acts
    }
}

fn parse_one<'a>(provider: &Provider, name: &ObjectName, stored: &'a [u8]) -> Result<Parsed<'a>, IgnoredWhy> {
    let ObjectName::Roster { n, hash } = *name else { return Err(IgnoredWhy::Name) };
    if provider.hash.hash(&[stored]) != hash.0 {
        return Err(IgnoredWhy::Hash);
    }
    let object = RecordObject::parse(stored)?;
    if object.header.suite != provider.suite {
        return Err(FormatError::Mismatch { field: "suite" }.into());
    }
    if !sizes::is_class(stored.len()) {
        return Err(IgnoredWhy::Size);
    }
    let record = Record::parse(&stored[object.body.clone()], provider.suite)?;
    if record.n != n {
        return Err(IgnoredWhy::Number);
    }
    let identity = Identity(provider.hash.hash(&[&stored[..object.signed_len]]));
    Ok(Parsed { name: *name, stored, object, identity, record })
}

/// Record 0 proves its own vault: the genesis has the vault's id as its hash, and its founder signed.
fn verify_genesis(provider: &Provider, p: &Parsed<'_>) -> Result<Genesis, IgnoredWhy> {
    let bytes = p.record.genesis.as_deref().ok_or(IgnoredWhy::Genesis)?;
    let genesis = Genesis::parse(bytes)?;
    let vault = provider.hash.hash(&[&vault_id_input(bytes)]);
    let signer = added_key(&p.record, p.object.header.writer);
    if vault != p.object.header.vault.0 || genesis.suite != provider.suite || signer != Some(&genesis.founder) {
        return Err(IgnoredWhy::Genesis);
    }
    verify_signature(provider, p, &genesis.founder)?;
    Ok(genesis)
}

fn verify_signature(provider: &Provider, p: &Parsed<'_>, key: &[u8]) -> Result<(), IgnoredWhy> {
    let (signed, signature) = (&p.stored[..p.object.signed_len], &p.stored[p.object.signature.clone()]);
    verify_stored(provider, ObjectType::Roster, p.object.header.vault, key, signed, signature)
        .map_err(|_| IgnoredWhy::Signature)
}

fn added_key(record: &Record, device: DeviceId) -> Option<&Vec<u8>> {
    record.ops.iter().find_map(|op| match op {
        Op::Add { id, verify_key, .. } if *id == device => Some(verify_key),
        _ => None,
    })
}

fn tag(tags: &mut BTreeMap<Vec<u8>, KeyTag>, key: &[u8]) -> KeyTag {
    let next = tags.len();
    *tags.entry(key.to_vec()).or_insert(next)
}

/// The hash at the end of a record's name.
pub(crate) fn name_of(n: u32, hash: [u8; 32]) -> ObjectName {
    ObjectName::Roster { n, hash: ObjectHash(hash) }
}
