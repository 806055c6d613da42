#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::{Suite, roster::Record};

fuzz_target!(|bytes: &[u8]| {
    let _ = Record::parse(bytes, Suite::Default); // unknown odd keys are not written again
});
