#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::{limits, pack::Footer};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(footer) = Footer::parse(bytes, limits::PACK) {
        assert_eq!(footer.encode().expect("was read"), bytes);
    }
});
