//! Known answers, one file per case in `testdata/<suite>/<part>/`, run against any backend of the suite; those of signatures, which
//! both suites have, in `testdata/sign/`. What is below the parts of a suite is in `testdata/02/primitives/` and beside `sign/`: a
//! backend's own tests run it, most by [`below`]. Each file says where it is from; `fips/README.md` has a table of what NIST gives.
//!
//! A file is lines of `name = value` and comments with `#`. Values are hex, numbers, or text in double quotes.
//! `input_len` stands for that many bytes 0, 1, .. 250, 0, 1, .. as in BLAKE3's own vectors.
//! `outcome = refuse` means that the last step must fail; otherwise it must succeed.
use std::collections::BTreeMap;
use std::path::Path;

use crate::{Key, PasswordParams, Provider};

pub mod below;

/// Runs every case of its suite against `provider` and returns how many there were.
///
/// # Panics
/// With the name of the case, if an answer differs.
pub fn run(provider: &Provider) -> usize {
    let parts: [(&str, Check); 5] =
        [("aead", aead), ("hash", hash), ("kdf", kdf), ("password", password), ("kem", kem)];
    let suite = format!("{:02x}", provider.suite.byte());
    let parts = parts.map(|(part, check)| (format!("{suite}/{part}"), check));
    let mut count = 0;
    for (part, check) in parts.into_iter().chain([("sign".to_owned(), sign as Check)]) {
        let cases = cases(&part);
        assert!(!cases.is_empty(), "no cases for {part}");
        count += cases.len();
        cases.iter().for_each(|case| check(provider, case));
    }
    count
}

/// All cases of one folder of `testdata`, by name.
///
/// # Panics
/// If the folder or one of its files cannot be read.
pub fn cases(part: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(part);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    paths.sort();
    paths.iter().map(|path| Case::read(path)).collect()
}

type Check = fn(&Provider, &Case);

/// One file.
pub struct Case {
    /// Folder and file name.
    pub name: String,
    fields: BTreeMap<String, String>,
}

impl Case {
    fn read(path: &Path) -> Self {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut fields = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (field, value) = line.split_once(" = ").unwrap_or_else(|| panic!("{name}: {line}"));
            let before = fields.insert(field.to_owned(), value.to_owned());
            assert!(before.is_none(), "{name}: {field} is there twice");
        }
        Self { name, fields }
    }

    /// The bytes of a field in hex or quoted.
    ///
    /// # Panics
    /// If there is no such field or it is neither.
    pub fn hex(&self, field: &str) -> Vec<u8> {
        let value = self.text(field);
        match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
            Some(text) => text.as_bytes().to_vec(),
            None => hex::decode(value).unwrap_or_else(|error| panic!("{}: {field}: {error}", self.name)),
        }
    }

    /// Whether there is such a field.
    pub fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    fn text(&self, field: &str) -> &str {
        self.fields.get(field).unwrap_or_else(|| panic!("{}: no {field}", self.name))
    }

    /// The number in a field.
    ///
    /// # Panics
    /// If there is no such field or it is none.
    pub fn number(&self, field: &str) -> u32 {
        self.text(field).parse().unwrap_or_else(|error| panic!("{}: {field}: {error}", self.name))
    }

    fn key(&self, field: &str) -> Key {
        Key::from_slice(&self.hex(field)).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Whether the last step must fail.
    ///
    /// # Panics
    /// If the outcome is one that nobody knows.
    pub fn refuses(&self) -> bool {
        match self.fields.get("outcome").map(String::as_str) {
            None => false,
            Some("refuse") => true,
            Some(other) => panic!("{}: unknown outcome {other}", self.name),
        }
    }
}

fn aead(provider: &Provider, case: &Case) {
    let mut text = case.hex("ciphertext");
    let tag = case.hex("tag").try_into().expect("16 bytes");
    let opened = provider.aead.open(&case.key("key"), &case.hex("nonce"), &case.hex("aad"), &mut text, &tag);
    assert_eq!(opened.is_err(), case.refuses(), "{}", case.name);
    if !case.refuses() {
        assert_eq!(text, case.hex("plaintext"), "{}", case.name);
        let again = provider.aead.seal_again(&case.key("key"), &case.hex("nonce"), &case.hex("aad"), &mut text, &tag);
        assert!(again.is_ok(), "{}", case.name);
        assert_eq!(text, case.hex("ciphertext"), "{}", case.name);
    }
}

fn hash(provider: &Provider, case: &Case) {
    if case.has("monte_carlo_seed") {
        return monte_carlo(provider, case);
    }
    let input = match case.has("input") {
        true => case.hex("input"),
        false => (0..case.number("input_len")).map(|i| (i % 251) as u8).collect(),
    };
    assert!(case.has("hash") || case.has("keyed_hash"), "{}", case.name);
    if case.has("hash") {
        assert_eq!(provider.hash.hash(&[&input]).to_vec(), case.hex("hash"), "{}", case.name);
    }
    if case.has("keyed_hash") {
        let keyed = provider.keyed_hash.keyed_hash(&case.key("key"), &[&input]);
        assert_eq!(keyed.to_vec(), case.hex("keyed_hash"), "{}", case.name);
    }
}

