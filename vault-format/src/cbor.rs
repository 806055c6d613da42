//! Core deterministic CBOR (RFC 8949 section 4.2) as SPEC section 14 narrows it: one encoding of every value.
//!
//! Written by hand because the strictness is the point: shortest heads, ascending keys, nothing but integers, byte and text strings,
//! arrays, maps, `false`, `true` and `null`. Nothing is allocated on the word of a length: collections grow as their items are read.

use crate::error::FormatError;
use crate::limits::CBOR_DEPTH;
use std::collections::BTreeMap;

/// Reads one value after another. Every method names in `what` the thing that it reads, for the error.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

/// Appends one value after another.
#[derive(Default)]
pub struct Writer {
    out: Vec<u8>,
}

/// Writes a map whose number of keys is known only at its end.
pub struct MapWriter<'w> {
    writer: &'w mut Writer,
    body: Writer,
    count: u64,
    last: Option<u64>,
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, depth: 0 }
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Refuses anything that is left.
    pub fn end(self, what: &'static str) -> Result<(), FormatError> {
        match self.left() {
            0 => Ok(()),
            _ => Err(FormatError::Trailing { what }),
        }
    }

    /// An unsigned integer of at most `max`.
    pub fn uint(&mut self, what: &'static str, max: u64) -> Result<u64, FormatError> {
        let value = self.expect(what, Major::Unsigned)?;
        if value > max {
            return Err(FormatError::Limit { what, limit: max });
        }
        Ok(value)
    }

    /// An unsigned integer of 8 bits.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, FormatError> {
        self.uint(what, u64::from(u8::MAX)).map(|value| value as u8)
    }

    /// An unsigned integer of 32 bits.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, FormatError> {
        self.uint(what, u64::from(u32::MAX)).map(|value| value as u32)
    }

    /// An unsigned integer of 64 bits.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, FormatError> {
        self.uint(what, u64::MAX)
    }

    /// A signed integer of 64 bits.
    pub fn i64(&mut self, what: &'static str) -> Result<i64, FormatError> {
        let (major, value) = self.head(what)?;
        match (major, i64::try_from(value)) {
            (Major::Unsigned, Ok(value)) => Ok(value),
            (Major::Negative, Ok(value)) => Ok(-1 - value),
            (Major::Unsigned | Major::Negative, Err(_)) => Err(FormatError::Limit { what, limit: i64::MAX as u64 }),
            _ => Err(FormatError::Invalid { what }),
        }
    }

    /// 0 or 1.
    pub fn flag(&mut self, what: &'static str) -> Result<bool, FormatError> {
        self.uint(what, 1).map(|value| value == 1)
    }

    /// A byte string of at most `max` bytes.
    pub fn bytes(&mut self, what: &'static str, max: usize) -> Result<&'a [u8], FormatError> {
        let len = self.expect(what, Major::Bytes)?;
        self.string(what, len, max)
    }

    /// A byte string of exactly `N` bytes.
    pub fn array_of<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], FormatError> {
        let bytes = self.bytes(what, N)?;
        bytes.try_into().map_err(|_| FormatError::Invalid { what })
    }

    /// A byte string of exactly `len` bytes.
    pub fn bytes_of(&mut self, what: &'static str, len: usize) -> Result<&'a [u8], FormatError> {
        let bytes = self.bytes(what, len)?;
        if bytes.len() != len {
            return Err(FormatError::Invalid { what });
        }
        Ok(bytes)
    }

    /// A text of at most `max` bytes of UTF-8.
    pub fn text(&mut self, what: &'static str, max: usize) -> Result<&'a str, FormatError> {
        let len = self.expect(what, Major::Text)?;
        let bytes = self.string(what, len, max)?;
        std::str::from_utf8(bytes).map_err(|_| FormatError::Invalid { what })
    }

    /// `null`, or what `read` reads.
    pub fn nullable<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, FormatError>,
    ) -> Result<Option<T>, FormatError> {
        if self.bytes.get(self.at) == Some(&NULL) {
            self.at += 1;
            return Ok(None);
        }
        read(self).map(Some)
    }

    /// An array of exactly `len` items, which `read` reads.
    pub fn tuple<T>(
        &mut self,
        what: &'static str,
        len: usize,
        read: impl FnOnce(&mut Self) -> Result<T, FormatError>,
    ) -> Result<T, FormatError> {
        let count = self.expect(what, Major::Array)?;
        if count != len as u64 {
            return Err(FormatError::Invalid { what });
        }
        self.nested(read)
    }

    /// An array of at most `max` items, each read by `read`.
    pub fn list<T>(
        &mut self,
        what: &'static str,
        max: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, FormatError>,
    ) -> Result<Vec<T>, FormatError> {
        let count = self.count(what, Major::Array, max)?;
        self.nested(|reader| (0..count).map(|_| read(reader)).collect())
    }

    /// A list of at most `max` items in strictly ascending order.
    pub fn ascending<T: Ord>(
        &mut self,
        what: &'static str,
        max: usize,
        read: impl FnMut(&mut Self) -> Result<T, FormatError>,
    ) -> Result<Vec<T>, FormatError> {
        let items = self.list(what, max, read)?;
        if !items.is_sorted_by(|a, b| a < b) {
            return Err(FormatError::Order { what });
        }
        Ok(items)
    }

    /// The first item of the array that comes next, an unsigned integer that says what the array is. Nothing is consumed.
    pub fn variant(&self, what: &'static str) -> Result<u64, FormatError> {
        let mut ahead = Self { ..*self };
        match ahead.expect(what, Major::Array)? {
            0 => Err(FormatError::Invalid { what }),
            _ => ahead.u64(what),
        }
    }

    /// A map with unsigned keys in ascending order. `field` reads the value of a key it knows, and hands others to `unknown`.
    pub fn map(
        &mut self,
        what: &'static str,
        mut field: impl FnMut(&mut Self, u64) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        let count = self.count(what, Major::Map, usize::MAX)?;
        self.nested(|reader| {
            let mut last = None;
            for _ in 0..count {
                let key = reader.u64(what)?;
                if last.is_some_and(|last| last >= key) {
                    return Err(FormatError::Order { what });
                }
                last = Some(key);
                field(reader, key)?;
            }
            Ok(())
        })
    }

    /// A map from byte strings of `N` bytes, in ascending order, to what `read` reads.
    pub fn map_by<const N: usize, K: Ord, T>(
        &mut self,
        what: &'static str,
        key: fn([u8; N]) -> K,
        mut read: impl FnMut(&mut Self) -> Result<T, FormatError>,
    ) -> Result<BTreeMap<K, T>, FormatError> {
        let count = self.count(what, Major::Map, usize::MAX)?;
        self.nested(|reader| {
            let mut map = BTreeMap::new();
            for _ in 0..count {
                let key = key(reader.array_of(what)?);
                if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
                    return Err(FormatError::Order { what });
                }
                map.insert(key, read(reader)?);
            }
            Ok(map)
        })
    }

    /// What to do with a key that this version does not know: skip the value of an odd one, refuse an even one.
    pub fn unknown(&mut self, what: &'static str, key: u64) -> Result<(), FormatError> {
        if key.is_multiple_of(2) {
            return Err(FormatError::NewerFormat { field: what, value: key });
        }
        self.skip(what)
    }

    /// Any one value, checked to be deterministic, and returned as its bytes.
    pub fn raw(&mut self, what: &'static str) -> Result<&'a [u8], FormatError> {
        let start = self.at;
        self.skip(what)?;
        Ok(&self.bytes[start..self.at])
    }

    /// Any one value. Recursion ends at the limit of depth.
    pub fn skip(&mut self, what: &'static str) -> Result<(), FormatError> {
        let (major, value) = self.head(what)?;
        match major {
            Major::Unsigned | Major::Negative | Major::Simple => Ok(()),
            Major::Bytes => self.string(what, value, usize::MAX).map(drop),
            Major::Text => {
                let bytes = self.string(what, value, usize::MAX)?;
                std::str::from_utf8(bytes).map(drop).map_err(|_| FormatError::Invalid { what })
            }
            Major::Array => self.nested(|reader| (0..value).try_for_each(|_| reader.skip(what))),
            Major::Map => self.nested(|reader| {
                let mut last: Option<&[u8]> = None;
                for _ in 0..value {
                    let key = reader.raw(what)?;
                    if last.is_some_and(|last| last >= key) {
                        return Err(FormatError::Order { what });
                    }
                    last = Some(key);
                    reader.skip(what)?;
                }
                Ok(())
            }),
        }
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, FormatError>) -> Result<T, FormatError> {
        if self.depth == CBOR_DEPTH {
            return Err(FormatError::Limit { what: "depth of CBOR", limit: CBOR_DEPTH as u64 });
        }
        self.depth += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn string(&mut self, what: &'static str, len: u64, max: usize) -> Result<&'a [u8], FormatError> {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if len > max {
            return Err(FormatError::Limit { what, limit: max as u64 });
        }
        let bytes = self.bytes[self.at..].get(..len).ok_or(FormatError::Truncated { what })?;
        self.at += len;
        Ok(bytes)
    }

    /// The number of items of a collection: no more than bytes are left, since an item has at least one.
    fn count(&mut self, what: &'static str, major: Major, max: usize) -> Result<usize, FormatError> {
        let count = usize::try_from(self.expect(what, major)?).unwrap_or(usize::MAX);
        if count > max {
            return Err(FormatError::Limit { what, limit: max as u64 });
        }
        if count > self.left() {
            return Err(FormatError::Truncated { what });
        }
        Ok(count)
    }

    fn expect(&mut self, what: &'static str, expected: Major) -> Result<u64, FormatError> {
        let (major, value) = self.head(what)?;
        if major != expected {
            return Err(FormatError::Invalid { what });
        }
        Ok(value)
    }

    /// Major type and argument (RFC 8949 section 3), in the shortest form only.
    fn head(&mut self, what: &'static str) -> Result<(Major, u64), FormatError> {
        let [initial] = self.take(what)?;
        let info = initial & 0x1f;
        let major = match initial >> 5 {
            0 => Major::Unsigned,
            1 => Major::Negative,
            2 => Major::Bytes,
            3 => Major::Text,
            4 => Major::Array,
            5 => Major::Map,
            7 if (FALSE..=NULL).contains(&initial) => return Ok((Major::Simple, u64::from(info))),
            _ => return Err(FormatError::Invalid { what }), // tags, floats, other simple values
        };
        let (value, least) = match info {
            0..24 => (u64::from(info), 0),
            24 => (u64::from(self.take::<1>(what)?[0]), 24),
            25 => (u64::from(u16::from_be_bytes(self.take(what)?)), 1 << 8),
            26 => (u64::from(u32::from_be_bytes(self.take(what)?)), 1 << 16),
            27 => (u64::from_be_bytes(self.take(what)?), 1 << 32),
            31 => return Err(FormatError::NotCanonical { what }), // indefinite length
            _ => return Err(FormatError::Invalid { what }),       // reserved by RFC 8949
        };
        if value < least {
            return Err(FormatError::NotCanonical { what });
        }
        Ok((major, value))
    }

    fn take<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], FormatError> {
        let taken = self.bytes[self.at..].first_chunk().ok_or(FormatError::Truncated { what })?;
        self.at += N;
        Ok(*taken)
    }
}

impl Writer {
    /// Nothing written yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    /// An unsigned integer.
    pub fn uint(&mut self, value: impl Into<u64>) {
        self.head(Major::Unsigned, value.into());
    }

    /// A signed integer.
    pub fn int(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(value) => self.head(Major::Unsigned, value),
            Err(_) => self.head(Major::Negative, !value as u64), // -1 - value
        }
    }

    /// A byte string.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.head(Major::Bytes, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.head(Major::Text, text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
    }

    /// `null`.
    pub fn null(&mut self) {
        self.out.push(NULL);
    }

    /// A byte string, or `null`.
    pub fn bytes_or_null(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bytes(bytes),
            None => self.null(),
        }
    }

    /// One value that is CBOR already.
    pub fn raw(&mut self, value: &[u8]) {
        self.out.extend_from_slice(value);
    }

    /// The head of an array; `len` values follow.
    pub fn array(&mut self, len: usize) {
        self.head(Major::Array, len as u64);
    }

    /// An array of what `write` writes for each item: one value.
    pub fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        let items = items.into_iter();
        self.array(items.len());
        for item in items {
            write(self, item);
        }
    }

    /// A list that is a set: in ascending order, whatever the order of `items`.
    pub fn set<T: Ord>(&mut self, items: &[T], write: impl FnMut(&mut Self, &T)) {
        let mut items: Vec<&T> = items.iter().collect();
        items.sort_unstable();
        self.list(items, write);
    }

    /// A map with byte strings for keys.
    pub fn map_by<K: AsRef<[u8]>, T>(&mut self, map: &BTreeMap<K, T>, mut write: impl FnMut(&mut Self, &T)) {
        self.head(Major::Map, map.len() as u64);
        for (key, value) in map {
            self.bytes(key.as_ref());
            write(self, value);
        }
    }

    /// A map with integer keys, which `fields` writes in ascending order.
    pub fn map(&mut self, fields: impl FnOnce(&mut MapWriter)) {
        let mut map = MapWriter { writer: self, body: Writer::new(), count: 0, last: None };
        fields(&mut map);
        map.writer.head(Major::Map, map.count);
        map.writer.out.append(&mut map.body.out);
    }

    fn head(&mut self, major: Major, value: u64) {
        let major = (major as u8) << 5;
        match value {
            0..24 => self.out.push(major | value as u8),
            24..0x100 => self.out.extend([major | 24, value as u8]),
            0x100..0x1_0000 => {
                self.out.push(major | 25);
                self.out.extend((value as u16).to_be_bytes());
            }
            0x1_0000..0x1_0000_0000 => {
                self.out.push(major | 26);
                self.out.extend((value as u32).to_be_bytes());
            }
            _ => {
                self.out.push(major | 27);
                self.out.extend(value.to_be_bytes());
            }
        }
    }
}

