//! The packets on their way.

use std::collections::VecDeque;

/// A packet is given up as lost when one that was sent so much later was reported: overtaken ones come in late reports.
const LATE: u64 = 200_000;
/// Packets remembered: two seconds of a busy meeting, in 16 KB.
pub const REMEMBERED: usize = 1024;
/// Until the receiver is known to give feedback at all.
const UNANSWERED: usize = 128;

#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) at: u64,
    pub(super) bytes: u16,
    /// Of which train of the prober it is; 0: of none.
    pub(super) train: u8,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// No report speaks of it: as good as lost on the way is the report.
    Unknown,
    Missing,
    Arrived,
}

#[derive(Debug, Default)]
pub(super) struct History {
    /// The sequence number of the first.
    first: u16,
    packets: VecDeque<Sent>,
    answered: bool,
}

impl History {
    pub(super) fn on_sent(&mut self, at: u64, seq: u16, bytes: usize, train: u8) {
        // The sender counts without a gap; should it not, the past is of no use.
        if seq != self.first.wrapping_add(self.packets.len() as u16) {
            self.packets.clear();
            self.first = seq;
        }
        if self.packets.len() >= if self.answered { REMEMBERED } else { UNANSWERED } {
            self.forget_first();
        }
        let bytes = bytes.min(usize::from(u16::MAX)) as u16;
        self.packets.push_back(Sent { at, bytes, train, fate: Fate::Unknown });
    }

    /// The packet, if it is news that it arrived.
    pub(super) fn on_arrival(&mut self, seq: u16) -> Option<Sent> {
        let packet = self.packets.get_mut(usize::from(seq.wrapping_sub(self.first)))?;
        self.answered = true;
        let before = std::mem::replace(&mut packet.fate, Fate::Arrived);
        (before != Fate::Arrived).then_some(*packet)
    }

    /// The receiver should have this packet and does not say so.
    pub(super) fn on_absence(&mut self, seq: u16) {
        let packet = self.packets.get_mut(usize::from(seq.wrapping_sub(self.first)));
        if let Some(packet) = packet.filter(|packet| packet.fate == Fate::Unknown) {
            packet.fate = Fate::Missing;
        }
    }

    /// Whether the receiver gives feedback.
    pub(super) fn is_answered(&self) -> bool {
        self.answered
    }

    /// What became of packets sent long enough before `newest`, which arrived: how many there were, how many were lost.
    pub(super) fn settle(&mut self, newest: u64) -> (u32, u32) {
        let (mut settled, mut lost) = (0, 0);
        while let Some(packet) = self.packets.front().filter(|packet| packet.at + LATE < newest) {
            settled += u32::from(packet.fate != Fate::Unknown);
            lost += u32::from(packet.fate == Fate::Missing);
            self.forget_first();
        }
        (settled, lost)
    }

    fn forget_first(&mut self) {
        self.packets.pop_front();
        self.first = self.first.wrapping_add(1);
    }
}
