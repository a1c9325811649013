//! WebSocket frames as bytes (RFC 6455, section 5). The loader and the floor need no more of the protocol, so that
//! neither pays for a library's buffers.

use std::io::Cursor;
use std::ops::Range;

use anyhow::{Result, ensure};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// Clients must mask (section 5.3); which key makes no difference to a server's work.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// One whole frame at the start of a buffer.
pub(crate) struct Frame {
    pub(crate) opcode: OpCode,
    pub(crate) mask: Option<[u8; 4]>,
    pub(crate) payload: Range<usize>,
}

/// The frame that `bytes` begin with, or `None` while it is incomplete.
pub(crate) fn first(bytes: &[u8]) -> Result<Option<Frame>> {
    let mut cursor = Cursor::new(bytes);
    let Some((header, length)) = FrameHeader::parse(&mut cursor)? else { return Ok(None) };
    ensure!(header.is_final && !header.rsv1, "a fragmented or compressed frame");
    let begin = cursor.position() as usize;
    let payload = begin..begin + usize::try_from(length)?;
    Ok((payload.end <= bytes.len()).then_some(Frame { opcode: header.opcode, mask: header.mask, payload }))
}

/// A client's text frame.
pub(crate) fn client_text(payload: &[u8]) -> Result<Vec<u8>> {
    build(OpCode::Data(Data::Text), Some(MASK), payload)
}

/// A client's answer to a ping frame.
pub(crate) fn client_pong(payload: &[u8]) -> Result<Vec<u8>> {
    build(OpCode::Control(Control::Pong), Some(MASK), payload)
}

/// A server's text frame.
pub(crate) fn server_text(payload: &[u8]) -> Result<Vec<u8>> {
    build(OpCode::Data(Data::Text), None, payload)
}

fn build(opcode: OpCode, mask: Option<[u8; 4]>, payload: &[u8]) -> Result<Vec<u8>> {
    let header = FrameHeader { opcode, mask, ..FrameHeader::default() };
    let mut frame = Vec::with_capacity(payload.len() + 14);
    header.format(payload.len() as u64, &mut frame)?;
    let begin = frame.len();
    frame.extend_from_slice(payload);
    if let Some(mask) = mask {
        apply_mask(&mut frame[begin..], mask);
    }
    Ok(frame)
}

/// Masks or unmasks in place.
pub(crate) fn apply_mask(payload: &mut [u8], mask: [u8; 4]) {
    for (byte, key) in payload.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_frame_comes_back_after_unmasking() {
        for length in [0, 5, 125, 126, 70_000] {
            let text = vec![b'a'; length];
            let bytes = client_text(&text).unwrap();
            let frame = first(&bytes).unwrap().expect("the frame is whole");
            let mut payload = bytes[frame.payload].to_vec();
            apply_mask(&mut payload, frame.mask.expect("clients mask"));
            assert_eq!(payload, text);
        }
    }

    #[test]
    fn a_partial_frame_waits_for_the_rest() {
        let bytes = server_text(&[b'a'; 300]).unwrap();
        for cut in 0..bytes.len() {
            assert!(first(&bytes[..cut]).unwrap().is_none());
        }
        assert_eq!(first(&bytes).unwrap().unwrap().payload.end, bytes.len());
    }
}
