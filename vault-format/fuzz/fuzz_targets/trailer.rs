#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::{Suite, limits, pack::Trailer};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(trailer) = Trailer::parse(bytes, Suite::Default, limits::PACK) {
        assert_eq!(trailer.encode()[..], *bytes);
    }
});
