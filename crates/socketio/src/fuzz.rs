//! Entry points for fuzzing: any input is decoded or refused, never a panic.

use crate::engine::{self, SEPARATOR, Wire};
use crate::packet::args::{self, Args};
use crate::packet::decode::decode;

/// A Socket.IO packet, with its data.
pub fn fuzz_packet(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(packet) = decode(text, 10) else { return };
    assert!(packet.attachments <= 10);
    let _ = args::auth::<serde_json::Value>(packet.data);
    let _ = Args::decode(packet.data).map(|args| args.placeholders_within(packet.attachments));
    if let Ok((_, args)) = Args::decode_event(packet.data) {
        let _ = args.parse::<serde_json::Value>(0);
    }
}

/// An Engine.IO polling payload. What was read is written the same way, but for base64's padding.
pub fn fuzz_payload(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(packets) = text.split(SEPARATOR).map(Wire::from_payload).collect::<Result<Vec<_>, _>>() else { return };
    let mut payload = String::new();
    for packet in &packets {
        if let Wire::Text(text) = packet {
            let _ = engine::decode(text.as_str());
        }
        packet.push_to(&mut payload);
    }
    assert!(payload.len() <= text.len() + 2 * packets.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every document's example with every byte changed, cut or doubled.
    #[test]
    fn damaged_input_does_no_harm() {
        let seeds = [
            r#"0/admin,{"sid":"oSO0OpakMV_3jnilAAAA"}"#,
            r#"52-/admin,12["baz",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
            r#"461-15["bar",{"_placeholder":true,"num":0}]"#,
            "4hello\x1ebAQIDBA==\x1e2",
        ];
        for seed in seeds.map(str::as_bytes) {
            for at in 0..seed.len() {
                for byte in [0, b'"', b'-', b'0', b'/', b'[', b'\\', 0x1e, b'b', 0xc3] {
                    let mut input = seed.to_vec();
                    input[at] = byte;
                    fuzz_packet(&input);
                    fuzz_payload(&input);
                    input.truncate(at + 1);
                    fuzz_packet(&input);
                    fuzz_payload(&input);
                }
            }
        }
    }
}
