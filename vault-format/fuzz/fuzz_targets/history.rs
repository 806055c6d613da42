#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::history::HistoryFile;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(file) = HistoryFile::parse(bytes) {
        assert_eq!(file.encode().expect("it was read"), bytes);
    }
});
