#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::genesis::Genesis;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(genesis) = Genesis::parse(bytes) {
        assert_eq!(genesis.encode(), bytes);
    }
});
