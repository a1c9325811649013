#![no_main]

#[path = "../../crates/sfu/tests/common/mod.rs"]
mod common;

libfuzzer_sys::fuzz_target!(|input: &[u8]| drop(common::play(input)));
