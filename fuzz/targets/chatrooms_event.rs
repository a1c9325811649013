#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| convo_chatrooms::fuzz::fuzz_event(input));
