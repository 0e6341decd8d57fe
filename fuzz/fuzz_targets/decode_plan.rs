#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pgpipe::chunk::fuzz_plan(data));
