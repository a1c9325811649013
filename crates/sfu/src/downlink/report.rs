//! Sender reports (RFC 3550, section 6.4.1), and the round trip that their answers tell.

use super::line::Line;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use str0m::rtp::rtcp::ReceptionReport;

/// Lines of one compound: it stays well below the length of a datagram.
const LINES: usize = 12;
const SENDER_REPORT: u8 = 200;
const SOURCE_DESCRIPTION: u8 = 202;
const CNAME: u8 = 1;
const VERSION: u8 = 2 << 6;
/// From 1900, where NTP begins, to 1970.
const NTP: u64 = 2_208_988_800;
/// A round trip is not longer: the answer is to a report of another time.
const LONGEST: Duration = Duration::from_secs(30);

/// The wall clock: a point of the monotonic one, and the time at it.
pub(super) type Epoch = (Instant, SystemTime);

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

/// From a report of ours to its answer, less what the receiver held it.
pub(super) fn round_trip(report: &ReceptionReport, epoch: Epoch, now: Instant) -> Option<Duration> {
    /// Of the 64 bits of NTP the middle ones: units of 1/65,536 s.
    const UNITS: u64 = 65_536;
    if report.last_sr_time == 0 {
        return None;
    }
    let middle = (ntp(epoch, now) >> 16) as u32;
    let units = middle.wrapping_sub(report.last_sr_time).wrapping_sub(report.last_sr_delay);
    let rtt = Duration::from_micros(u64::from(units) * 1_000_000 / UNITS);
    (rtt < LONGEST).then_some(rtt)
}

/// Seconds since 1900 in 32 bits, and 32 bits of fraction.
fn ntp(epoch: Epoch, now: Instant) -> u64 {
    let since = epoch.1.duration_since(UNIX_EPOCH).unwrap_or_default() + now.saturating_duration_since(epoch.0);
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    (since.as_secs() + NTP) << 32 | fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_is_what_is_left_of_the_time_since_the_report() {
        let epoch = (Instant::now(), UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let sent = epoch.0 + Duration::from_secs(3);
        let report = |last_sr_time| ReceptionReport {
            ssrc: 1.into(),
            fraction_lost: 0,
            packets_lost: 0,
            max_seq: 0,
            jitter: 0,
            last_sr_time,
            last_sr_delay: 65_536 / 2,
        };
        let answer = report((ntp(epoch, sent) >> 16) as u32);
        let rtt = round_trip(&answer, epoch, sent + Duration::from_millis(580)).unwrap();
        assert!(rtt.abs_diff(Duration::from_millis(80)) < Duration::from_millis(1), "{rtt:?}");
        assert_eq!(round_trip(&report(0), epoch, sent), None, "there was no report");
        assert_eq!(round_trip(&answer, epoch, sent), None, "it was held for longer than it is old");
    }
}
