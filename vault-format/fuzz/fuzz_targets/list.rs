#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::list::{encode_list, parse_list};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(node) = parse_list(bytes, 0) {
        assert_eq!(encode_list(0, &node).expect("was read"), bytes);
    }
});
