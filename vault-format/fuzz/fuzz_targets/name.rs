#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::ObjectName;

fuzz_target!(|bytes: &[u8]| {
    if let Some(name) = std::str::from_utf8(bytes).ok().and_then(ObjectName::parse) {
        assert_eq!(name.to_path().as_bytes(), bytes);
    }
});
