#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| convo_conversations::fuzz::fuzz_frame(input));
