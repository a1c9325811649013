//! What a publisher sends: packets as a browser's encoder makes them, in size, number and headers, without a picture.

use std::time::{Duration, Instant};

use str0m::Rtc;
use str0m::format::Codec;
use str0m::media::{Mid, Rid};
use str0m::rtp::{ExtensionValues, RtpWrite};

use super::scenario::{FRAMES, Kind, LADDER, Person, Scenario};
use super::stamp::{self, Stamp};
use crate::machine;

/// An Opus packet's time, and how long silence lasts in one (DTX).
const AUDIO_FRAME: Duration = Duration::from_millis(20);
const SILENCE_FRAMES: u32 = 20;

/// Units of RTP time in a packet of audio (48 kHz) and in a frame of video (90 kHz).
const AUDIO_TICKS: u32 = 960;
const VIDEO_TICKS: u32 = 90_000 / FRAMES;

/// An encoder's frames differ in size. Percent of the mean, over and over.
const SIZES: [u32; 5] = [70, 110, 90, 130, 100];

/// How much larger a key frame is.
const KEY_FRAME: u32 = 4;

/// Bytes of payload that browsers put in one packet at most.
const PAYLOAD: usize = 1_160;

/// A VP8 descriptor (RFC 7741, section 4.2) with a long picture id, TL0PICIDX and a temporal layer, and a frame's tag with
/// the start code and size of a key frame (RFC 6386, section 9.1).
const DESCRIPTOR: usize = 6;
const KEY_TAG: usize = 10;

/// One track.
pub(crate) struct Source {
    pub(crate) kind: Kind,
    mid: Mid,
    room: u16,
    publisher: u16,
    streams: Vec<Stream>,
    next: Instant,
    /// Frames that were due so far.
    frame: u32,
    /// When the first packet left, by [`machine::now`].
    pub(crate) began: Option<u64>,
}

/// One of a track's RTP streams.
struct Stream {
    rid: Option<Rid>,
    /// `None` for audio.
    rung: Option<usize>,
    number: u32,
    wants_key: bool,
    /// Streams of one camera have clocks of their own.
    clock: u32,
}

impl Source {
    pub(crate) fn new(kind: Kind, mid: Mid, person: &Person, scenario: &Scenario, now: Instant) -> Self {
        let rungs = match kind {
            Kind::Audio => vec![None],
            Kind::Video => scenario.rungs().into_iter().map(Some).collect(),
        };
        let several = rungs.len() > 1;
        let stream = |rung: Option<usize>| Stream {
            rid: rung.filter(|_| several).map(|rung| Rid::from(LADDER[rung].rid)),
            rung,
            number: 0,
            wants_key: true,
            clock: 1_000_000 + rung.map_or(0, |rung| rung as u32 * 777_777),
        };
        // People don't start at the same moment: spread them over a frame.
        let apart = AUDIO_FRAME.mul_f64((person.index * 7 % 20) as f64 / 20.0);
        Self {
            kind,
            mid,
            room: person.room as u16,
            publisher: person.index as u16,
            streams: rungs.into_iter().map(stream).collect(),
            next: now + apart,
            frame: 0,
            began: None,
        }
    }

    pub(crate) fn due(&self) -> Instant {
        self.next
    }

    /// A subscriber, or the server for one, asks for a picture that needs none before it.
    pub(crate) fn want_key(&mut self, mid: Mid, rid: Option<Rid>) {
        if self.mid == mid {
            let asked = self.streams.iter_mut().filter(|stream| rid.is_none() || stream.rid == rid);
            asked.for_each(|stream| stream.wants_key = true);
        }
    }

    /// Gives the connection what is due. The caller then lets it out.
    pub(crate) fn advance(&mut self, rtc: &mut Rtc, scenario: &Scenario, now: Instant) {
        while self.next <= now {
            self.next += if self.kind == Kind::Audio { AUDIO_FRAME } else { Duration::from_secs(1) / FRAMES };
            self.frame += 1;
            self.began.get_or_insert_with(machine::now);
            match self.kind {
                Kind::Audio => self.speak(rtc, scenario, now),
                Kind::Video => (0..self.streams.len()).for_each(|index| self.show(index, rtc, now)),
            }
        }
    }

    fn speak(&mut self, rtc: &mut Rtc, scenario: &Scenario, now: Instant) {
        let talks = scenario.talks(self.publisher.into(), machine::now() / 1_000_000_000);
        if !talks && !self.frame.is_multiple_of(SILENCE_FRAMES) {
            return;
        }
        let bytes = if talks { scenario.audio_kbps as usize * 20 / 8 } else { 0 };
        let extensions = ExtensionValues {
            audio_level: Some(if talks { -20 } else { -127 }),
            voice_activity: Some(talks),
            ..Default::default()
        };
        let mut payload = vec![0xaa; bytes.max(1 + stamp::LENGTH)];
        // One 20 ms frame of CELT, full band, mono (RFC 6716, section 3.1).
        payload[0] = 0xf8;
        let stamp = self.stamp(0, true);
        stamp.write(&mut payload);
        let time = self.streams[0].clock.wrapping_add(self.frame * AUDIO_TICKS);
        self.write(rtc, 0, Codec::Opus, stamp, time, now, payload, |write| write.ext_vals(extensions));
    }

