#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::Suite;
use vault_format::pairing::{mail_object, parse_mail};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(flight) = parse_mail(Suite::Default, bytes) {
        assert_eq!(mail_object(Suite::Default, flight).as_deref(), Ok(bytes));
    }
});
