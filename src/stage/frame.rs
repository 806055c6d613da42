//! Frames, sealed and opened (SPEC section 5.2).
use crypto_backends::{CryptoError, Key, Provider, ct_eq};
use vault_format::frame::{SYN_LEN, overhead, parse_text, write_text};
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
        let derive = |purpose: Purpose| {
            provider.kdf.derive(purpose.label(provider.suite), dek.expose(), &[], &[&c])
        };
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
        let sealed = self.provider.aead.seal(
            &self.frame_key(slot, &syn),
            &self.aad(slot, last),
            &mut out[text_at..],
        );
        let sealed = sealed.map_err(SealError::Crypto)?;
        out[syn_at..syn_at + SYN_LEN].copy_from_slice(&syn);
        out[syn_at + SYN_LEN..text_at].copy_from_slice(sealed.nonce.as_slice());
        out.extend_from_slice(&sealed.tag);
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
    plain: Vec<u8>,
    zstd: Option<DCtx<'static>>,
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
        let frame = Frame::split(keys.provider.suite, frame)?;
        self.text.clear();
        self.text.extend_from_slice(frame.ciphertext);
        keys.open_text(slot, last, &frame, &mut self.text)?;
        let text = parse_text(&self.text)?;
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

impl Drop for Opener {
    fn drop(&mut self) {
        self.text.zeroize();
        self.plain.zeroize();
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
