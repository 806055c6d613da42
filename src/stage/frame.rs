//! Frames, sealed and opened (SPEC section 5.2).
use crypto_backends::{CryptoError, Key, Provider, ct_eq};
use vault_format::frame::{SYN_LEN, Text, overhead, parse_text, write_text};
use vault_format::suite::TAG_LEN;
use vault_format::{Codec, FormatError, Frame, Purpose};
use zeroize::Zeroize;
use zstd::zstd_safe::{DCtx, find_frame_compressed_size};

/// The keys of one object or blob, derived once from its DEK. Shared by the workers that seal its frames.
pub struct ObjectKeys {
    provider: &'static Provider,
    dek: Key,
    syn: Key,
    commit: [u8; 32],
    /// `H(header)`, or `H(context)` of a blob.
    c: [u8; 32],
    object_type: u8,
}

impl ObjectKeys {
    /// `c` is the hash of all that stands before the commitment, or of a blob's context.
    pub fn new(provider: &'static Provider, dek: &Key, c: [u8; 32], object_type: u8) -> ObjectKeys {
        let derive = |purpose: Purpose| provider.kdf.derive(purpose.label(provider.suite), dek.expose(), &[], &[&c]);
        ObjectKeys {
            provider,
            dek: dek.duplicate(),
            syn: derive(Purpose::Syn),
            commit: *derive(Purpose::Commit).expose(),
            c,
            object_type,
        }
    }

    /// What stands between header and first frame: commits to the DEK.
    pub fn commit(&self) -> [u8; 32] {
        self.commit
    }

    /// Refuses another key or another header. To be called before any frame is opened.
    pub fn check_commit(&self, stored: &[u8]) -> Result<(), SealError> {
        if ct_eq(&self.commit, stored) { Ok(()) } else { Err(SealError::Commitment) }
    }

