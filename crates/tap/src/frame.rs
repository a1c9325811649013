//! WebSocket frames, ready to be written (RFC 6455, 5.2).

/// Appends a server's text frame: final, not masked.
pub fn push_text(text: &str, frames: &mut Vec<u8>) {
    const FINAL_TEXT: u8 = 0x81;
    const LONGEST_HEAD: usize = 10;
    let bytes = text.len();
    frames.reserve(LONGEST_HEAD + bytes);
    frames.push(FINAL_TEXT);
    match (u8::try_from(bytes), u16::try_from(bytes)) {
        (Ok(bytes @ ..126), _) => frames.push(bytes),
        (_, Ok(bytes)) => {
            frames.push(126);
            frames.extend(bytes.to_be_bytes());
        }
        _ => {
            frames.push(127);
            frames.extend((bytes as u64).to_be_bytes());
        }
    }
    frames.extend(text.as_bytes());
}
