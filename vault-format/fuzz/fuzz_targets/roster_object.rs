#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::roster::RecordObject;

fuzz_target!(|bytes: &[u8]| {
    let _ = RecordObject::parse(bytes);
});
