//! Sender reports (RFC 3550, section 6.4.1).

use super::line::Line;
use crate::rtcp::{Epoch, ntp};
use std::time::Instant;

/// Lines of one compound: it stays well below the length of a datagram.
const LINES: usize = 12;
const SENDER_REPORT: u8 = 200;
const SOURCE_DESCRIPTION: u8 = 202;
const CNAME: u8 = 1;
const VERSION: u8 = 2 << 6;

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
        out.extend_from_slice(&[VERSION, SENDER_REPORT, 0, 6]);
        out.extend_from_slice(&line.ssrc.to_be_bytes());
        out.extend_from_slice(&ntp.to_be_bytes());
        for word in [sent.timestamp.wrapping_add(ticks as u32), sent.packets, sent.octets] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
    let begin = out.len();
    out.extend_from_slice(&[VERSION | lines.len() as u8, SOURCE_DESCRIPTION, 0, 0]);
    for line in lines {
        out.extend_from_slice(&line.ssrc.to_be_bytes());
        out.extend_from_slice(&[CNAME, line.cname.len() as u8]);
        out.extend_from_slice(line.cname.as_bytes());
        // The end of the items, up to the next word.
        out.resize((out.len() + 1).next_multiple_of(4), 0);
    }
    let words = ((out.len() - begin) / 4 - 1) as u16;
    out[begin + 2..begin + 4].copy_from_slice(&words.to_be_bytes());
    out
}
