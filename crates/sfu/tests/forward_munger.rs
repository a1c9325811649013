//! Whatever the network does and however often the layer changes, a subscriber sees one good stream.

use convo_sfu::forward::{Incoming, Outgoing, RtpMunger, SenderReport};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

/// Three layers of one camera, all filmed at the same moments.
const SOURCES: u32 = 3;
const CLOCK: u32 = 90_000;
const FRAME: Duration = Duration::from_millis(33);
const FRAME_TICKS: u32 = 2970;

/// One moment of filming: a frame of every source.
#[derive(Debug, Clone)]
struct Moment {
    frames: Vec<Frame>,
    /// From here on this source is wanted.
    want: Option<u32>,
}

#[derive(Debug, Clone)]
struct Frame {
    /// It is of a layer that the subscriber does not get.
    left_out: bool,
    packets: Vec<Fate>,
}

/// What the network does to a packet; delays in frames.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Lost,
    Comes { after: u8 },
    ComesTwice { after: u8, again: u8 },
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        8 => Just(Fate::Comes { after: 0 }),
        2 => (1u8..12).prop_map(|after| Fate::Comes { after }),
        1 => Just(Fate::Lost),
        1 => (0u8..6, 0u8..6).prop_map(|(after, again)| Fate::ComesTwice { after, again }),
    ]
}

fn frame() -> impl Strategy<Value = Frame> {
    (prop::bool::weighted(0.3), prop::collection::vec(fate(), 1..4))
        .prop_map(|(left_out, packets)| Frame { left_out, packets })
}

fn moment() -> impl Strategy<Value = Moment> {
    let frames = prop::collection::vec(frame(), SOURCES as usize);
    let want = prop_oneof![6 => Just(None), 1 => (0..SOURCES).prop_map(Some)];
    (frames, want).prop_map(|(frames, want)| Moment { frames, want })
}

#[derive(Debug, Clone, Copy)]
struct Arrival {
    /// In frames since the beginning.
    at: usize,
    moment: usize,
    source: u32,
    seq: u64,
    first_of_frame: bool,
    left_out: bool,
}

impl Arrival {
    /// Every source has its own clock and its own beginning; the highest goes round soon.
    fn ts(&self) -> u32 {
        (u32::MAX / SOURCES * (self.source + 1)).wrapping_add(FRAME_TICKS * (self.moment as u32 + 1))
    }

    fn incoming(&self) -> Incoming {
        let ntp = SystemTime::UNIX_EPOCH + FRAME * self.moment as u32;
        Incoming {
            source: self.source,
            seq: self.seq,
            ts: self.ts(),
            report: Some(SenderReport { ntp, rtp: self.ts() }),
        }
    }
}

/// The packets in the order in which the network delivers them.
fn deliver(film: &[Moment]) -> Vec<Arrival> {
    let mut next_seq = [0, 65_530, 1 << 33];
    let mut arrivals = vec![];
    for (moment, frames) in film.iter().map(|moment| &moment.frames).enumerate() {
        for (source, frame) in frames.iter().enumerate() {
            for (index, fate) in frame.packets.iter().enumerate() {
                let arrival = |after: u8| Arrival {
                    at: moment + usize::from(after),
                    moment,
                    source: source as u32,
                    seq: next_seq[source],
                    first_of_frame: index == 0,
                    left_out: frame.left_out,
                };
                match *fate {
                    Fate::Lost => {}
                    Fate::Comes { after } => arrivals.push(arrival(after)),
                    Fate::ComesTwice { after, again } => arrivals.extend([arrival(after), arrival(after + again)]),
                }
                next_seq[source] += 1;
            }
        }
    }
    arrivals.sort_by_key(|arrival| arrival.at);
    arrivals
}

/// What went out, and what the munger was told in each epoch.
#[derive(Debug, Default)]
struct Seen {
    sent: Vec<(Outgoing, Arrival)>,
    epochs: Vec<Told>,
}

#[derive(Debug)]
struct Told {
    source: u32,
    first: u64,
    highest: u64,
    told: BTreeSet<u64>,
}