/// The pseudorandomly generated messages of NIST's SHAVS, section 6.4: 1,000 hashes a round, each of the three before it.
fn monte_carlo(provider: &Provider, case: &Case) {
    let mut seed: [u8; 32] = case.hex("monte_carlo_seed").try_into().expect("32 bytes");
    for _ in 0..case.number("rounds") {
        let mut last = [seed; 3];
        for _ in 0..1000 {
            let next = provider.hash.hash(&[&last[0], &last[1], &last[2]]);
            last = [last[1], last[2], next];
        }
        seed = last[2];
    }
    assert_eq!(seed.to_vec(), case.hex("hash"), "{}", case.name);
}

fn kdf(provider: &Provider, case: &Case) {
    // Labels are constants everywhere else; a test may leak a few.
    let label = String::from_utf8(case.hex("label")).expect("a label is ASCII").leak();
    let context: Vec<Vec<u8>> = (0..case.number("contexts")).map(|i| case.hex(&format!("context{i}"))).collect();
    let context: Vec<&[u8]> = context.iter().map(Vec::as_slice).collect();
    let secret = case.hex("secret");
    let key = provider.kdf.derive(label, &secret, &case.hex("salt"), &context);
    assert_eq!(key.expose().as_slice(), case.hex("derived"), "{}", case.name);

    let expected = case.hex("expanded");
    let mut expanded = vec![0; expected.len()];
    provider.kdf.expand(label, &secret, &context, &mut expanded);
    assert_eq!(expanded, expected, "{}", case.name);
}

fn password(provider: &Provider, case: &Case) {
    let params = match case.text("algorithm") {
        "argon2id" => {
            PasswordParams::Argon2id { m_kib: case.number("m_kib"), t: case.number("t"), p: case.number("p") }
        }
        "pbkdf2" => PasswordParams::Pbkdf2 { rounds: case.number("rounds") },
        other => panic!("{}: unknown algorithm {other}", case.name),
    };
    let key = provider.password.derive(&params, &case.hex("salt"), &case.hex("passphrase"));
    assert_eq!(key.is_err(), case.refuses(), "{}", case.name);
    if let Ok(key) = key {
        assert_eq!(key.expose().as_slice(), case.hex("key"), "{}", case.name);
    }
}

fn kem(provider: &Provider, case: &Case) {
    let shared = provider.kem.decapsulate(&case.hex("secret"), &case.hex("ciphertext"));
    assert_eq!(shared.is_err(), case.refuses(), "{}", case.name);
    if let Ok(shared) = shared {
        assert_eq!(shared.expose().as_slice(), case.hex("shared"), "{}", case.name);
    }
}

/// Vectors of one algorithm know nothing of the other: a fresh and valid half of that is put beside them,
/// so that what is refused is refused for their half alone.
fn sign(provider: &Provider, case: &Case) {
    let sign = provider.sign;
    let message = case.hex("message");
    let (mut public, mut signature) = (case.hex("public"), case.hex("signature"));
    if public.len() == 32 {
        let (secret, fresh_public) = sign.generate().expect("a fresh pair");
        let fresh = sign.sign(secret.expose(), &message).expect("a fresh signature");
        sign.verify(&fresh_public, &message, &fresh).expect("a valid signature");
        public.extend_from_slice(&fresh_public[32..]);
        signature.extend_from_slice(&fresh[64..]);
        if case.fields.contains_key("seed") {
            // Ed25519 is deterministic, so making the signature is a known answer too.
            let secret = [&case.hex("seed"), &secret.expose()[32..]].concat();
            let made = sign.sign(&secret, &message).expect("a signature");
            assert_eq!(made[..64], signature[..64], "{}", case.name);
        }
    }
    if public.len() == ML_DSA_PUBLIC_LEN {
        let (secret, fresh_public) = sign.generate().expect("a fresh pair");
        let fresh = sign.sign(secret.expose(), &message).expect("a fresh signature");
        public.splice(..0, fresh_public[..32].iter().copied());
        signature.splice(..0, fresh[..64].iter().copied());
    }
    let verified = sign.verify(&public, &message, &signature);
    assert_eq!(verified.is_err(), case.refuses(), "{}", case.name);
}

/// FIPS 204 table 2.
const ML_DSA_PUBLIC_LEN: usize = 1952;

#[cfg(all(test, feature = "rustcrypto"))]
mod tests {
    use super::*;
    use crate::Suite;
    use crate::rustcrypto::provider_of;

    // A file that is lost by accident lowers these numbers.

    #[test]
    fn default_suite() {
        assert_eq!(run(provider_of(Suite::Default)), 34 + SIGN);
    }

    #[test]
    fn fips_suite() {
        assert_eq!(run(provider_of(Suite::Fips)), 160 + SIGN);
    }

    const SIGN: usize = 43;
}
