#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| convo_domain::fuzz::fuzz_draft(input));
