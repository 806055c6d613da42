#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::index::Table;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(table) = Table::parse(bytes) {
        assert_eq!(table.encode().expect("was read"), bytes);
    }
});
