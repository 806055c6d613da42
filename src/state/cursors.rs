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
    /// When this device last saw to it that it has everything, if ever.
    pub level: Option<Time>,
    /// Heads of each device's log that it had then.
    pub logs: BTreeMap<DeviceId, Vec<LogPin>>,
    /// Objects that it lacks beside entries that may rely on them: what it was filled from did not have them whole. Its
    /// heads say nothing then.
    pub holes: u64,
    /// When its listing was last compared with that of the primary, if ever.
    pub compared: Option<Time>,
}

/// By URL.
pub type Cursors = BTreeMap<String, Cursor>;

pub(super) fn encode(cursors: &Cursors) -> SecretBytes {
    let mut out = Writer::new();
    out.number(cursors.len() as u64);
    for (url, cursor) in cursors {
        out.string(url.as_bytes()).number(cursor.holes);
        write_time(&mut out, cursor.level);
        write_time(&mut out, cursor.compared);
        out.number(cursor.logs.len() as u64);
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
        let holes = reader.number()?;
        let (level, compared) = (read_time(&mut reader)?, read_time(&mut reader)?);
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
        cursors.insert(url, Cursor { level, logs, holes, compared });
    }
    reader.end()?;
    Some(cursors)
}

/// Seconds and one more; 0 is never.
fn write_time(out: &mut Writer, time: Option<Time>) {
    out.number(time.map_or(0, |time| time.secs.max(0) as u64 + 1));
}

fn read_time(reader: &mut Reader<'_>) -> Option<Option<Time>> {
    let secs = reader.number()?.checked_sub(1);
    Some(secs.map(|secs| Time { secs: secs.min(i64::MAX as u64) as i64, nanos: 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vault_format::ids::Identity;

    #[test]
    fn what_was_encoded_is_parsed_and_nothing_shorter() {
        let heads = vec![LogPin { seq: 7, identity: Identity([3; 32]) }];
        let cursor = Cursor {
            level: Some(Time { secs: 99, nanos: 0 }),
            logs: [(DeviceId([1; 16]), heads)].into(),
            holes: 3,
            compared: Some(Time { secs: 0, nanos: 0 }),
        };
        let cursors: Cursors = [("file:///a".to_owned(), cursor), ("file:///b".to_owned(), Cursor::default())].into();
        let bytes = encode(&cursors);
        assert_eq!(parse(bytes.expose()), Some(cursors));
        for at in 0..bytes.expose().len() {
            assert_eq!(parse(&bytes.expose()[..at]), None, "{at}");
        }
    }
}
