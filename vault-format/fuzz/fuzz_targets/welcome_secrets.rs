#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::pairing::WelcomeSecrets;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(secrets) = WelcomeSecrets::parse(bytes) {
        let again = secrets.encode().expect("what was read");
        assert!(WelcomeSecrets::parse(&again).is_ok_and(|read| read.credentials == secrets.credentials));
    }
});
