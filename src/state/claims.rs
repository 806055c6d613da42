//! What claims of this device rest on: which store they are of, and when its packs were listed last.

use super::codec::{Reader, Writer};
use crypto_backends::SecretBytes;
use std::collections::BTreeSet;
use vault_format::ids::{DeviceId, Identity, ObjectHash};
use vault_format::log::IndexName;
use vault_format::{PackName, Time};

/// What was found when the packs of a store were listed, and what was known of the vault then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The store, by its id in the roster.
    pub store: [u8; 16],
    /// The domain that this device pushed to then: the packs of another one were not looked at.
    pub domain: [u8; 16],
    /// When it was listed.
    pub listed: Time,
    /// Heads of the roster then.
    pub roster_heads: Vec<Identity>,
    /// Heads of the logs of those who may collect.
    pub collectors: Vec<Identity>,
    /// Packs that tables name and that were not listed, or in another size.
    pub gone: BTreeSet<PackName>,
    /// Index tables that entries name and that could not be opened.
    pub lost: BTreeSet<IndexName>,
    /// Devices that were in somebody else's hands: nothing of what they stored was relied on since.
    pub compromised: BTreeSet<DeviceId>,
    /// The end of this device's log when the last of all these was found, or a loss accepted: its snapshots up to there may rely on
    /// what is not there.
    pub own_seq: u64,
}

pub(super) fn encode(claims: &Claims) -> SecretBytes {
    let mut out = Writer::new();
    out.fixed(&claims.store).fixed(&claims.domain).number(claims.listed.secs.max(0) as u64).number(claims.own_seq);
    for heads in [&claims.roster_heads, &claims.collectors] {
        out.number(heads.len() as u64);
        for head in heads {
            out.fixed(&head.0);
        }
    }
    out.number(claims.gone.len() as u64);
    for pack in &claims.gone {
        out.fixed(&[u8::from(pack.tree)]).fixed(&pack.device.0).fixed(&pack.hash.0);
    }
    out.number(claims.lost.len() as u64);
    for table in &claims.lost {
        out.fixed(&[u8::from(table.shard)]).fixed(&table.device.0).fixed(&table.hash.0);
    }
    out.number(claims.compromised.len() as u64);
    for device in &claims.compromised {
        out.fixed(&device.0);
    }
    out.finish()
}

pub(super) fn parse(bytes: &[u8]) -> Option<Claims> {
    let mut reader = Reader::new(bytes);
    let (store, domain) = (reader.fixed()?, reader.fixed()?);
    let listed = Time { secs: reader.number()?.min(i64::MAX as u64) as i64, nanos: 0 };
    let mut claims = Claims { store, domain, listed, own_seq: reader.number()?, ..Claims::default() };
    for heads in [&mut claims.roster_heads, &mut claims.collectors] {
        for _ in 0..reader.count(32)? {
            heads.push(Identity(reader.fixed()?));
        }
    }
    for _ in 0..reader.count(NAME_LEN)? {
        let (tree, device, hash) = name(&mut reader)?;
        claims.gone.insert(PackName { tree, device, hash });
    }
    for _ in 0..reader.count(NAME_LEN)? {
        let (shard, device, hash) = name(&mut reader)?;
        claims.lost.insert(IndexName { shard, device, hash });
    }
    for _ in 0..reader.count(16)? {
        claims.compromised.insert(DeviceId(reader.fixed()?));
    }
    reader.end()?;
    Some(claims)
}

/// Of which of two kinds, whose, and which.
fn name(reader: &mut Reader<'_>) -> Option<(bool, DeviceId, ObjectHash)> {
    let kind = match reader.fixed()? {
        [0] => false,
        [1] => true,
        _ => return None,
    };
    Some((kind, DeviceId(reader.fixed()?), ObjectHash(reader.fixed()?)))
}

const NAME_LEN: usize = 1 + 16 + 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_is_parsed_and_nothing_shorter() {
        let pack = |n| PackName { tree: n == 1, device: DeviceId([n; 16]), hash: ObjectHash([n; 32]) };
        let table = |n| IndexName { shard: n == 1, device: DeviceId([n; 16]), hash: ObjectHash([n; 32]) };
        let claims = Claims {
            store: [7; 16],
            domain: [8; 16],
            listed: Time { secs: 99, nanos: 0 },
            roster_heads: vec![Identity([1; 32])],
            collectors: vec![Identity([2; 32]), Identity([3; 32])],
            gone: [pack(1), pack(2)].into(),
            lost: [table(1), table(2)].into(),
            compromised: [DeviceId([4; 16])].into(),
            own_seq: 12,
        };
        let bytes = encode(&claims);
        assert_eq!(parse(bytes.expose()), Some(claims));
        for at in 0..bytes.expose().len() {
            assert_eq!(parse(&bytes.expose()[..at]), None, "{at}");
        }
    }
}
