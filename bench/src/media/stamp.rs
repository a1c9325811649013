//! What the payload of a benchmark's packet ends with: who sent it, which of theirs it is, and when. At the end, because
//! servers rewrite what payloads begin with.

use super::scenario::{Kind, LADDER};

const MAGIC: [u8; 4] = *b"cvb1";

/// Bytes of a stamp.
pub(crate) const LENGTH: usize = 22;

/// In place of a rung, where there is no picture.
const AUDIO: u8 = 0xff;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) room: u16,
    /// The publisher's index in the room.
    pub(crate) publisher: u16,
    /// The index in [`LADDER`]; `None` for audio.
    pub(crate) rung: Option<usize>,
    /// The packet begins a picture that can be shown without those before it. All audio can.
    pub(crate) entry: bool,
    /// Counts the packets of this track and rung.
    pub(crate) number: u32,
    /// When it was sent, in nanoseconds of [`crate::machine::now`].
    pub(crate) sent: u64,
}

impl Stamp {
    pub(crate) fn kind(&self) -> Kind {
        if self.rung.is_some() { Kind::Video } else { Kind::Audio }
    }

    /// Over the last bytes of a payload.
    pub(crate) fn write(&self, payload: &mut [u8]) {
        let begin = payload.len() - LENGTH;
        let stamp = &mut payload[begin..];
        stamp[..4].copy_from_slice(&MAGIC);
        stamp[4..6].copy_from_slice(&self.room.to_be_bytes());
        stamp[6..8].copy_from_slice(&self.publisher.to_be_bytes());
        stamp[8] = self.rung.map_or(AUDIO, |rung| rung as u8);
        stamp[9] = self.entry.into();
        stamp[10..14].copy_from_slice(&self.number.to_be_bytes());
        stamp[14..].copy_from_slice(&self.sent.to_be_bytes());
    }

    /// `None` where the payload isn't what anybody sent.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let (magic, rest) = payload.last_chunk::<LENGTH>()?.split_first_chunk()?;
        let (room, rest) = rest.split_first_chunk()?;
        let (publisher, rest) = rest.split_first_chunk()?;
        let ([rung, entry], rest) = rest.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let known = *magic == MAGIC && (*rung == AUDIO || usize::from(*rung) < LADDER.len());
        known.then_some(Self {
            room: u16::from_be_bytes(*room),
            publisher: u16::from_be_bytes(*publisher),
            rung: (*rung != AUDIO).then_some(usize::from(*rung)),
            entry: *entry == 1,
            number: u32::from_be_bytes(*number),
            sent: u64::from_be_bytes(*rest.first_chunk()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp =
        Stamp { room: 3, publisher: 300, rung: Some(2), entry: true, number: 70_000, sent: 1_800_000_000_123_456_789 };

    #[test]
    fn a_stamp_is_read_back_from_the_end_of_a_payload() {
        for stamp in [STAMP, Stamp { rung: None, ..STAMP }] {
            let mut payload = [0xaa; 100];
            stamp.write(&mut payload);
            assert_eq!(Stamp::read(&payload), Some(stamp));
            assert_eq!(Stamp::read(&payload[40..]), Some(stamp));
        }
    }

    #[test]
    fn anything_else_is_no_stamp() {
        let mut payload = [0xaa; 100];
        STAMP.write(&mut payload);
        assert_eq!(Stamp::read(&payload[..99]), None);
        assert_eq!(Stamp::read(&payload[90..]), None);
        payload[78 + 8] = 3;
        assert_eq!(Stamp::read(&payload), None, "there is no fourth rung");
    }
}
