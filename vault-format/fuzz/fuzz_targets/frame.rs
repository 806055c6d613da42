#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::{Frame, Suite};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = Frame::split(Suite::Fips, bytes) {
        assert_eq!(
            [frame.syn, frame.nonce, frame.ciphertext, frame.tag].concat(),
            bytes
        );
    }
});
