#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| convo_media::fuzz::framing(input));