fn run(film: &[Moment]) -> Seen {
    let start = Instant::now();
    let mut munger = RtpMunger::new(CLOCK, 1000);
    let mut seen = Seen::default();
    let mut newest = [None; SOURCES as usize];
    let mut wanted = Some(0);
    let mut told_of = 0;
    for arrival in deliver(film) {
        let now = start + FRAME * arrival.at as u32;
        for moment in &film[told_of..=arrival.at.min(film.len() - 1)] {
            wanted = moment.want.or(wanted);
        }
        told_of = (arrival.at + 1).min(film.len());
        let newest = &mut newest[arrival.source as usize];
        let in_order = newest.is_none_or(|newest| arrival.seq > newest);
        *newest = (*newest).max(Some(arrival.seq));
        // Also begins anew with the source that it has: what a pause does.
        if wanted == Some(arrival.source) && arrival.first_of_frame && in_order && !arrival.left_out {
            wanted = None;
            seen.begin(&arrival);
            seen.sent.push((munger.switch(now, &arrival.incoming()), arrival));
            continue;
        }
        let outgoing = match seen.tell(&arrival) {
            Place::Nowhere => continue,
            Place::Current if arrival.left_out => munger.drop(now, &arrival.incoming()),
            _ => munger.forward(now, &arrival.incoming()),
        };
        seen.sent.extend(outgoing.map(|outgoing| (outgoing, arrival)));
    }
    // One more switch, so that the last epoch has an end.
    let last =
        Arrival { moment: film.len(), at: film.len(), source: 0, seq: 1 << 40, first_of_frame: true, left_out: false };
    seen.sent.push((munger.switch(start + FRAME * last.at as u32, &last.incoming()), last));
    seen
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// Nothing was forwarded so far.
    Nowhere,
    Current,
    Other,
}

impl Seen {
    fn begin(&mut self, arrival: &Arrival) {
        let told = BTreeSet::from([arrival.seq]);
        self.epochs.push(Told { source: arrival.source, first: arrival.seq, highest: arrival.seq, told });
    }

    fn tell(&mut self, arrival: &Arrival) -> Place {
        let covers = |told: &&mut Told| told.source == arrival.source && arrival.seq >= told.first;
        let mut epochs = self.epochs.iter_mut().rev();
        let Some(current) = epochs.next() else { return Place::Nowhere };
        if covers(&current) {
            current.highest = current.highest.max(arrival.seq);
            current.told.insert(arrival.seq);
            return Place::Current;
        }
        if let Some(previous) = epochs.next().filter(covers).filter(|previous| arrival.seq <= previous.highest) {
            previous.told.insert(arrival.seq);
        }
        Place::Other
    }

    /// The numbers of an epoch, from its first to the next epoch's first.
    fn range(&self, epoch: usize) -> Option<std::ops::Range<u64>> {
        let first =
            |epoch| self.sent.iter().filter(|(out, _)| out.epoch as usize == epoch).map(|(out, _)| out.seq).min();
        Some(first(epoch)?..first(epoch + 1)?)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn one_good_stream(film in prop::collection::vec(moment(), 1..120)) {
        let seen = run(&film);
        let by_seq: BTreeMap<u64, (Outgoing, Arrival)> = seen.sent.iter().map(|sent| (sent.0.seq, *sent)).collect();
        prop_assert_eq!(by_seq.len(), seen.sent.len(), "a number was given twice");

        let mut last: Option<(Outgoing, Arrival)> = None;
        for (out, arrival) in by_seq.into_values() {
            if let Some((last_out, last_arrival)) = last {
                let step = out.ts.wrapping_sub(last_out.ts) as i32;
                prop_assert!(out.epoch >= last_out.epoch);
                if out.epoch == last_out.epoch {
                    prop_assert!(arrival.seq > last_arrival.seq, "out of order");
                    prop_assert_eq!(out.ts.wrapping_sub(arrival.ts()), last_out.ts.wrapping_sub(last_arrival.ts()));
                    prop_assert!(step >= 0);
                } else {
                    prop_assert!(step > 0, "the timestamp went back by {}", -step);
                }
            } else {
                prop_assert_eq!(out.seq, 1000);
            }
            last = Some((out, arrival));
        }

        for (number, epoch) in seen.epochs.iter().enumerate() {
            let Some(range) = seen.range(number) else { continue };
            let sent = seen.sent.iter().filter(|(out, _)| range.contains(&out.seq)).count() as u64;
            let lost = (epoch.first..=epoch.highest).filter(|seq| !epoch.told.contains(seq)).count() as u64;
            prop_assert_eq!(range.end - range.start - sent, lost, "gaps that nobody made, in epoch {}", number);
        }
    }

    /// With sender reports, the subscriber's clock shows the moment of filming, give or take what it takes to stay in
    /// front: a switch may be to frames that come later than others.
    #[test]
    fn the_clock_stays_right(film in prop::collection::vec(moment(), 1..120)) {
        let seen = run(&film);
        let Some((first, filmed)) = seen.sent.first() else { return Ok(()) };
        for (out, arrival) in &seen.sent {
            let shown = out.ts.wrapping_sub(first.ts) as i32;
            let truth = (arrival.moment as i32 - filmed.moment as i32) * FRAME_TICKS as i32;
            prop_assert!((shown - truth).abs() <= 16 * FRAME_TICKS as i32, "shown {shown}, filmed at {truth}");
        }
    }
}
