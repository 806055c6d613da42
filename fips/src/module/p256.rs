//! Key agreement on P-256 (SP 800-56A). Not that of `aws-lc-rs`, which does not wipe the shared secret.
use std::ptr::null_mut;

use aws_lc_fips_sys as sys;

use super::Owned;

pub(crate) const SCALAR_LEN: usize = 32;
pub(crate) const SHARED_LEN: usize = 32;

/// SEC 1 section 2.3.3.
pub(crate) const POINT_LEN: usize = 65;
const UNCOMPRESSED: u8 = 4;

/// A key pair that the module has checked.
pub(crate) struct KeyPair(Owned<sys::EC_KEY>);

/// A point that somebody sent: on the curve, and not the point at infinity.
pub(crate) struct Point(Owned<sys::EC_KEY>);

impl KeyPair {
    /// A fresh pair with the module's pairwise test (FIPS 186-5 appendix A.2.2, SP 800-56A section 5.6.2.1.4).
    pub(crate) fn generate() -> Option<Self> {
        let key = new_key()?;
        // SAFETY: a key with its group set.
        (1 == unsafe { sys::EC_KEY_generate_key_fips(key.ptr()) }).then_some(Self(key))
    }

    /// `None` unless the scalar is in `1..n`. The point follows from it.
    pub(crate) fn import(scalar: &[u8; SCALAR_LEN]) -> Option<Self> {
        let key = new_key()?;
        // SAFETY: the pointer has the length that is given; a null asks for a new number, which the `Owned` frees.
        let number =
            Owned::new(unsafe { sys::BN_bin2bn(scalar.as_ptr(), scalar.len(), null_mut()) }, sys::BN_clear_free)?;
        // SAFETY: the group is a constant of the module's.
        let point = Owned::new(unsafe { sys::EC_POINT_new(sys::EC_group_p256()) }, sys::EC_POINT_free)?;
        // SAFETY: all of them exist and belong to one group; the nulls are inputs that may be left out. The key copies both.
        let set = unsafe {
            sys::EC_KEY_set_private_key(key.ptr(), number.ptr()) == 1
                && sys::EC_POINT_mul(
                    sys::EC_group_p256(),
                    point.ptr(),
                    number.ptr(),
                    null_mut(),
                    null_mut(),
                    null_mut(),
                ) == 1
                && sys::EC_KEY_set_public_key(key.ptr(), point.ptr()) == 1
                && sys::EC_KEY_check_key(key.ptr()) == 1
        };
        set.then_some(Self(key))
    }

    pub(crate) fn write_scalar(&self, out: &mut [u8; SCALAR_LEN]) -> Option<()> {
        // SAFETY: the key has a private half, which lives as long as the key; `out` has the length that is given.
        let done =
            unsafe { sys::BN_bn2bin_padded(out.as_mut_ptr(), out.len(), sys::EC_KEY_get0_private_key(self.0.ptr())) };
        (done == 1).then_some(())
    }

    pub(crate) fn point(&self) -> Option<[u8; POINT_LEN]> {
        let mut out = [0; POINT_LEN];
        // SAFETY: the key has a public half, which lives as long as the key; `out` has the length that is given.
        let written = unsafe {
            sys::EC_POINT_point2oct(
                sys::EC_group_p256(),
                sys::EC_KEY_get0_public_key(self.0.ptr()),
                sys::point_conversion_form_t::POINT_CONVERSION_UNCOMPRESSED,
                out.as_mut_ptr(),
                out.len(),
                null_mut(),
            )
        };
        (written == POINT_LEN).then_some(out)
    }

    /// The x coordinate of the shared point (SP 800-56A section 5.7.1.2), through the interface that the module's indicator knows.
    pub(crate) fn agree(&self, theirs: &Point, out: &mut [u8; SHARED_LEN]) -> Option<()> {
        let (ours, theirs) = (envelope(&self.0)?, envelope(&theirs.0)?);
        // SAFETY: the key exists, and the context keeps it alive.
        let context = Owned::new(unsafe { sys::EVP_PKEY_CTX_new(ours.ptr(), null_mut()) }, sys::EVP_PKEY_CTX_free)?;
        let mut len = out.len();
        // SAFETY: context and peer exist; `out` has room for `len` bytes.
        let done = unsafe {
            sys::EVP_PKEY_derive_init(context.ptr()) == 1
                && sys::EVP_PKEY_derive_set_peer(context.ptr(), theirs.ptr()) == 1
                && sys::EVP_PKEY_derive(context.ptr(), out.as_mut_ptr(), &mut len) == 1
        };
        (done && len == SHARED_LEN).then_some(())
    }
}

impl Point {
    /// One encoding only, else a second ciphertext would carry the same secret. Full validation of SP 800-56A section 5.6.2.3.3.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != POINT_LEN || bytes[0] != UNCOMPRESSED {
            return None;
        }
        let key = new_key()?;
        // SAFETY: the group is a constant of the module's.
        let point = Owned::new(unsafe { sys::EC_POINT_new(sys::EC_group_p256()) }, sys::EC_POINT_free)?;
        // SAFETY: the point belongs to the group; `bytes` has the length that is given. The key copies the point.
        let valid = unsafe {
            sys::EC_POINT_oct2point(sys::EC_group_p256(), point.ptr(), bytes.as_ptr(), bytes.len(), null_mut()) == 1
                && sys::EC_KEY_set_public_key(key.ptr(), point.ptr()) == 1
                && sys::EC_KEY_check_key(key.ptr()) == 1
        };
        valid.then_some(Self(key))
    }
}

fn new_key() -> Option<Owned<sys::EC_KEY>> {
    // SAFETY: a constant of the module's.
    Owned::new(unsafe { sys::EC_KEY_new_by_curve_name(sys::NID_X9_62_prime256v1) }, sys::EC_KEY_free)
}

/// The same key for the interface of key agreement; it counts references.
fn envelope(key: &Owned<sys::EC_KEY>) -> Option<Owned<sys::EVP_PKEY>> {
    // SAFETY: no arguments.
    let envelope = Owned::new(unsafe { sys::EVP_PKEY_new() }, sys::EVP_PKEY_free)?;
    // SAFETY: both exist.
    (1 == unsafe { sys::EVP_PKEY_set1_EC_KEY(envelope.ptr(), key.ptr()) }).then_some(envelope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_back() {
        let pair = KeyPair::generate().unwrap();
        let mut scalar = [0; SCALAR_LEN];
        pair.write_scalar(&mut scalar).unwrap();
        assert_eq!(KeyPair::import(&scalar).unwrap().point(), pair.point());
        assert!(Point::read(&pair.point().unwrap()).is_some());
        assert!(KeyPair::import(&[0; 32]).is_none());
        assert!(KeyPair::import(&[0xff; 32]).is_none());
    }
}
