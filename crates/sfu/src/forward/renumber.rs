//! Numbers of a source mapped to numbers without holes where something was left out on purpose.

/// Maps increasing numbers (extended sequence numbers, extended picture ids) of one source, from its first on.
///
/// A number that has not come when a later one is forwarded keeps its place: it may still come, or be repeated on
/// request. A number that is dropped before a later one is forwarded leaves no hole. The last `64 * WORDS` numbers are
/// remembered, a bit or two each.
#[derive(Debug, Clone)]
pub(super) struct Renumber<const WORDS: usize> {
    /// Before this number nothing is mapped.
    first: u64,
    highest: u64,
    /// `highest + 1` maps to this, if nothing is left out.
    next: u64,
    seen: Bits<WORDS>,
    dropped: Bits<WORDS>,
}

/// What became of a number that is to be left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// No hole will be seen.
    Out,
    /// Later numbers were forwarded already, and this one's place was kept: this is it.
    Hole(u64),
    /// It was forwarded or left out before, or is too old.
    Ignored,
}

impl<const WORDS: usize> Renumber<WORDS> {
    const WINDOW: u64 = 64 * WORDS as u64;

    /// `first` is the number that comes next, and maps to `next`.
    pub(super) fn new(first: u64, next: u64) -> Self {
        Self { first, highest: first.wrapping_sub(1), next, seen: Bits::NONE, dropped: Bits::NONE }
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Whether the number lies after all that were forwarded or left out.
    pub(super) fn is_new(&self, number: u64) -> bool {
        number >= self.highest.wrapping_add(1)
    }

    /// The number after all that were given out.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Where the number maps to; `None` if it is too old or was left out.
    pub(super) fn map(&mut self, number: u64) -> Option<u64> {
        if self.is_new(number) {
            self.advance(number);
        }
        self.place(number)
    }

    /// As [`Self::map`], but for the first time only.
    pub(super) fn map_once(&mut self, number: u64) -> Option<u64> {
        let place = self.map(number)?;
        (!self.seen.replace(number)).then_some(place)
    }

    /// Whether the number was mapped by [`Self::map_once`] or left out; `None`: neither yet. What is too old is left out.
    pub(super) fn verdict(&self, number: u64) -> Option<bool> {
        if self.is_new(number) {
            return None;
        }
        match self.place(number) {
            None => Some(false),
            Some(_) => self.seen.contains(number).then_some(true),
        }
    }

    /// Leaves the number out.
    pub(super) fn leave_out(&mut self, number: u64) -> Left {
        if self.is_new(number) {
            self.advance(number);
            self.next -= 1;
            self.dropped.replace(number);
            return Left::Out;
        }
        self.map_once(number).map_or(Left::Ignored, Left::Hole)
    }

    fn advance(&mut self, number: u64) {
        let step = number.wrapping_sub(self.highest);
        if step > Self::WINDOW {
            // What lies between will never come. One number stays free, so that the receiver sees that it lost something.
            self.next += 2;
            self.first = number;
            self.seen = Bits::NONE;
            self.dropped = Bits::NONE;
        } else {
            self.next += step;
            for number in self.highest.wrapping_add(1)..=number {
                self.seen.clear(number);
                self.dropped.clear(number);
            }
        }
        self.highest = number;
    }

    fn place(&self, number: u64) -> Option<u64> {
        let back = self.highest.wrapping_sub(number);
        if number < self.first || back >= Self::WINDOW || self.dropped.contains(number) {
            return None;
        }
        Some(self.next - 1 - (back - self.dropped.count(number + 1, self.highest)))
    }
}

/// A set of the last `64 * WORDS` numbers.
#[derive(Debug, Clone)]
pub(super) struct Bits<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Bits<WORDS> {
    pub(super) const NONE: Self = Self([0; WORDS]);

    fn spot(number: u64) -> (usize, u64) {
        ((number / 64) as usize % WORDS, number % 64)
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        let (word, bit) = Self::spot(number);
        self.0[word] >> bit & 1 == 1
    }

    /// Puts the number in, and says whether it was in.
    pub(super) fn replace(&mut self, number: u64) -> bool {
        let (word, bit) = Self::spot(number);
        let was = self.contains(number);
        self.0[word] |= 1 << bit;
        was
    }

    pub(super) fn clear(&mut self, number: u64) {
        let (word, bit) = Self::spot(number);
        self.0[word] &= !(1 << bit);
    }

    /// How many are in of `from..=to`, which is no longer than the window.
    fn count(&self, mut from: u64, to: u64) -> u64 {
        let mut count = 0;
        while from <= to {
            let (word, bit) = Self::spot(from);
            let len = (64 - bit).min(to - from + 1);
            count += u64::from((self.0[word] >> bit << (64 - len)).count_ones());
            from += len;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_within_and_across_words() {
        let mut bits = Bits::<2>::NONE;
        for number in [0, 63, 64, 100, 127] {
            bits.replace(number);
        }
        assert_eq!(bits.count(0, 127), 5);
        assert_eq!(bits.count(1, 63), 1);
        assert_eq!(bits.count(63, 64), 2);
        assert_eq!(bits.count(101, 126), 0);
        assert_eq!(bits.count(101, 100), 0);
        bits.clear(100);
        assert_eq!(bits.count(65, 126), 0);
        assert_eq!(bits.count(190, 193), 2, "goes round: 191 is where 63 was, 192 where 64 was");
    }

    #[test]
    fn what_is_left_out_leaves_no_hole() {
        let mut numbers = Renumber::<2>::new(10, 500);
        assert_eq!(numbers.map(10), Some(500));
        assert_eq!(numbers.leave_out(11), Left::Out);
        assert_eq!(numbers.leave_out(12), Left::Out);
        assert_eq!(numbers.map(15), Some(503), "13 and 14 keep their places");
        assert_eq!(numbers.map(11), None);
        assert_eq!(numbers.map(13), Some(501));
        assert_eq!(numbers.leave_out(14), Left::Hole(502));
        assert_eq!(numbers.leave_out(14), Left::Ignored);
        assert_eq!(numbers.leave_out(11), Left::Ignored);
        assert_eq!(numbers.map(9), None, "before the first");
        assert_eq!(numbers.next(), 504);
    }

    #[test]
    fn a_number_maps_once() {
        let mut numbers = Renumber::<2>::new(0, 7);
        assert_eq!(numbers.map_once(0), Some(7));
        assert_eq!(numbers.map_once(0), None);
        assert_eq!(numbers.map_once(2), Some(9));
        assert_eq!(numbers.map_once(1), Some(8));
        assert_eq!(numbers.map_once(1), None);
    }

    #[test]
    fn the_window_ends() {
        let mut numbers = Renumber::<1>::new(0, 0);
        numbers.map(0);
        assert_eq!(numbers.map(64), Some(64));
        assert_eq!(numbers.map(1), Some(1));
        assert_eq!(numbers.map(0), None);
    }

    #[test]
    fn a_long_jump_leaves_a_hole_of_one() {
        let mut numbers = Renumber::<1>::new(0, 0);
        numbers.map(0);
        assert_eq!(numbers.map(1000), Some(2));
        assert_eq!(numbers.map(999), None);
        assert_eq!(numbers.leave_out(2000), Left::Out);
        assert_eq!(numbers.map(2001), Some(4));
    }
}
