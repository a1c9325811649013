//! Which packets of a sender came: their numbers in full, and none of them twice (RFC 3711, sections 3.3.1 and 3.3.2).

/// Packets behind the newest that are still told apart: at 5 Mbit/s a second's. What is older counts as come.
const PACKETS: u64 = 512;
const BITS: u64 = u64::BITS as u64;

#[derive(Debug, Clone)]
pub(super) struct Window {
    newest: u64,
    /// By number; the places of those that are newer than the newest are not looked at.
    came: [u64; (PACKETS / BITS) as usize],
}

impl Window {
    /// Nothing came yet; this will be the first.
    pub(super) fn new(first: u64) -> Self {
        Self { newest: first, came: [0; (PACKETS / BITS) as usize] }
    }

    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// The number that is closest to the newest, of all that end in these 16 bits. `None`: it would be before the first of all.
    pub(super) fn extend(&self, seq: u16) -> Option<u64> {
        let apart = seq.wrapping_sub(self.newest as u16) as i16;
        self.newest.checked_add_signed(apart.into())
    }

    /// Whether it may still come.
    pub(super) fn awaits(&self, seq: u64) -> bool {
        let (word, bit) = place(seq);
        seq > self.newest || (seq + PACKETS > self.newest && self.came[word] & bit == 0)
    }

    /// It came.
    pub(super) fn take(&mut self, seq: u64) {
        if seq > self.newest {
            match seq - self.newest < PACKETS {
                true => (self.newest + 1..seq).for_each(|missed| self.clear(missed)),
                false => self.came.fill(0),
            }
            self.newest = seq;
        }
        let (word, bit) = place(seq);
        self.came[word] |= bit;
    }

    fn clear(&mut self, seq: u64) {
        let (word, bit) = place(seq);
        self.came[word] &= !bit;
    }
}

fn place(seq: u64) -> (usize, u64) {
    let at = seq % PACKETS;
    ((at / BITS) as usize, 1 << (at % BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_comes_twice() {
        let mut window = Window::new(10);
        assert!(window.awaits(10));
        for seq in [10, 12, 11, 200, 700, 690] {
            assert!(window.awaits(seq), "{seq}");
            window.take(seq);
            assert!(!window.awaits(seq), "{seq}");
        }
        assert!(window.awaits(699) && window.awaits(701) && window.awaits(700 - PACKETS + 1));
        assert!(!window.awaits(700 - PACKETS), "too old to know");
        window.take(700 + 3 * PACKETS);
        assert!(window.awaits(700 + 3 * PACKETS - 10), "its place was that of one that came");
    }

    #[test]
    fn numbers_go_on_where_16_bits_end() {
        let mut window = Window::new(65_530);
        window.take(65_530);
        assert_eq!(window.extend(3), Some(65_539));
        window.take(65_539);
        assert_eq!((window.extend(65_535), window.extend(4)), (Some(65_535), Some(65_540)));
        assert_eq!(Window::new(3).extend(65_535), None);
    }

    #[test]
    fn a_window_of_random_numbers_is_a_set_of_them() {
        use rand::{Rng, SeedableRng, rngs::StdRng};
        let mut random = StdRng::seed_from_u64(7);
        let (mut window, mut set, mut newest) = (Window::new(1_000), std::collections::BTreeSet::new(), 1_000);
        for _ in 0..20_000 {
            let seq: u64 = newest + random.random_range(0..40) - random.random_range(0..30);
            let fresh = seq + PACKETS > newest && !set.contains(&seq);
            assert_eq!(window.awaits(seq), fresh);
            if fresh {
                window.take(seq);
                set.insert(seq);
                newest = newest.max(seq);
            }
        }
    }
}
