//! The text of a benchmark message: 64 bytes that say who sent it and which of theirs it is, so that a receiver can
//! check it without a table of what was sent.

use memchr::memmem::Finder;

/// Bytes of text in a message.
pub(crate) const TEXT_LENGTH: usize = 64;

const PREFIX: &[u8] = b"mark:";
const FILLER: &[u8] = b":the quick brown fox jumps over the lazy do";

/// One message: the `number`th (from 0) of a stream. A stream is one sender in one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) stream: u32,
    pub(crate) number: u32,
}

impl Mark {
    /// The text, free of characters that JSON would escape.
    pub(crate) fn text(self) -> String {
        let filler = std::str::from_utf8(FILLER).expect("the filler is ASCII");
        format!("mark:{:07x}:{:08x}{filler}", self.stream, self.number)
    }
}

/// Finds marks in frames.
pub(crate) struct MarkReader {
    prefix: Finder<'static>,
}

impl MarkReader {
    pub(crate) fn new() -> Self {
        Self { prefix: Finder::new(PREFIX) }
    }

    /// The mark within a frame's payload; `None` where the text isn't there whole and unchanged.
    pub(crate) fn read(&self, payload: &[u8]) -> Option<Mark> {
        let begin = self.prefix.find(payload)?;
        let text = payload.get(begin..begin + TEXT_LENGTH)?;
        let (stream, number, filler) = (&text[5..12], &text[13..21], &text[21..]);
        (filler == FILLER).then_some(Mark { stream: hex(stream)?, number: hex(number)? })
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_from_within_a_frame() {
        let mark = Mark { stream: 99, number: 123_456 };
        let text = mark.text();
        assert_eq!(text.len(), TEXT_LENGTH);
        let frame = format!("42[\"newMessage\",{{\"message\":\"{text}\"}}]");
        assert_eq!(MarkReader::new().read(frame.as_bytes()), Some(mark));
    }

    #[test]
    fn a_changed_text_is_no_mark() {
        let text = Mark { stream: 1, number: 2 }.text().replace("quick", "quack");
        assert_eq!(MarkReader::new().read(text.as_bytes()), None);
    }
}