    /// The backend that these keys belong to.
    pub fn provider(&self) -> &'static Provider {
        self.provider
    }

    /// Appends a frame whose text is `body` padded to `text_len` bytes in all. After an error `out` is as before.
    #[allow(clippy::too_many_arguments)] // the fields of a text and its place; a struct would be built for one call
    pub fn seal_frame(
        &self,
        slot: u32,
        last: bool,
        codec: Codec,
        plain_len: u32,
        body: &[u8],
        text_len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let start = out.len();
        let sealed = self.append_frame(slot, last, (codec, plain_len, body), text_len, out);
        if sealed.is_err() {
            // The plaintext may stand there.
            out[start..].zeroize();
            out.truncate(start);
        }
        sealed
    }

    /// Opens one frame into `out`, which is replaced. For single frames; a worker keeps an [`Opener`].
    pub fn open_frame(
        &self,
        slot: u32,
        last: bool,
        frame: &[u8],
        max_plain: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let mut opener = Opener::new();
        let plain = opener.open(self, slot, last, frame, max_plain)?;
        out.clear();
        out.extend_from_slice(plain);
        Ok(())
    }

    fn append_frame(
        &self,
        slot: u32,
        last: bool,
        (codec, plain_len, body): (Codec, u32, &[u8]),
        text_len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let suite = self.provider.suite;
        let syn_at = out.len();
        let text_at = syn_at + SYN_LEN + suite.nonce_len();
        // At once: growing while the plaintext is in there would leave a copy of it behind.
        out.reserve(overhead(suite).saturating_add(text_len));
        out.resize(text_at, 0);
        write_text(codec, plain_len, body, text_len, out)?;
        let syn = self.syn(slot, &out[text_at..]);
        let sealed = self.provider.aead.seal(&self.frame_key(slot, &syn), &self.aad(slot, last), &mut out[text_at..]);
        let sealed = sealed.map_err(SealError::Crypto)?;
        out[syn_at..syn_at + SYN_LEN].copy_from_slice(&syn);
        out[syn_at + SYN_LEN..text_at].copy_from_slice(sealed.nonce.as_slice());
        out.extend_from_slice(&sealed.tag);
        Ok(())
    }

    /// Appends the frame that was sealed with this text, nonce and tag: to be compared with a hash of it. Refuses a frame that would
    /// not open.
    pub(super) fn append_frame_again(
        &self,
        slot: u32,
        last: bool,
        (codec, plain_len, body): (Codec, u32, &[u8]),
        text_len: usize,
        (nonce, tag): (&[u8], &[u8; TAG_LEN]),
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let syn_at = out.len();
        out.extend_from_slice(&[0; SYN_LEN]);
        out.extend_from_slice(nonce);
        let text_at = out.len();
        write_text(codec, plain_len, body, text_len, out)?;
        let syn = self.syn(slot, &out[text_at..]);
        let (key, aad) = (self.frame_key(slot, &syn), self.aad(slot, last));
        self.provider.aead.seal_again(&key, nonce, &aad, &mut out[text_at..], tag).map_err(|error| match error {
            CryptoError::NotAuthentic => SealError::Tag { slot },
            other => SealError::Crypto(other),
        })?;
        out[syn_at..syn_at + SYN_LEN].copy_from_slice(&syn);
        out.extend_from_slice(tag);
        Ok(())
    }

    /// Opens the frame's ciphertext, which is in `text`, and leaves the text there.
    fn open_text(&self, slot: u32, last: bool, frame: &Frame<'_>, text: &mut [u8]) -> Result<(), SealError> {
        let key = self.frame_key(slot, frame.syn);
        let opened = self.provider.aead.open(&key, frame.nonce, &self.aad(slot, last), text, frame.tag);
        opened.map_err(|error| match error {
            CryptoError::NotAuthentic => SealError::Tag { slot },
            other => SealError::Crypto(other),
        })?;
        if !ct_eq(&self.syn(slot, text), frame.syn) {
            return Err(SealError::Syn { slot });
        }
        Ok(())
    }

    fn syn(&self, slot: u32, text: &[u8]) -> [u8; SYN_LEN] {
        self.provider.keyed_hash.keyed_hash(&self.syn, &[&slot.to_le_bytes(), text])
    }

    fn frame_key(&self, slot: u32, syn: &[u8; SYN_LEN]) -> Key {
        let mut context = [0; 1 + 4 + SYN_LEN];
        context[0] = self.object_type;
        context[1..5].copy_from_slice(&slot.to_le_bytes());
        context[5..].copy_from_slice(syn);
        let label = Purpose::Frame.label(self.provider.suite);
        self.provider.kdf.derive(label, self.dek.expose(), &[], &[&context])
    }

    fn aad(&self, slot: u32, last: bool) -> [u8; 32 + 1 + 4 + 1] {
        let mut aad = [0; 38];
        aad[..32].copy_from_slice(&self.c);
        aad[32] = self.object_type;
        aad[33..37].copy_from_slice(&slot.to_le_bytes());
        aad[37] = u8::from(last);
        aad
    }
}

/// Opens frames into buffers that it keeps and wipes at its end.
#[derive(Default)]
pub struct Opener {
    text: Vec<u8>,
    unpacker: Unpacker,
}

impl Opener {
    /// With empty buffers.
    pub fn new() -> Opener {
        Opener::default()
    }

    /// The plaintext of a frame, of at most `max_plain` bytes. Tag, `syn`, padding and codec are checked, the commitment is not:
    /// see [`ObjectKeys::check_commit`].
    pub fn open<'a>(
        &'a mut self,
        keys: &ObjectKeys,
        slot: u32,
        last: bool,
        frame: &[u8],
        max_plain: usize,
    ) -> Result<&'a [u8], SealError> {
        self.open_frame(keys, slot, last, frame)?;
        self.unpacker.plain(slot, &parse_text(&self.text)?, max_plain)
    }
}

/// Decompresses texts into a buffer that it keeps and wipes at its end.
#[derive(Default)]
pub(super) struct Unpacker {
    plain: Vec<u8>,
    zstd: Option<DCtx<'static>>,
}

