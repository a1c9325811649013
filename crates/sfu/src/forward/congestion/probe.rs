//! Finding out that the link became wider: a short train of packets that are for nothing else, sent together. How far
//! apart they arrive is what the narrowest place of the way takes.
//!
//! The draft leaves this open. Without it an estimate stays at 1.5 times what is sent, and the next better picture may
//! need more than that at once.

/// Microseconds that a train would fill at the rate it tries.
const TRAIN: u64 = 15_000;
/// Fewer say too little; more cost too much.
const PACKETS: (u32, u32) = (6, 150);
/// Bytes of one as a datagram: all the padding that its count has room for, a header with extensions, and the tag of SRTP.
pub(crate) const PACKET_BYTES: f64 = 295.0;
/// The next rate to try is so many times the estimate, but not more than what is wanted and some room.
const STEP: f64 = 2.0;
const ROOM: f64 = 1.25;
/// What came through of what was tried: all, as far as can be told.
const PASSED: f64 = 0.9;
/// The link was full: a little less than that can be used.
const FULL: f64 = 0.95;
/// Between two trains after one that did not get through, at first and at most: each fills the queue for a moment.
const WAIT: (u64, u64) = (2_000_000, 16_000_000);
/// For so long what a train did to the queue is felt, and says nothing of what else is sent.
const FELT: u64 = 300_000;
/// An answer that has not come by then will not.
const PATIENCE: u64 = 500_000;
/// Without any feedback since, a train was lost whole.
const LOST: u64 = 1_000_000;

/// A train of packets to send together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cluster {
    pub packets: u32,
}

#[derive(Debug)]
struct Train {
    target: f64,
    packets: u32,
    started: u64,
    arrived: u32,
    bytes: u32,
    /// Arrival of the first and the last.
    span: Option<(u64, u64)>,
}

#[derive(Debug)]
pub(super) struct Prober {
    train: Option<Train>,
    /// Of the last train; 0 is for packets of none.
    number: u8,
    not_before: u64,
    wait: u64,
    /// When the last train left.
    left: Option<u64>,
}

impl Default for Prober {
    fn default() -> Self {
        Self { train: None, number: 0, not_before: 0, wait: WAIT.0, left: None }
    }
}

impl Prober {
    pub(super) fn start(&mut self, at: u64, estimate: f64, desired: f64) -> Option<Cluster> {
        if let Some(train) = self.train.take_if(|train| at >= train.started + LOST) {
            self.back_off(train.started + LOST);
        }
        let target = (estimate * STEP).min(desired * ROOM);
        if self.train.is_some() || at < self.not_before || target <= estimate {
            return None;
        }
        let packets = (target * TRAIN as f64 / 8e6 / PACKET_BYTES).ceil() as u32 + 1;
        let packets = packets.clamp(PACKETS.0, PACKETS.1);
        self.number = self.number.wrapping_add(1).max(1);
        self.left = Some(at);
        self.train = Some(Train { target, packets, started: at, arrived: 0, bytes: 0, span: None });
        Some(Cluster { packets })
    }

    /// Of which train a probing packet is that leaves now.
    pub(super) fn number(&self) -> u8 {
        self.number
    }

    pub(super) fn on_arrival(&mut self, number: u8, arrived: u64, bytes: u32) {
        if number != self.number {
            return;
        }
        if let Some(train) = &mut self.train {
            train.arrived += 1;
            train.bytes += bytes;
            let (first, last) = train.span.unwrap_or((arrived, arrived));
            train.span = Some((first.min(arrived), last.max(arrived)));
        }
    }

    /// The rate that is known to fit, if the train told of one higher than the estimate.
    pub(super) fn conclude(&mut self, at: u64, estimate: f64) -> Option<f64> {
        let train = self.train.as_ref()?;
        if train.arrived < train.packets && at < train.started + PATIENCE {
            return None;
        }
        let rate = train.rate();
        let passed = rate >= PASSED * train.target;
        self.train = None;
        if passed {
            (self.wait, self.not_before) = (WAIT.0, at);
            return Some(rate);
        }
        self.back_off(at);
        Some(rate * FULL).filter(|rate| *rate > estimate)
    }

    /// After a train that did not get through.
    fn back_off(&mut self, at: u64) {
        self.not_before = at + self.wait;
        self.wait = (self.wait * 2).min(WAIT.1);
    }

    /// The link was too full, and less is sent over it now: whether more fits is asked after a while.
    pub(super) fn postpone(&mut self, at: u64) {
        self.wait = WAIT.0;
        self.not_before = at + self.wait;
    }

    /// Whether a queue may be a train's own.
    pub(super) fn is_felt(&self, at: u64) -> bool {
        self.left.is_some_and(|left| at < left + FELT)
    }
}

impl Train {
    /// What came through; nothing, where too much of it was lost to tell.
    fn rate(&self) -> f64 {
        let Some((first, last)) = self.span.filter(|_| self.arrived * 5 >= self.packets * 4) else { return 0.0 };
        // The first only starts the clock.
        let bytes = f64::from(self.bytes) * f64::from(self.arrived - 1) / f64::from(self.arrived);
        let time = (last - first).max(1) as f64;
        (bytes * 8e6 / time).min(self.target)
    }
}
