#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::manifest::{LeafEncoder, parse_leaf};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(leaf) = parse_leaf(bytes) {
        let mut encoder = LeafEncoder::new();
        leaf.entries
            .iter()
            .for_each(|entry| encoder.push(entry).expect("was read"));
        assert!(bytes.ends_with(&encoder.finish(&|_| None)[6..])); // behind head and owners
    }
});
