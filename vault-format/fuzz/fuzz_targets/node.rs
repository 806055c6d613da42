#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::manifest::{encode_node, parse_node};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(items) = parse_node(bytes, 1) {
        assert_eq!(encode_node(1, &items).expect("was read"), bytes);
    }
});
