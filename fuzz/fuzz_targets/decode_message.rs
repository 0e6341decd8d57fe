#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pgpipe::wire::fuzz_decode(data));
