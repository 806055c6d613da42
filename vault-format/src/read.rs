//! Reading and writing of the primitives that SPEC's first page defines: integers, varints, lengths.

use crate::error::FormatError;

/// What is left of some bytes. Every method names in `what` the thing that it reads, for the error.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes that are left: the bound of every allocation.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Refuses a count of things of at least `len` bytes that cannot be in what is left: called before allocating for them.
    #[inline]
    pub(crate) fn room(&self, count: usize, len: usize, what: &'static str) -> Result<(), FormatError> {
        match count.checked_mul(len) {
            Some(total) if total <= self.left() => Ok(()),
            _ => Err(FormatError::Truncated { what }),
        }
    }

    #[inline]
    pub(crate) fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], FormatError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(FormatError::Truncated { what })?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], FormatError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(FormatError::Truncated { what })?;
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, FormatError> {
        Ok(self.array::<1>(what)?[0])
    }

    #[inline]
    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, FormatError> {
        Ok(u16::from_le_bytes(self.array(what)?))
    }

    #[inline]
    pub(crate) fn u24(&mut self, what: &'static str) -> Result<u32, FormatError> {
        let [a, b, c] = self.array(what)?;
        Ok(u32::from_le_bytes([a, b, c, 0]))
    }

    #[inline]
    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, FormatError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    /// Unsigned LEB128 in its shortest form.
    #[inline]
    pub(crate) fn varint(&mut self, what: &'static str) -> Result<u64, FormatError> {
        if let Some((&byte, rest)) = self.rest.split_first()
            && byte < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(byte));
        }
        self.long_varint(what)
    }

    fn long_varint(&mut self, what: &'static str) -> Result<u64, FormatError> {
        let mut value = 0;
        for (at, &byte) in self.rest.iter().enumerate().take(10) {
            if at == 9 && byte > 1 {
                return Err(FormatError::NotCanonical { what }); // over 64 bits
            }
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                if byte == 0 && at > 0 {
                    return Err(FormatError::NotCanonical { what });
                }
                self.rest = &self.rest[at + 1..];
                return Ok(value);
            }
        }
        Err(FormatError::Truncated { what })
    }

    /// A varint of at most `limit`.
    #[inline]
    pub(crate) fn varint_to(&mut self, limit: u64, what: &'static str) -> Result<u64, FormatError> {
        let value = self.varint(what)?;
        if value > limit {
            return Err(FormatError::Limit { what, limit });
        }
        Ok(value)
    }

    #[inline]
    pub(crate) fn varint_u32(&mut self, what: &'static str) -> Result<u32, FormatError> {
        self.varint_to(u64::from(u32::MAX), what).map(|value| value as u32)
    }

    #[inline]
    pub(crate) fn zigzag(&mut self, what: &'static str) -> Result<i64, FormatError> {
        let value = self.varint(what)?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// `lp(x)` with at most `limit` bytes.
    #[inline]
    pub(crate) fn lp(&mut self, limit: usize, what: &'static str) -> Result<&'a [u8], FormatError> {
        let len = self.varint_to(limit as u64, what)?;
        self.take(len as usize, what)
    }

    /// Refuses anything that is left.
    pub(crate) fn end(self, what: &'static str) -> Result<(), FormatError> {
        if self.rest.is_empty() { Ok(()) } else { Err(FormatError::Trailing { what }) }
    }
}

#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline]
pub(crate) fn put_zigzag(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)) as u64);
}

#[inline]
pub(crate) fn put_lp(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Refuses bytes that are not zero. Blocks are folded whole, so that it runs at the speed of memory.
pub(crate) fn zeros(bytes: &[u8], what: &'static str) -> Result<(), FormatError> {
    let zero = bytes.chunks(512).all(|block| block.iter().fold(0, |all, byte| all | byte) == 0);
    if zero { Ok(()) } else { Err(FormatError::NotZero { what }) }
}

/// `value` if it is at most `limit`.
#[inline]
pub(crate) fn at_most(value: usize, limit: usize, what: &'static str) -> Result<usize, FormatError> {
    if value > limit {
        return Err(FormatError::Limit { what, limit: limit as u64 });
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn varints_have_one_form() {
        for bad in [
            &[0x80, 0x00][..],
            &[0xff, 0x80, 0x00],
            &[0xff; 10],
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02],
        ] {
            assert_eq!(Reader::new(bad).varint("v"), Err(FormatError::NotCanonical { what: "v" }), "{bad:x?}");
        }
        for short in [&[][..], &[0x80], &[0xff; 9]] {
            assert_eq!(Reader::new(short).varint("v"), Err(FormatError::Truncated { what: "v" }));
        }
    }

    proptest! {
        #[test]
        fn integers_round_trip(value: u64, signed: i64) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            put_zigzag(&mut out, signed);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varint("v"), Ok(value));
            prop_assert_eq!(reader.zigzag("z"), Ok(signed));
            prop_assert!(reader.end("end").is_ok());
        }
    }
}
