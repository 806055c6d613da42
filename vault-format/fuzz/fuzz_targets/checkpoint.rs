#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::checkpoint::{EntryRecord, parse_part};
use vault_format::log::EntryObject;
use vault_format::{Suite, VaultId};

fuzz_target!(|bytes: &[u8]| {
    for suite in [Suite::Default, Suite::Fips] {
        let Ok(records) = parse_part(bytes, suite, VaultId([7; 32])) else { continue };
        let mut again = Vec::new();
        records.iter().for_each(|record| record.write(&mut again));
        assert_eq!(again, bytes);
        // What comes out of an entry in clear is one, once it is signed.
        for mut signed in records.iter().filter_map(EntryRecord::clear_bytes) {
            signed.resize(signed.len() + suite.signature_len(), 0);
            if let Err(error) = EntryObject::parse(&signed, suite) {
                assert!(error.to_string().contains("epoch") || error.to_string().contains("mode"), "{error}");
            }
        }
    }
});
