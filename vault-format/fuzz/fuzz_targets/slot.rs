#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::roster::SlotPlain;

fuzz_target!(|bytes: &[u8]| {
    let _ = SlotPlain::parse(bytes);
});
