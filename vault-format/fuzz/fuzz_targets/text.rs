#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::frame::{parse_text, write_text};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = parse_text(bytes) {
        let mut again = Vec::new();
        write_text(
            text.codec,
            text.plain_len,
            text.body,
            bytes.len(),
            &mut again,
        )
        .expect("was read");
        assert_eq!(again, bytes);
    }
});
