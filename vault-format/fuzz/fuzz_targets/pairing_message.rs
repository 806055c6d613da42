#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::Suite;
use vault_format::pairing::Message;

fuzz_target!(|bytes: &[u8]| {
    for suite in [Suite::Default, Suite::Fips] {
        if let Ok(message) = Message::parse(bytes, suite) {
            let again = message.encode(suite).expect("what was read");
            assert_eq!(Message::parse(&again, suite), Ok(message));
        }
    }
});
