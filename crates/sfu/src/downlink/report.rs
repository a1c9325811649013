//! Sender reports (RFC 3550, section 6.4.1).

use super::line::Line;
use crate::rtcp::{self, Epoch, ntp};
use std::time::Instant;

/// Lines of one compound: it stays well below the length of a datagram.
const LINES: usize = 12;

/// One compound or more on all lines that have sent something.
pub(super) fn compounds(lines: &[Line], epoch: Epoch, now: Instant) -> Vec<Vec<u8>> {
    let speaking: Vec<&Line> = lines.iter().filter(|line| line.sent.is_some()).collect();
    speaking.chunks(LINES).map(|lines| compound(lines, ntp(epoch, now), now)).collect()
}

fn compound(lines: &[&Line], ntp: u64, now: Instant) -> Vec<u8> {
    let mut out = Vec::with_capacity(lines.len() * 64);
    for line in lines {
        let Some(sent) = line.sent else { continue };
        // What would be captured now.
        let since = now.saturating_duration_since(sent.captured).as_micros() as u64;
        let ticks = since * u64::from(sent.clock_rate) / 1_000_000;
        let timestamp = sent.timestamp.wrapping_add(ticks as u32);
        rtcp::sender_report(&mut out, line.ssrc, ntp, [timestamp, sent.packets, sent.octets]);
    }
    rtcp::descriptions(&mut out, lines.iter().map(|line| (line.ssrc, line.cname.as_str())));
    out
}
