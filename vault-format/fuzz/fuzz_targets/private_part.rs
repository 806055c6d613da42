#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::roster::PrivatePart;

fuzz_target!(|bytes: &[u8]| {
    let _ = PrivatePart::parse(bytes);
});
