//! The frame numbers of dependency descriptors, as one subscriber sees them.
//!
//! They have 16 bits, and a stream with layers counts some 90 a second. After a pause of six minutes the next is more than half
//! the circle further on, and receivers take it for an earlier one: libwebrtc drops every keyframe until the numbers have
//! gone round. Descriptors refer to other frames by distances, so that all numbers may be moved alike.

/// The number in the bytes of a descriptor.
pub fn number(descriptor: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes([*descriptor.get(1)?, *descriptor.get(2)?]))
}

/// Moves the numbers of one subscription where they would seem to go back: at switches alone.
#[derive(Debug, Default)]
pub struct FrameNumbers {
    epoch: u32,
    /// What is added to the numbers, and what was before the last switch.
    offset: u16,
    before: u16,
    newest: Option<u16>,
}

impl FrameNumbers {
    /// The number for a packet that goes out in `epoch` ([`Outgoing::epoch`](super::Outgoing)); `None`: it stays as it is.
    pub fn rewrite(&mut self, epoch: u32, number: u16) -> Option<u16> {
        if epoch > self.epoch {
            (self.epoch, self.before) = (epoch, self.offset);
            if let Some(newest) = self.newest.filter(|newest| !is_later(number.wrapping_add(self.offset), *newest)) {
                self.offset = newest.wrapping_add(1).wrapping_sub(number);
            }
        }
        let late = epoch < self.epoch;
        let offset = if late { self.before } else { self.offset };
        let moved = number.wrapping_add(offset);
        if !late && self.newest.is_none_or(|newest| is_later(moved, newest)) {
            self.newest = Some(moved);
        }
        (offset != 0).then_some(moved)
    }
}

fn is_later(number: u16, than: u16) -> bool {
    number.wrapping_sub(than) as i16 > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_as_they_are_while_they_go_on() {
        let mut frames = FrameNumbers::default();
        for (epoch, number) in [(0, 65_000), (0, 65_001), (0, 64_999), (1, 65_010), (2, 32_000)] {
            assert_eq!(frames.rewrite(epoch, number), None, "{number}");
        }
    }

    #[test]
    fn after_more_than_half_the_circle_they_go_on_with_the_next() {
        let mut frames = FrameNumbers::default();
        frames.rewrite(0, 100);
        frames.rewrite(0, 99);
        assert_eq!(frames.rewrite(1, 40_100), Some(101));
        assert_eq!(frames.rewrite(1, 40_103), Some(104));
        assert_eq!(frames.rewrite(0, 98), None, "a late one of before the pause");
        assert_eq!(frames.rewrite(2, 40_110), Some(111), "as before, if that is later");
        assert_eq!(frames.rewrite(3, 40_108), Some(112));
        assert_eq!(frames.rewrite(2, 40_109), Some(110), "a late one, as its own");
        assert_eq!(frames.rewrite(3, 40_111), Some(115));
    }

    #[test]
    fn the_number_is_behind_the_first_byte() {
        assert_eq!(number(&[0x80, 1, 2]), Some(0x102));
        assert_eq!(number(&[0x80, 1]), None);
    }
}