impl MapWriter<'_> {
    /// A key and the one value that `value` writes. Keys are constants of the program, in ascending order.
    pub fn field(&mut self, key: u64, value: impl FnOnce(&mut Writer)) {
        debug_assert!(self.last.is_none_or(|last| last < key), "keys are written in ascending order");
        self.last = Some(key);
        self.count += 1;
        self.body.uint(key);
        value(&mut self.body);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Major {
    Unsigned = 0,
    Negative = 1,
    Bytes = 2,
    Text = 3,
    Array = 4,
    Map = 5,
    Simple = 7,
}

/// Simple values (RFC 8949 section 3.3).
const FALSE: u8 = 0xf4;
const NULL: u8 = 0xf6;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn skip(hex: &str) -> Result<(), FormatError> {
        let bytes = hex::decode(hex).unwrap();
        let mut reader = Reader::new(&bytes);
        reader.skip("v")?;
        reader.end("v")
    }

    #[test]
    fn every_value_has_one_encoding() {
        // RFC 8949 appendix A, what of it is allowed here.
        for good in [
            "00",
            "17",
            "1818",
            "18ff",
            "190100",
            "1a00010000",
            "1b0000000100000000",
            "1bffffffffffffffff",
            "20",
            "3bffffffffffffffff",
            "40",
            "4401020304",
            "60",
            "62c3bc",
            "80",
            "83010203",
            "8301820203820405",
            "a0",
            "a201020304",
            "a26161016162820203",
            "f4",
            "f5",
            "f6",
        ] {
            assert_eq!(skip(good), Ok(()), "{good}");
        }
        let not_canonical = FormatError::NotCanonical { what: "v" };
        for bad in [
            "1817",
            "1900ff",
            "1a0000ffff",
            "1b00000000ffffffff",
            "3800",
            "5800",
            "7800",
            "9800",
            "b800",
            "5f4101ff",
            "7f6161ff",
            "9fff",
            "bfff",
        ] {
            assert_eq!(skip(bad), Err(not_canonical.clone()), "{bad}");
        }
        // Floats, tags, undefined, other simple values, reserved heads, a lone break, text that is not UTF-8.
        for bad in [
            "f90000",
            "fa00000000",
            "fb0000000000000000",
            "c100",
            "d82040",
            "f7",
            "f0",
            "f820",
            "1c",
            "5d",
            "ff",
            "61ff",
        ] {
            assert!(matches!(skip(bad), Err(FormatError::Invalid { .. } | FormatError::NotCanonical { .. })), "{bad}");
        }
        for bad in
            ["", "18", "19ff", "41", "6261", "81", "8201", "a1", "a101", "9bffffffffffffffff", "5bffffffffffffffff"]
        {
            assert_eq!(skip(bad), Err(FormatError::Truncated { what: "v" }), "{bad}");
        }
        for bad in ["a201020102", "a202010101", "a2616201616101"] {
            assert_eq!(skip(bad), Err(FormatError::Order { what: "v" }), "{bad}");
        }
        assert_eq!(skip("0000"), Err(FormatError::Trailing { what: "v" }));
    }

    #[test]
    fn depth_is_bounded() {
        assert_eq!(skip("8181818181818180"), Ok(()));
        assert!(matches!(skip("818181818181818180"), Err(FormatError::Limit { .. })));
        assert!(matches!(skip(&"81".repeat(1 << 20)), Err(FormatError::Limit { .. })));
    }

    #[test]
    fn lengths_are_checked_before_anything_is_allocated() {
        let bytes = hex::decode("9affffffff00").unwrap();
        let items = Reader::new(&bytes).list("v", usize::MAX, |reader| reader.u8("v"));
        assert_eq!(items, Err(FormatError::Truncated { what: "v" }));
        let items = Reader::new(&bytes).list("v", 3, |reader| reader.u8("v"));
        assert_eq!(items, Err(FormatError::Limit { what: "v", limit: 3 }));
    }

    #[test]
    fn unknown_even_keys_are_refused_and_odd_ones_skipped() {
        let read = |hex: &str| {
            let bytes = hex::decode(hex).unwrap();
            let mut seen = Vec::new();
            Reader::new(&bytes).map("m", |reader, key| match key {
                0 | 4 => {
                    seen.push((key, reader.u64("m")?));
                    Ok(())
                }
                _ => reader.unknown("m", key),
            })?;
            Ok(seen)
        };
        assert_eq!(read("a30007018200a0040a"), Ok(vec![(0, 7), (4, 10)]));
        assert_eq!(read("a2000702f6"), Err(FormatError::NewerFormat { field: "m", value: 2 }));
        assert_eq!(read("a200070007"), Err(FormatError::Order { what: "m" }));
        assert_eq!(read("a12007"), Err(FormatError::Invalid { what: "m" }));
    }

    #[test]
    fn the_ends_of_the_integers() {
        for (value, hex) in
            [(i64::MIN, "3b7fffffffffffffff"), (i64::MAX, "1b7fffffffffffffff"), (-1, "20"), (0, "00"), (-25, "3818")]
        {
            let mut writer = Writer::new();
            writer.int(value);
            let bytes = writer.finish();
            assert_eq!(hex::encode(&bytes), hex);
            assert_eq!(Reader::new(&bytes).i64("v"), Ok(value));
        }
        for hex in ["1b8000000000000000", "3b8000000000000000"] {
            assert!(matches!(Reader::new(&hex::decode(hex).unwrap()).i64("v"), Err(FormatError::Limit { .. })));
        }
    }

    proptest! {
        #[test]
        fn primitives_round_trip(unsigned: u64, signed: i64, bytes: Vec<u8>, text: String, list: Vec<u64>) {
            let mut writer = Writer::new();
            writer.uint(unsigned);
            writer.int(signed);
            writer.bytes(&bytes);
            writer.text(&text);
            writer.list(&list, |writer, item| writer.uint(*item));
            let out = writer.finish();
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.u64("v"), Ok(unsigned));
            prop_assert_eq!(reader.i64("v"), Ok(signed));
            prop_assert_eq!(reader.bytes("v", bytes.len()), Ok(&bytes[..]));
            prop_assert_eq!(reader.text("v", text.len()), Ok(&text[..]));
            prop_assert_eq!(reader.list("v", list.len(), |reader| reader.u64("v")), Ok(list));
            prop_assert!(reader.end("v").is_ok());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Reader::new(&bytes).skip("v");
        }
    }
}
