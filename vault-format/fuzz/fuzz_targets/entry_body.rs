#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::log::Body;

fuzz_target!(|bytes: &[u8]| {
    let _ = Body::parse(bytes); // unknown odd keys are not written again
});
