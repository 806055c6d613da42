//! What the files of the local copy are made of: blocks with a checksum, and a reader that never reads beyond the end.
//!
//! The checksum is against disks and interrupted writes. Whoever may change these files may change the program too.

use super::IndexError;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use vault_format::ids::{ChunkId, DeviceId, ObjectHash};
use vault_format::index::PackRef;
use vault_format::log::IndexName;
use vault_format::name::PackName;

/// A block: things of one length, zeros, checksum u64 over the number of the block and all before.
pub(super) type Block = [u8; BLOCK];

/// Writes things of one length, so many to a block.
pub(super) struct BlockWriter {
    block: Box<Block>,
    used: usize,
    number: u64,
}

impl BlockWriter {
    /// `number`: of the first block in the file.
    pub(super) fn new(number: u64) -> Self {
        Self { block: Box::new([0; BLOCK]), used: 0, number }
    }

    pub(super) fn push(&mut self, out: &mut impl Write, thing: &[u8]) -> io::Result<()> {
        if self.used + thing.len() > ROOM {
            self.finish(out)?;
        }
        self.block[self.used..][..thing.len()].copy_from_slice(thing);
        self.used += thing.len();
        Ok(())
    }

    /// Ends the block that was begun.
    pub(super) fn finish(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.used > 0 {
            seal_block(&mut self.block, self.number);
            out.write_all(&self.block[..])?;
            self.block.fill(0);
            self.used = 0;
            self.number += 1;
        }
        Ok(())
    }
}

/// Fills in the checksum.
pub(super) fn seal_block(block: &mut Block, number: u64) {
    let sum = checksum(number, &block[..ROOM]);
    block[ROOM..].copy_from_slice(&sum.to_le_bytes());
}

/// Reads and checks one block.
pub(super) fn read_block(file: &File, number: u64) -> Result<Block, IndexError> {
    let mut block = [0; BLOCK];
    file.read_exact_at(&mut block, number * BLOCK as u64).map_err(IndexError::from_read)?;
    check_block(&block, number)?;
    Ok(block)
}

/// Calls `each` for `count` things of `N` bytes in the blocks from `first` on, in order.
pub(super) fn scan<const N: usize>(
    file: &File,
    first: u64,
    count: u64,
    mut each: impl FnMut(&[u8; N]) -> Result<(), IndexError>,
) -> Result<(), IndexError> {
    let per_block = (ROOM / N) as u64;
    let mut buffer = vec![0; BLOCK * SCAN_BLOCKS];
    let (mut number, mut left) = (first, count);
    while left > 0 {
        let blocks = left.div_ceil(per_block).min(SCAN_BLOCKS as u64) as usize;
        let buffer = &mut buffer[..blocks * BLOCK];
        file.read_exact_at(buffer, number * BLOCK as u64).map_err(IndexError::from_read)?;
        for block in buffer.as_chunks::<BLOCK>().0 {
            check_block(block, number)?;
            number += 1;
            for thing in &block[..ROOM].as_chunks::<N>().0[..left.min(per_block) as usize] {
                each(thing)?;
            }
            left -= left.min(per_block);
        }
    }
    Ok(())
}

fn check_block(block: &Block, number: u64) -> Result<(), IndexError> {
    let stored = u64::from_le_bytes(part(&block[ROOM..]));
    if stored != checksum(number, &block[..ROOM]) {
        return Err(IndexError::Damaged { what: "a block" });
    }
    Ok(())
}

/// Multiply and fold, 16 bytes at a time.
pub(super) fn checksum(seed: u64, bytes: &[u8]) -> u64 {
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let mut state = fold(seed ^ ODD[0], ODD[1]) ^ bytes.len() as u64;
    let (pairs, rest) = bytes.as_chunks::<16>();
    let mut last = [0; 16];
    last[..rest.len()].copy_from_slice(rest);
    for pair in pairs.iter().chain([&last]) {
        let (a, b) = (u64::from_le_bytes(part(&pair[..8])), u64::from_le_bytes(part(&pair[8..])));
        state = fold(a ^ ODD[2] ^ state, b ^ ODD[3]).wrapping_add(state.rotate_left(29));
    }
    fold(state, ODD[1])
}

/// Reads forward; `None` at the end.
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N).map(part)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// So many things that `one` reads; refuses a count that cannot be, before anything is allocated.
    pub(super) fn many<T>(&mut self, count: u64, len: usize, one: fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(count).ok()?;
        if count.checked_mul(len)? > self.0.len() {
            return None;
        }
        (0..count).map(|_| one(self)).collect()
    }

    pub(super) fn pack(&mut self) -> Option<PackRef> {
        let (device, tree) = (DeviceId(self.array()?), self.u8()? == 1);
        let (size_units, hash) = (u16::from_le_bytes(self.array()?), ObjectHash(self.array()?));
        Some(PackRef { name: PackName { tree, device, hash }, size_units })
    }

    pub(super) fn table(&mut self) -> Option<IndexName> {
        let shard = self.u8()? == 1;
        Some(IndexName { shard, device: DeviceId(self.array()?), hash: ObjectHash(self.array()?) })
    }
}

/// As [`Cursor::pack`] reads it.
pub(super) fn write_pack(pack: &PackRef, out: &mut Vec<u8>) {
    out.extend_from_slice(&pack.name.device.0);
    out.push(u8::from(pack.name.tree));
    out.extend_from_slice(&pack.size_units.to_le_bytes());
    out.extend_from_slice(&pack.name.hash.0);
}

/// As [`Cursor::table`] reads it.
pub(super) fn write_table(name: &IndexName, out: &mut Vec<u8>) {
    out.push(u8::from(name.shard));
    out.extend_from_slice(&name.device.0);
    out.extend_from_slice(&name.hash.0);
}

/// The first eight bytes of an id: enough to find it by, in the order of ids.
pub(super) fn key(id: &ChunkId) -> u64 {
    u64::from_be_bytes(part(&id.0[..8]))
}

/// The array at the start of `bytes`, which is long enough.
pub(super) fn part<const N: usize>(bytes: &[u8]) -> [u8; N] {
    *bytes.first_chunk().expect("the caller has taken as many bytes")
}

/// Bytes of a block: a page.
pub(super) const BLOCK: usize = 4096;
/// Bytes for things in a block.
pub(super) const ROOM: usize = BLOCK - 8;
/// Bytes of a pack in a file.
pub(super) const PACK_LEN: usize = 51;
/// Bytes of the name of a table in a file.
pub(super) const TABLE_LEN: usize = 49;
/// Blocks read at a time by `scan`.
const SCAN_BLOCKS: usize = 64;
/// Digits of pi.
const ODD: [u64; 4] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7345, 0xa409_3822_299f_31d1, 0x082e_fa98_ec4e_6c89];
