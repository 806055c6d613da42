#![no_main]
use libfuzzer_sys::fuzz_target;
use vault_format::ticket::Extras;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(extras) = Extras::parse(bytes) {
        let again = extras.encode().expect("what was read");
        assert_eq!(Extras::parse(&again), Ok(extras));
    }
});
