//! How far each store has followed the primary, as far as this device has seen to it.

use super::LogPin;
use super::codec::{Reader, Writer};
use crypto_backends::SecretBytes;
use std::collections::BTreeMap;
use vault_format::Time;
use vault_format::ids::DeviceId;

/// What a store had when this device last saw to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// When that was.
    pub time: Time,
    /// Heads of each device's log that it had.
    pub logs: BTreeMap<DeviceId, Vec<LogPin>>,
}

/// By URL.
pub type Cursors = BTreeMap<String, Cursor>;

pub(super) fn encode(cursors: &Cursors) -> SecretBytes {
    let mut out = Writer::new();
    out.number(cursors.len() as u64);
    for (url, cursor) in cursors {
        out.string(url.as_bytes()).number(cursor.time.secs as u64).number(cursor.logs.len() as u64);
        for (device, heads) in &cursor.logs {
            out.fixed(&device.0).number(heads.len() as u64);
            for head in heads {
                out.number(head.seq).fixed(&head.identity.0);
            }
        }
    }
    out.finish()
}

pub(super) fn parse(bytes: &[u8]) -> Option<Cursors> {
    let mut reader = Reader::new(bytes);
    let mut cursors = Cursors::new();
    for _ in 0..reader.count(8)? {
        let url = String::from_utf8(reader.string()?.to_vec()).ok()?;
        let time = Time { secs: reader.number()? as i64, nanos: 0 };
        let mut logs = BTreeMap::new();
        for _ in 0..reader.count(16 + 8)? {
            let device = DeviceId(reader.fixed()?);
            let mut heads = Vec::new();
            for _ in 0..reader.count(8 + 32)? {
                let seq = reader.number()?;
                heads.push(LogPin { seq, identity: vault_format::ids::Identity(reader.fixed()?) });
            }
            logs.insert(device, heads);
        }
        cursors.insert(url, Cursor { time, logs });
    }
    reader.end()?;
    Some(cursors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vault_format::ids::Identity;

    #[test]
    fn what_was_encoded_is_parsed_and_nothing_shorter() {
        let heads = vec![LogPin { seq: 7, identity: Identity([3; 32]) }];
        let cursor = Cursor { time: Time { secs: 99, nanos: 0 }, logs: [(DeviceId([1; 16]), heads)].into() };
        let cursors: Cursors = [("file:///a".to_owned(), cursor), ("file:///b".to_owned(), Cursor::default())].into();
        let bytes = encode(&cursors);
        assert_eq!(parse(bytes.expose()), Some(cursors));
        for at in 0..bytes.expose().len() {
            assert_eq!(parse(&bytes.expose()[..at]), None, "{at}");
        }
    }
}