    fn show(&mut self, index: usize, rtc: &mut Rtc, now: Instant) {
        let stream = &mut self.streams[index];
        let Some(rung) = stream.rung else { return };
        let key = std::mem::take(&mut stream.wants_key);
        let mean = LADDER[rung].rate / 8 / FRAMES * if key { KEY_FRAME } else { 1 };
        let bytes = mean * SIZES[self.frame as usize % SIZES.len()] / 100;
        let time = stream.clock.wrapping_add(self.frame * VIDEO_TICKS);
        let mut sizes = split(bytes as usize, PAYLOAD).peekable();
        let mut first = true;
        while let Some(size) = sizes.next() {
            let stamp = self.stamp(index, first && key);
            let mut payload = vec![0xaa; DESCRIPTOR + KEY_TAG + stamp::LENGTH.max(size)];
            describe(&mut payload, first, key, self.frame, rung);
            stamp.write(&mut payload);
            let last = sizes.peek().is_none();
            self.write(rtc, index, Codec::Vp8, stamp, time, now, payload, |write| write.marker(last).nackable(true));
            first = false;
        }
    }

    fn stamp(&mut self, index: usize, entry: bool) -> Stamp {
        let stream = &mut self.streams[index];
        stream.number += 1;
        let (number, rung) = (stream.number, stream.rung);
        Stamp { room: self.room, publisher: self.publisher, rung, entry, number, sent: machine::now() }
    }

    #[expect(clippy::too_many_arguments, reason = "an RTP packet has that many parts")]
    fn write(
        &self,
        rtc: &mut Rtc,
        index: usize,
        codec: Codec,
        stamp: Stamp,
        time: u32,
        now: Instant,
        payload: Vec<u8>,
        more: impl FnOnce(RtpWrite) -> RtpWrite,
    ) {
        let Some(pt) = rtc.codec_config().find(|params| params.spec().codec == codec).map(|params| params.pt()) else {
            return;
        };
        // Starts away from zero, so that a server has to renumber, and ends far from where it would wrap.
        let number = u64::from(stamp.number) + 1_000;
        let mut direct = rtc.direct_api();
        if let Some(stream) = direct.stream_tx_by_mid(self.mid, self.streams[index].rid) {
            stream.write_rtp(more(RtpWrite::new(pt, number.into(), time, now, payload)));
        }
    }
}

/// Parts of at most `most` that differ by one at most, the larger last: as libwebrtc cuts a frame into packets.
fn split(bytes: usize, most: usize) -> impl Iterator<Item = usize> {
    let parts = bytes.div_ceil(most).max(1);
    (0..parts).map(move |part| bytes / parts + usize::from(part >= parts - bytes % parts))
}

fn describe(payload: &mut [u8], first: bool, key: bool, frame: u32, rung: usize) {
    payload[0] = 0x80 | if first { 0x10 } else { 0 };
    payload[1] = 0xe0;
    payload[2..4].copy_from_slice(&(0x8000 | (frame & 0x7fff) as u16).to_be_bytes());
    payload[4] = frame as u8;
    payload[5] = 0x20;
    if first {
        // Frame tag: its lowest bit is 0 in a key frame, bit 4 says that it is shown.
        payload[6..9].copy_from_slice(&[0x10 | u8::from(!key), 0, 0]);
    }
    if first && key {
        payload[9..12].copy_from_slice(&[0x9d, 0x01, 0x2a]);
        payload[12..14].copy_from_slice(&LADDER[rung].width.to_le_bytes());
        payload[14..16].copy_from_slice(&LADDER[rung].height.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_cut_about_equally() {
        assert_eq!(split(8_500, 1_160).collect::<Vec<_>>(), [1_062, 1_062, 1_062, 1_062, 1_063, 1_063, 1_063, 1_063]);
        assert_eq!(split(1_160, 1_160).collect::<Vec<_>>(), [1_160]);
        assert_eq!(split(0, 1_160).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn a_key_frame_says_its_size() {
        let mut payload = [0; DESCRIPTOR + KEY_TAG];
        describe(&mut payload, true, true, 0x18001, 2);
        assert_eq!(payload, [0x90, 0xe0, 0x80, 1, 1, 0x20, 0x10, 0, 0, 0x9d, 1, 0x2a, 0, 5, 0xd0, 2]);
        describe(&mut payload, false, false, 2, 2);
        assert_eq!(payload[..6], [0x80, 0xe0, 0x80, 2, 2, 0x20]);
    }
}
