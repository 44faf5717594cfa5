#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| auditssh_fuzz::index(data));