impl Unpacker {
    /// The plaintext of a text in a slot, of at most `max_plain` bytes.
    pub(super) fn plain<'a>(&'a mut self, slot: u32, text: &Text<'a>, max_plain: usize) -> Result<&'a [u8], SealError> {
        let plain_len = text.plain_len as usize;
        if plain_len > max_plain {
            return Err(FormatError::Limit { what: "plain length", limit: max_plain as u64 }.into());
        }
        match text.codec {
            Codec::Stored => Ok(text.body),
            Codec::Zstd => {
                check_zstd(text.body, plain_len).map_err(|why| SealError::Zstd { slot, why })?;
                let corrupt = SealError::Zstd { slot, why: "its blocks are corrupt" };
                let zstd = match &mut self.zstd {
                    Some(zstd) => zstd,
                    none => none.insert(DCtx::try_create().ok_or(SealError::Memory)?),
                };
                if self.plain.len() < plain_len {
                    self.plain.resize(plain_len, 0);
                }
                let plain = &mut self.plain[..plain_len];
                match zstd.decompress(plain, text.body) {
                    Ok(len) if len == plain_len => Ok(plain),
                    _ => Err(corrupt),
                }
            }
        }
    }
}

impl Drop for Unpacker {
    fn drop(&mut self) {
        self.plain.zeroize();
    }
}

impl Opener {
    /// The text of a frame, still compressed, to be sealed again as it is.
    pub(super) fn open_text(
        &mut self,
        keys: &ObjectKeys,
        slot: u32,
        last: bool,
        frame: &[u8],
    ) -> Result<Text<'_>, SealError> {
        self.open_frame(keys, slot, last, frame)?;
        Ok(parse_text(&self.text)?)
    }

    fn open_frame(&mut self, keys: &ObjectKeys, slot: u32, last: bool, frame: &[u8]) -> Result<(), SealError> {
        let frame = Frame::split(keys.provider.suite, frame)?;
        self.text.clear();
        self.text.extend_from_slice(frame.ciphertext);
        keys.open_text(slot, last, &frame, &mut self.text)
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        self.text.zeroize();
    }
}

/// Why something was not sealed or not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The stored commitment is not that of this key and header: another key, or a changed header.
    #[error("the commitment does not fit key and header")]
    Commitment,
    /// The frame was changed, or belongs to another place, object or key.
    #[error("the frame in slot {slot} is not authentic")]
    Tag {
        /// Where the frame was expected to belong.
        slot: u32,
    },
    /// The text is not the one that the frame's key was made for.
    #[error("the synthetic part of the frame in slot {slot} does not fit its text")]
    Syn {
        /// The frame's slot.
        slot: u32,
    },
    /// A compressed body in another than the one permitted form, or of another length than stated.
    #[error("the compressed body in slot {slot} is refused: {why}")]
    Zstd {
        /// The frame's slot.
        slot: u32,
        /// In words.
        why: &'static str,
    },
    /// A header, frame or text has the wrong form.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The backend failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The compressor refused its own settings or input.
    #[error("cannot compress: {why}")]
    Compress {
        /// In words.
        why: &'static str,
    },
    /// The codec found no memory for its tables.
    #[error("out of memory for the codec")]
    Memory,
}

/// SPEC 5.2: one frame, with its content size, a small window, no dictionary, nothing after it. Layout: RFC 8878 section 3.1.1.
fn check_zstd(body: &[u8], plain_len: usize) -> Result<(), &'static str> {
    let (magic, rest) = body.split_first_chunk::<4>().ok_or("it is too short")?;
    if u32::from_le_bytes(*magic) != ZSTD_MAGIC {
        return Err("it is not a zstd frame");
    }
    let (descriptor, mut rest) = rest.split_first().ok_or("it is too short")?;
    let single_segment = descriptor & 0x20 != 0;
    if descriptor & 0x03 != 0 {
        return Err("it wants a dictionary");
    }
    let mut window = None;
    if !single_segment {
        let (byte, after) = rest.split_first().ok_or("it is too short")?;
        let base = 1_u64 << (10 + (byte >> 3));
        window = Some(base + base / 8 * u64::from(byte & 7));
        rest = after;
    }
    let size_len = match (descriptor >> 6, single_segment) {
        (0, false) => return Err("it does not state its content size"),
        (flag, _) => 1_usize << flag,
    };
    let mut size = [0; 8];
    size[..size_len].copy_from_slice(rest.get(..size_len).ok_or("it is too short")?);
    // Two bytes count from 256.
    let content = u64::from_le_bytes(size).saturating_add(if size_len == 2 { 256 } else { 0 });
    if content != plain_len as u64 {
        return Err("its content size is not the stated length");
    }
    if window.unwrap_or(content) > MAX_WINDOW {
        return Err("its window is too large");
    }
    if find_frame_compressed_size(body) != Ok(body.len()) {
        return Err("it is not exactly one frame");
    }
    Ok(())
}

