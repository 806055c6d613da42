#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::{Suite, log::EntryObject};

fuzz_target!(|bytes: &[u8]| {
    let _ = EntryObject::parse(bytes, Suite::Default);
});
