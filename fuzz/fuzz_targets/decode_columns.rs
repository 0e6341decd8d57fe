#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pgpipe::codec::fuzz_columns(data));
