//! The rate at which packets arrive: `R_hat` of draft-ietf-rmcat-gcc-02, section 5.5, over half a second.

/// The window moves in steps of so many microseconds.
const STEP: u64 = 50_000;
const STEPS: usize = 10;
const MOMENTS: usize = 3;
/// Nothing is said of less time than this.
const LEAST: u64 = 150_000;

#[derive(Debug, Default)]
pub(super) struct Received {
    bytes: [u32; STEPS],
    /// The step that the newest packet is in, counted from the clock's beginning.
    newest: u64,
    /// When the first and the last came.
    since: Option<u64>,
    last: u64,
}

impl Received {
    pub(super) fn add(&mut self, at: u64, bytes: u32) {
        let step = at / STEP;
        if self.since.is_none() || step > self.newest + 2 * STEPS as u64 || step + (STEPS as u64) <= self.newest {
            // The first, the first after a silence, or a clock that was set.
            *self = Self { since: Some(at), last: at, newest: step, bytes: [0; STEPS] };
        }
        while self.newest < step {
            self.newest += 1;
            self.bytes[self.newest as usize % STEPS] = 0;
        }
        self.bytes[step as usize % STEPS] += bytes;
        self.last = self.last.max(at);
    }

    /// Bits per second; `None`: too short to tell.
    pub(super) fn rate(&self) -> Option<f64> {
        self.rate_of(STEPS).filter(|_| self.last >= self.since.unwrap_or_default() + LEAST)
    }

    /// What the link takes as long as there is a queue before it: the most of half a second and of the last moments. When
    /// a stream has just become larger, half a second is mostly of before.
    pub(super) fn capacity(&self) -> Option<f64> {
        self.rate().map(|rate| self.rate_of(MOMENTS).map_or(rate, |moments| moments.max(rate)))
    }

    fn rate_of(&self, steps: usize) -> Option<f64> {
        let first = (self.newest + 1).saturating_sub(steps as u64);
        let time = self.last.saturating_sub((first * STEP).max(self.since?));
        let bytes: u32 = (first..=self.newest).map(|step| self.bytes[step as usize % STEPS]).sum();
        (time > 0).then(|| f64::from(bytes) * 8e6 / time as f64)
    }
}
