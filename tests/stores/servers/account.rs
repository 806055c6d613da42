//! A service account of Google as the tests have one: its key, and who can tell what it has signed. The canonical request is built
//! here from Google's description, and not by the client's code.

use hyper::{Method, Uri};
use jiff::Timestamp;
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::{cipher_suite::TLS13_AES_128_GCM_SHA256, default_provider};
use std::sync::OnceLock;

/// The one that the server knows.
pub(crate) fn account() -> &'static Account {
    static ACCOUNT: OnceLock<Account> = OnceLock::new();
    ACCOUNT.get_or_init(|| Account(KeyPair::generate_for(&PKCS_RSA_SHA256).expect("a key")))
}

pub(crate) struct Account(KeyPair);

impl Account {
    /// The file of its key.
    pub(crate) fn file(&self) -> String {
        let key = self.0.serialize_pem();
        serde_json::json!({
            "type": "service_account", "private_key": key, "private_key_id": "one", "client_email": EMAIL,
        })
        .to_string()
    }

    /// Whether it has signed this token itself.
    pub(super) fn is_token(&self, token: &str) -> bool {
        let Some((said, signature)) = token.rsplit_once('.') else { return false };
        let digit = |c: u8| DIGITS.iter().position(|digit| *digit == c).map(|value| value as u32);
        let Some(digits) = signature.bytes().map(digit).collect::<Option<Vec<u32>>>() else { return false };
        let bytes: Vec<u8> = digits
            .chunks(4)
            .flat_map(|group| {
                let bits = group.iter().enumerate().fold(0, |bits, (at, digit)| bits | digit << (18 - 6 * at));
                bits.to_be_bytes()[1..group.len()].to_vec()
            })
            .collect();
        self.has_signed(said.as_bytes(), &bytes)
    }

    /// Whether it has signed this request, and for now: `None` if nobody says so.
    pub(super) fn judges(&self, method: &Method, uri: &Uri) -> Option<Result<(), &'static str>> {
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let value = |name: &str| pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        let signature = unhex(value("X-Goog-Signature")?);
        let (date, expires) = (value("X-Goog-Date")?, value("X-Goog-Expires")?.parse::<i64>().ok()?);
        let scope = value("X-Goog-Credential")?.strip_prefix(EMAIL)?.trim_start_matches('/');
        let mut query: Vec<String> = pairs
            .iter()
            .filter(|(name, _)| name != "X-Goog-Signature")
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        query.sort();
        let request = format!(
            "{method}\n{}\n{}\nhost:storage.googleapis.com\n\nhost\nUNSIGNED-PAYLOAD",
            uri.path(),
            query.join("&")
        );
        let said = format!("GOOG4-RSA-SHA256\n{date}\n{scope}\n{}", sha256(request.as_bytes()));
        if !self.has_signed(said.as_bytes(), &signature) {
            return Some(Err("SignatureDoesNotMatch"));
        }
        let signed = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok()?;
        let signed = signed.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        let is_over = Timestamp::now().as_second() >= signed.as_second() + expires;
        Some(if is_over { Err("ExpiredToken") } else { Ok(()) })
    }

    fn has_signed(&self, said: &[u8], signature: &[u8]) -> bool {
        let known = default_provider().signature_verification_algorithms.mapping;
        let (_, all) = known.iter().find(|(scheme, _)| *scheme == SignatureScheme::RSA_PKCS1_SHA256).expect("RSA");
        all.iter().any(|one| one.verify_signature(self.0.public_key_raw(), said, signature).is_ok())
    }
}

fn sha256(bytes: &[u8]) -> String {
    let suite = TLS13_AES_128_GCM_SHA256.tls13().expect("a suite of TLS 1.3");
    suite.common.hash_provider.hash(bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or_default());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap_or(0)).collect()
}

fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

const EMAIL: &str = "pairing@tests.example";
/// Of base64 for URLs.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
