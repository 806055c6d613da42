//! Ed25519 (FIPS 186-5 section 7, RFC 8032), through the interfaces that the module's indicator counts as one service each.
use std::ptr::null_mut;

use aws_lc_fips_sys as sys;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};

use super::Owned;

/// RFC 8032 section 5.1.5 and 5.1.6.
pub(crate) const SEED_LEN: usize = 32;
pub(crate) const PUBLIC_LEN: usize = 32;
pub(crate) const SIGNATURE_LEN: usize = 64;

/// A fresh pair with the module's pairwise test; its seed is written to `seed`. Not by `aws-lc-rs`, which gives out seeds that it
/// does not wipe.
pub(crate) fn generate(seed: &mut [u8; SEED_LEN]) -> Option<[u8; PUBLIC_LEN]> {
    // SAFETY: a constant of the module's, and no engine.
    let context = unsafe { sys::EVP_PKEY_CTX_new_id(sys::EVP_PKEY_ED25519, null_mut()) };
    let context = Owned::new(context, sys::EVP_PKEY_CTX_free)?;
    let mut pair = null_mut();
    // SAFETY: the context exists; a null asks for a new pair, which the `Owned` frees.
    let made =
        unsafe { sys::EVP_PKEY_keygen_init(context.ptr()) == 1 && sys::EVP_PKEY_keygen(context.ptr(), &mut pair) == 1 };
    let pair = Owned::new(pair, sys::EVP_PKEY_free).filter(|_| made)?;
    let mut public = [0; PUBLIC_LEN];
    let (mut seed_len, mut public_len) = (SEED_LEN, PUBLIC_LEN);
    // SAFETY: both buffers have room for the lengths that are given.
    let read = unsafe {
        sys::EVP_PKEY_get_raw_private_key(pair.ptr(), seed.as_mut_ptr(), &mut seed_len) == 1
            && sys::EVP_PKEY_get_raw_public_key(pair.ptr(), public.as_mut_ptr(), &mut public_len) == 1
    };
    (read && (seed_len, public_len) == (SEED_LEN, PUBLIC_LEN)).then_some(public)
}

pub(crate) fn sign(seed: &[u8; SEED_LEN], message: &[u8]) -> Option<[u8; SIGNATURE_LEN]> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
    pair.try_sign(message).ok()?.as_ref().try_into().ok()
}

/// The module's verification: `S < L` and the cofactorless equation with `R` compared as bytes. It takes keys of small order and
/// keys that are not canonical; `sign.rs` does not.
pub(crate) fn verify(public: &[u8; PUBLIC_LEN], message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
    UnparsedPublicKey::new(&ED25519, public).verify(message, signature).is_ok()
}
