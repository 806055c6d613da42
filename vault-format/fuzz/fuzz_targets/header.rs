#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::Header;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(header) = Header::parse(bytes) {
        assert_eq!(header.encode(), bytes[..120]);
    }
});