/// RFC 8878 section 3.1.1.
const ZSTD_MAGIC: u32 = 0xfd2f_b528;
/// SPEC section 5.2: window log 21.
const MAX_WINDOW: u64 = 1 << 21;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::segment::Compressor;
    use crate::stage::testing::{random_bytes, text_bytes};
    use crypto_backends::rustcrypto::provider;
    use vault_format::frame::TEXT_HEAD;

    fn keys() -> ObjectKeys {
        ObjectKeys::new(provider(), &Key::new([1; 32]), [2; 32], 1)
    }

    fn seal(keys: &ObjectKeys, slot: u32, last: bool, codec: Codec, plain_len: usize, body: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        keys.seal_frame(slot, last, codec, plain_len as u32, body, TEXT_HEAD + body.len(), &mut frame).expect("seals");
        frame
    }

    #[test]
    fn frames_round_trip_and_reuse_buffers() {
        let keys = keys();
        let mut opener = Opener::new();
        let mut compressor = Compressor::new(Some(3)).expect("a level");
        let mut out = b"before".to_vec();
        for (n, plain) in
            [text_bytes(1, 2 << 20), random_bytes(1, 1 << 20), vec![], text_bytes(2, 5000), vec![9; 1 << 20]]
                .iter()
                .enumerate()
        {
            let (codec, body) = compressor.compress(plain).expect("compresses");
            out.truncate(6);
            keys.seal_frame(n as u32, n == 2, codec, plain.len() as u32, body, TEXT_HEAD + body.len() + n, &mut out)
                .expect("seals");
            assert_eq!((&out[..6], out.len()), (&b"before"[..], 6 + 72 + 9 + body.len() + n));
            assert_eq!(opener.open(&keys, n as u32, n == 2, &out[6..], plain.len()).expect("opens"), plain);
        }
        let buffers = (opener.text.as_ptr(), opener.unpacker.plain.as_ptr());
        let frame = seal(&keys, 0, false, Codec::Stored, 1000, &[1; 1000]);
        opener.open(&keys, 0, false, &frame, 1000).expect("opens");
        assert_eq!(buffers, (opener.text.as_ptr(), opener.unpacker.plain.as_ptr()));
    }

    #[test]
    fn frames_are_those_of_the_specification() {
        let provider = provider();
        let frame = seal(&keys(), 7, true, Codec::Stored, 4, b"body");
        let parts = Frame::split(provider.suite, &frame).expect("a frame");
        let text = b"\0\x04\0\0\0\x04\0\0\0body";
        let syn_key = provider.kdf.derive("zvault v1 01 syn", &[1; 32], &[], &[&[2; 32]]);
        let syn = provider.keyed_hash.keyed_hash(&syn_key, &[&[7, 0, 0, 0], text]);
        let context = [&[1, 7, 0, 0, 0][..], &syn].concat();
        let key = provider.kdf.derive("zvault v1 01 frame", &[1; 32], &[], &[&context]);
        let aad = [&[2; 32][..], &[1, 7, 0, 0, 0, 1]].concat();
        let mut opened = parts.ciphertext.to_vec();
        provider.aead.open(&key, parts.nonce, &aad, &mut opened, parts.tag).expect("opens by the book");
        assert_eq!((&opened[..], parts.syn), (&text[..], &syn));
        let commit = provider.kdf.derive("zvault v1 01 commit", &[1; 32], &[], &[&[2; 32]]);
        assert_eq!(&keys().commit(), commit.expose());
    }

    #[test]
    fn place_key_and_header_are_bound() {
        let frame = seal(&keys(), 3, false, Codec::Stored, 4, b"body");
        let open = |keys: &ObjectKeys, slot, last, frame: &[u8]| keys.open_frame(slot, last, frame, 4, &mut Vec::new());
        assert!(open(&keys(), 3, false, &frame).is_ok());
        assert!(matches!(open(&keys(), 4, false, &frame), Err(SealError::Tag { slot: 4 })));
        assert!(matches!(open(&keys(), 3, true, &frame), Err(SealError::Tag { slot: 3 })));
        for other in [
            ObjectKeys::new(provider(), &Key::new([0; 32]), [2; 32], 1),
            ObjectKeys::new(provider(), &Key::new([1; 32]), [0; 32], 1),
            ObjectKeys::new(provider(), &Key::new([1; 32]), [2; 32], 2),
        ] {
            assert!(matches!(open(&other, 3, false, &frame), Err(SealError::Tag { .. })));
        }
        for at in 0..frame.len() {
            for bit in 0..8 {
                let mut bad = frame.clone();
                bad[at] ^= 1 << bit;
                assert!(matches!(open(&keys(), 3, false, &bad), Err(SealError::Tag { .. })), "byte {at}");
            }
        }
        for len in 0..frame.len() {
            assert!(open(&keys(), 3, false, &frame[..len]).is_err());
        }
        let mut too_long = seal(&keys(), 3, false, Codec::Stored, 5, b"body!");
        assert!(matches!(
            open(&keys(), 3, false, &too_long),
            Err(SealError::Format(FormatError::Limit { limit: 4, .. }))
        ));
        too_long.push(0);
        assert!(matches!(open(&keys(), 3, false, &too_long), Err(SealError::Tag { .. })));
    }

    #[test]
    fn a_foreign_syn_is_refused_even_under_its_own_key() {
        // What a writer without regard for content would make: key, nonce and tag fit, the synthetic part does not.
        let (keys, syn) = (keys(), [5; SYN_LEN]);
        let mut text = b"\0\x04\0\0\0\x04\0\0\0body".to_vec();
        let sealed = provider().aead.seal(&keys.frame_key(0, &syn), &keys.aad(0, true), &mut text).expect("seals");
        let frame = [&syn, sealed.nonce.as_slice(), &text, &sealed.tag].concat();
        assert!(matches!(keys.open_frame(0, true, &frame, 4, &mut Vec::new()), Err(SealError::Syn { slot: 0 })));
    }

    #[test]
    fn padding_and_codec_are_checked() {
        let keys = keys();
        let open = |text: &[u8]| {
            let mut text = text.to_vec();
            let syn = keys.syn(0, &text);
            let sealed = provider().aead.seal(&keys.frame_key(0, &syn), &keys.aad(0, true), &mut text).expect("seals");
            let frame = [&syn, sealed.nonce.as_slice(), &text, &sealed.tag].concat();
            keys.open_frame(0, true, &frame, 100, &mut Vec::new())
        };
        assert!(open(b"\0\x04\0\0\0\x04\0\0\0body\0\0").is_ok());
        assert!(matches!(
            open(b"\0\x04\0\0\0\x04\0\0\0body\0\x01"),
            Err(SealError::Format(FormatError::NotZero { .. }))
        ));
        assert!(matches!(
            open(b"\x02\x04\0\0\0\x04\0\0\0body"),
            Err(SealError::Format(FormatError::NewerFormat { field: "codec", value: 2 }))
        ));
        assert!(matches!(open(b"\0\x04\0\0\0\x05\0\0\0body"), Err(SealError::Format(FormatError::Invalid { .. }))));
        assert!(matches!(open(b"\0\x05\0\0\0\x05\0\0\0body"), Err(SealError::Format(FormatError::Truncated { .. }))));
    }

    #[test]
    fn failed_seals_leave_nothing_behind() {
        let mut out = b"before".to_vec();
        assert!(keys().seal_frame(0, true, Codec::Stored, 4, b"body", 12, &mut out).is_err());
        assert!(keys().seal_frame(0, true, Codec::Stored, 5, b"body", 13, &mut out).is_err());
        assert_eq!(out, b"before");
    }

    mod bombs {
        use super::*;
        use zstd::zstd_safe::{CCtx, CParameter};

        /// Opens `body` as the compressed form of `plain_len` bytes and gives the reason why not.
        fn refusal(body: &[u8], plain_len: usize) -> &'static str {
            let frame = seal(&keys(), 0, true, Codec::Zstd, plain_len, body);
            match keys().open_frame(0, true, &frame, 8 << 20, &mut Vec::new()) {
                Err(SealError::Zstd { slot: 0, why }) => why,
                other => panic!("{other:?}"),
            }
        }

        fn compress(plain: &[u8], parameters: &[CParameter]) -> Vec<u8> {
            let mut zstd = CCtx::create();
            for parameter in parameters {
                zstd.set_parameter(*parameter).expect("a parameter");
            }
            let mut out = Vec::with_capacity(zstd::zstd_safe::compress_bound(plain.len()));
            zstd.compress2(&mut out, plain).expect("compresses");
            out
        }

        #[test]
        fn the_permitted_form_opens() {
            for plain in [text_bytes(1, 3 << 20), text_bytes(2, 100), text_bytes(3, 256), text_bytes(4, 70_000), vec![]]
            {
                for checksum in [false, true] {
                    let body = compress(&plain, &[CParameter::WindowLog(21), CParameter::ChecksumFlag(checksum)]);
                    assert_eq!(check_zstd(&body, plain.len()), Ok(()));
                    let frame = seal(&keys(), 0, true, Codec::Zstd, plain.len(), &body);
                    let mut out = Vec::new();
                    keys().open_frame(0, true, &frame, plain.len(), &mut out).expect("opens");
                    assert_eq!(out, plain);
                }
            }
        }

        #[test]
        fn wrong_content_size() {
            let plain = text_bytes(1, 5000);
            let body = compress(&plain, &[]);
            assert_eq!(refusal(&body, 4999), "its content size is not the stated length");
            assert_eq!(refusal(&body, 5001), "its content size is not the stated length");
            let without = compress(&plain, &[CParameter::ContentSizeFlag(false)]);
            assert_eq!(refusal(&without, 5000), "it does not state its content size");
            // The header lies about what the blocks hold: RFC 8878, two-byte sizes count from 256.
            for lie in [4999_u16, 5001, 60_000] {
                let mut lying = body.clone();
                let at = lying.windows(2).position(|two| two == (5000_u16 - 256).to_le_bytes()).expect("the size");
                lying[at..at + 2].copy_from_slice(&(lie - 256).to_le_bytes());
                assert_eq!(refusal(&lying, usize::from(lie)), "its blocks are corrupt");
            }
        }

        #[test]
        fn large_windows() {
            let plain = text_bytes(1, 3 << 20);
            for log in [22, 27] {
                // Streaming without a pledged size keeps the window as asked for; the size is then put in by hand.
                let body = compress(&plain, &[CParameter::WindowLog(log)]);
                if log == 22 {
                    assert_eq!(refusal(&body, plain.len()), "its window is too large", "a single segment of 3 MiB");
                }
                let by_hand = [
                    &ZSTD_MAGIC.to_le_bytes()[..],
                    &[0x80, (log as u8 - 10) << 3],
                    &4_u32.to_le_bytes(),
                    &[0b11, 0, 0],
                    &[7; 4],
                ]
                .concat();
                assert_eq!(refusal(&by_hand, 4), "its window is too large");
            }
            let just_right =
                [&ZSTD_MAGIC.to_le_bytes()[..], &[0x80, 11 << 3], &4_u32.to_le_bytes(), &[0b10_0001, 0, 0], &[7; 4]]
                    .concat();
            assert_eq!(check_zstd(&just_right, 4), Ok(()));
            let mut too_large = just_right.clone();
            too_large[5] |= 1;
            assert_eq!(refusal(&too_large, 4), "its window is too large");
        }

        #[test]
        fn second_and_skippable_frames() {
            let body = compress(&text_bytes(1, 5000), &[]);
            let empty = compress(&[], &[]);
            let skippable = [&0x184d_2a50_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), b"abc"].concat();
            for second in [&body, &empty, &skippable, &vec![0]] {
                assert_eq!(refusal(&[&body[..], second].concat(), 5000), "it is not exactly one frame");
            }
            assert_eq!(refusal(&[&skippable[..], &body].concat(), 5000), "it is not a zstd frame");
            assert_eq!(refusal(&skippable, 0), "it is not a zstd frame");
        }

        #[test]
        fn dictionaries_and_damage() {
            let body = compress(&text_bytes(1, 5000), &[]);
            let mut dictionary = body.clone();
            dictionary[4] |= 1;
            assert_eq!(refusal(&dictionary, 5000), "it wants a dictionary");
            let mut reserved = body.clone();
            reserved[4] |= 8;
            assert_eq!(refusal(&reserved, 5000), "it is not exactly one frame");
            for len in 0..body.len() {
                refusal(&body[..len], 5000);
            }
            assert_eq!(refusal(&[], 0), "it is too short");
        }
    }

    /// A machine that was put back to an earlier state repeats its randomness; another version of zstd gives other bytes for the same content.
    #[cfg(debug_assertions)] // the backend gives replayed randomness to tests only
    #[test]
    fn zstd_version_change_with_replayed_rng() {
        use crypto_backends::{Aead, Provider, Sealed, testing};
        use std::collections::HashSet;
        use std::sync::Mutex;

        /// Remembers every (key, nonce).
        struct Recorder(Provider, Mutex<Vec<([u8; 32], Vec<u8>)>>);
        impl Aead for Recorder {
            fn seal(&self, key: &Key, aad: &[u8], buf: &mut [u8]) -> Result<Sealed, CryptoError> {
                let sealed = self.0.aead.seal(key, aad, buf)?;
                self.1.lock().expect("no panic").push((*key.expose(), sealed.nonce.as_slice().to_vec()));
                Ok(sealed)
            }
            fn open(
                &self,
                key: &Key,
                nonce: &[u8],
                aad: &[u8],
                buf: &mut [u8],
                tag: &[u8; 16],
            ) -> Result<(), CryptoError> {
                self.0.aead.open(key, nonce, aad, buf, tag)
            }
            fn seal_again(
                &self,
                key: &Key,
                nonce: &[u8],
                aad: &[u8],
                buf: &mut [u8],
                tag: &[u8; 16],
            ) -> Result<(), CryptoError> {
                self.0.aead.seal_again(key, nonce, aad, buf, tag)
            }
            fn nonce_len(&self) -> usize {
                self.0.aead.nonce_len()
            }
        }

        let replay: &'static testing::Replay = Box::leak(Box::new(testing::Replay::of_seed(1, 1 << 16)));
        let recorder: &'static Recorder = Box::leak(Box::new(Recorder(testing::provider(replay), Mutex::default())));
        let provider: &'static Provider = Box::leak(Box::new(Provider { aead: recorder, ..testing::provider(replay) }));
        let plain = text_bytes(1, 100_000);
        let mut syns = HashSet::new();
        let mut frames = 0;
        for level in [1, 19] {
            replay.rewind();
            let mut salt = [0; 32];
            provider.random.fill(&mut salt).expect("replayed");
            // The repeated salt gives the same DEK.
            let dek = provider.kdf.derive("zvault v1 01 dek", &[1; 32], &salt, &[]);
            let keys = ObjectKeys::new(provider, &dek, [2; 32], 1);
            let mut compressor = Compressor::new(Some(level)).expect("a level");
            let (codec, body) = compressor.compress(&plain).expect("compresses");
            for slot in 0..3 {
                let frame = seal(&keys, slot, false, codec, plain.len(), body);
                syns.insert(frame[..SYN_LEN].to_vec());
                frames += 1;
            }
        }
        let used = recorder.1.lock().expect("no panic");
        let nonces: HashSet<_> = used.iter().map(|(_, nonce)| nonce).collect();
        assert_eq!((used.len(), nonces.len()), (frames, frames / 2), "the randomness did repeat");
        assert_eq!(used.iter().collect::<HashSet<_>>().len(), frames, "no key with the same nonce twice");
        assert_eq!(syns.len(), frames);
    }
}
