#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| convo_sfu::fuzz::data(input));
