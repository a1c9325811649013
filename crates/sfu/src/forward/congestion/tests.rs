use super::{aimd::Aimd, loss::Loss, probe::Prober, received::Received, trend::Trend, *};

const MS: u64 = 1000;
const RTT: Duration = Duration::from_millis(100);

/// Packets sent every `apart` milliseconds, each arriving so much later (or earlier) than the one before it.
fn travel(trend: &mut Trend, from: u64, count: u64, apart: u64, drift: i64) -> Vec<Usage> {
    let arrival = |n: u64| (n * apart * MS) as i64 + drift * (n - from) as i64 + 500_000;
    (from..from + count).filter_map(|n| trend.on_arrival(n * apart * MS, arrival(n) as u64)).collect()
}

#[test]
fn a_constant_delay_is_normal() {
    let mut trend = Trend::default();
    assert!(travel(&mut trend, 0, 200, 10, 0).iter().all(|usage| *usage == Usage::Normal));
    assert_eq!(trend.threshold(), 6.0, "the threshold comes down to what the noise allows (section 5.4)");
}

#[test]
fn a_growing_delay_is_overuse() {
    let mut trend = Trend::default();
    // A millisecond more each 10 ms: a tenth too much is sent.
    let usages = travel(&mut trend, 0, 60, 10, 1000);
    assert!(usages.contains(&Usage::Over), "{usages:?}");
    assert!(usages[..18].iter().all(|usage| *usage == Usage::Normal), "not before there are points for a line");
}

#[test]
fn a_shrinking_delay_is_underuse() {
    let mut trend = Trend::default();
    let usages = travel(&mut trend, 0, 60, 10, -500);
    assert_eq!(usages.last(), Some(&Usage::Under));
    assert!(!usages.contains(&Usage::Over));
}

#[test]
fn a_burst_is_one_group() {
    let mut trend = Trend::default();
    let mut told = 0;
    for picture in 0..50u64 {
        for packet in 0..6 {
            // Sent at once, the narrowest place of the way takes 2 ms for each.
            let (sent, arrived) = (picture * 33 * MS, picture * 33 * MS + packet * 2 * MS);
            told += usize::from(trend.on_arrival(sent, arrived).is_some());
            assert_eq!(trend.usage(), Usage::Normal);
        }
    }
    assert_eq!(told, 48, "a gradient for each two groups, and one group is still open");
}

#[test]
fn what_was_overtaken_and_a_clock_that_was_set_say_nothing() {
    let mut trend = Trend::default();
    travel(&mut trend, 0, 40, 10, 0);
    assert_eq!(trend.on_arrival(10 * MS, 900 * MS), None);
    assert!(travel(&mut trend, 4000, 40, 10, 0).iter().all(|usage| *usage == Usage::Normal));
}

#[test]
fn what_was_overtaken_by_a_group_that_was_released_together_says_nothing() {
    let mut trend = Trend::default();
    travel(&mut trend, 0, 10, 10, 0);
    // Three that the network held and let go together; the one between them comes later.
    for (sent, arrived) in [(100, 640), (110, 641), (130, 642)] {
        trend.on_arrival(sent * MS, arrived * MS);
    }
    assert_eq!(trend.on_arrival(120 * MS, 660 * MS), None);
    assert_eq!(trend.on_arrival(160 * MS, 670 * MS), Some(Usage::Normal));
    assert_eq!(trend.on_arrival(170 * MS, 680 * MS), Some(Usage::Normal));
}

#[test]
fn the_rate_that_arrives_is_of_half_a_second() {
    let mut received = Received::default();
    assert_eq!(received.rate(), None);
    // 1250 bytes each 10 ms: a megabit.
    (0..200).for_each(|n| received.add(n * 10 * MS, 1250));
    let rate = received.rate().unwrap();
    assert!((0.97e6..=1.05e6).contains(&rate), "{rate}");
    (200..250).for_each(|n| received.add(n * 10 * MS, 625));
    let rate = received.rate().unwrap();
    assert!((0.48e6..=0.53e6).contains(&rate), "half of it, half a second later: {rate}");
    received.add(60_000 * MS, 1250);
    assert_eq!(received.rate(), None, "after a silence it begins anew");
}

/// A second of feedback every 100 ms.
fn second(aimd: &mut Aimd, from: u64, usage: Usage, received: f64) {
    for n in 1..=10 {
        aimd.update((from * 1000 + n * 100) * MS, usage, Some(received), RTT);
    }
}

#[test]
fn the_rate_grows_by_eight_per_cent_a_second_but_not_far_beyond_what_arrives() {
    let mut aimd = Aimd::new(1e6);
    aimd.update(0, Usage::Normal, Some(1e6), RTT);
    second(&mut aimd, 0, Usage::Normal, 1e6);
    assert!((aimd.rate() - 1.08e6).abs() < 1e3, "{}", aimd.rate());
    (1..20).for_each(|n| second(&mut aimd, n, Usage::Normal, 1e6));
    assert_eq!(aimd.rate(), 1.5e6);
    second(&mut aimd, 20, Usage::Normal, 0.2e6);
    assert_eq!(aimd.rate(), 1.5e6, "who sends little loses nothing");
}

#[test]
fn overuse_leaves_85_per_cent_of_what_arrives_once_it_can_be_felt() {
    let mut aimd = Aimd::new(2e6);
    assert!(aimd.update(0, Usage::Over, Some(1e6), RTT));
    assert_eq!(aimd.rate(), 0.85e6);
    assert!(!aimd.update(150 * MS, Usage::Over, Some(0.8e6), RTT), "the last one is not felt yet");
    assert!(aimd.update(250 * MS, Usage::Over, Some(0.8e6), RTT));
    assert_eq!(aimd.rate(), 0.85 * 0.8e6);
}

#[test]
fn near_where_the_link_was_full_the_rate_grows_by_packets() {
    let mut aimd = Aimd::new(1.2e6);
    aimd.update(0, Usage::Over, Some(1e6), RTT);
    aimd.update(100 * MS, Usage::Normal, Some(0.99e6), RTT);
    second(&mut aimd, 0, Usage::Normal, 0.99e6);
    // Half a packet of 9600 bits each 200 ms.
    assert!((aimd.rate() - 0.85e6 - 24e3).abs() < 3e3, "{}", aimd.rate());
}

#[test]
fn underuse_waits_for_the_queue_to_empty() {
    let mut aimd = Aimd::new(1e6);
    second(&mut aimd, 0, Usage::Under, 1e6);
    assert_eq!(aimd.rate(), 1e6);
}

#[test]
fn much_loss_lowers_the_rate_some_holds_it_little_raises_it() {
    let mut loss = Loss::default();
    assert_eq!(loss.rate(), f64::INFINITY);
    loss.add(500 * MS, 100, 20, 1e6);
    assert_eq!(loss.rate(), 1e6 * (1.0 - 0.5 * 0.2));
    assert!(loss.is_heavy());
    loss.add(1000 * MS, 100, 5, 1e6);
    assert_eq!(loss.rate(), 0.9e6, "random loss is not congestion");
    loss.add(1500 * MS, 100, 1, 1e6);
    assert_eq!(loss.rate(), 0.9e6 * 1.05);
    (0..10).for_each(|n| loss.add((2000 + 500 * n) * MS, 100, 0, 1e6));
    assert_eq!(loss.rate(), f64::INFINITY, "above what the delay allows it is no bound");
}

/// The answer to a train through a place that takes `width` bits per second.
fn answer(prober: &mut Prober, at: u64, packets: u32, width: f64) {
    let apart = probe::PACKET_BYTES * 8e6 / width;
    let number = prober.number();
    (0..packets)
        .for_each(|n| prober.on_arrival(number, at + (f64::from(n) * apart) as u64, probe::PACKET_BYTES as u32));
}

#[test]
fn a_train_finds_a_wide_link_and_no_more_than_was_tried() {
    let mut prober = Prober::default();
    assert_eq!(prober.start(0, 1e6, 0.8e6), None, "there is enough");
    let train = prober.start(0, 1e6, 1.5e6).expect("more is wanted");
    answer(&mut prober, 50 * MS, train.packets, 100e6);
    assert_eq!(prober.conclude(100 * MS, 1e6), Some(1.5e6 * 1.25));
    assert!(prober.start(101 * MS, 1.875e6, 8e6).is_some(), "and the next may follow at once");
}

#[test]
fn a_train_through_a_narrow_place_tells_how_narrow_it_is() {
    let mut prober = Prober::default();
    let train = prober.start(0, 1e6, 8e6).expect("more is wanted");
    answer(&mut prober, 50 * MS, train.packets, 1.5e6);
    let rate = prober.conclude(100 * MS, 1e6).expect("more than it was");
    assert!((rate - 0.95 * 1.5e6).abs() < 5e3, "{rate}");
    assert_eq!(prober.start(1000 * MS, rate, 8e6), None, "it was full: not again so soon");
    assert!(prober.start(2200 * MS, rate, 8e6).is_some());
}

#[test]
fn trains_that_do_not_get_through_become_rare() {
    let mut prober = Prober::default();
    let mut at = 0;
    let mut waits = vec![];
    for _ in 0..5 {
        let began = at;
        while prober.start(at, 1e6, 8e6).is_none() {
            at += 100 * MS;
        }
        waits.push((at - began) / 1_000_000);
        answer(&mut prober, at, 2, 10e6);
        assert_eq!(prober.conclude(at + 100 * MS, 1e6), None, "the rest may come yet");
        at += 500 * MS;
        assert_eq!(prober.conclude(at, 1e6), None, "too much of it is lost");
    }
    assert_eq!(waits, [0, 2, 4, 8, 16]);
}

#[test]
fn a_train_that_nothing_is_heard_of_is_not_waited_for_for_ever() {
    let mut prober = Prober::default();
    assert!(prober.start(0, 1e6, 8e6).is_some());
    let mut next = || (1..).map(|n| n * 100 * MS).find(|at| prober.start(*at, 1e6, 8e6).is_some()).unwrap();
    assert_eq!(next(), 3_000 * MS, "lost after a second, and two more until the next");
    assert_eq!(next(), 8_000 * MS, "which is rarer");
}

/// A link in virtual time: `width` bits per second with a queue, `delay` each way, feedback every 50 ms.
struct Link {
    began: Instant,
    now: u64,
    seq: u16,
    free: u64,
    flying: Vec<(u16, u64)>,
    answered: u64,
    count: u8,
    width: f64,
}

impl Link {
    fn new(began: Instant) -> Self {
        let (now, seq, free, flying, answered, count, width) = (0, 0, 0, vec![], 0, 0, 1e9);
        Self { began, now, seq, free, flying, answered, count, width }
    }

    fn at(&self) -> Instant {
        self.began + Duration::from_micros(self.now)
    }

    /// Sends `rate` in packets of 1000 bytes for so long; the longest that one was on its way, in milliseconds.
    fn run(&mut self, estimator: &mut Estimator, seconds: u64, rate: impl Fn(f64) -> f64) -> u64 {
        let (end, mut next, mut longest) = (self.now + seconds * 1_000_000, self.now, 0);
        while self.now < end {
            if self.now >= next {
                longest = longest.max(self.send(estimator, 1000, false));
                next += (8e9 / rate(estimator.bound())) as u64;
            }
            for _ in 0..estimator.probe(self.at()).map_or(0, |cluster| cluster.packets) {
                self.send(estimator, 112, true);
            }
            if self.now >= self.answered + 50 * MS {
                self.answer(estimator);
            }
            self.now += MS;
        }
        longest / MS
    }

    fn send(&mut self, estimator: &mut Estimator, bytes: usize, probing: bool) -> u64 {
        estimator.on_sent(self.at(), self.seq, bytes, probing);
        self.free = self.free.max(self.now) + (bytes as f64 * 8e6 / self.width) as u64;
        self.flying.push((self.seq, self.free + 20 * MS));
        self.seq = self.seq.wrapping_add(1);
        self.free - self.now
    }

    fn answer(&mut self, estimator: &mut Estimator) {
        let there: Vec<_> = self.flying.iter().copied().filter(|packet| packet.1 + 20 * MS <= self.now).collect();
        self.flying.retain(|packet| packet.1 + 20 * MS > self.now);
        self.answered = self.now;
        self.count = self.count.wrapping_add(1);
        let reports = there.into_iter().map(|(seq, arrived)| Report { seq, arrived: Some(arrived) });
        estimator.on_feedback(self.at(), self.count, reports);
    }
}

#[test]
fn the_estimate_follows_the_link_down_and_up_again() {
    let mut link = Link::new(Instant::now());
    let mut estimator = Estimator::new(link.began, 2_000_000);
    estimator.set_desired(4_000_000);
    // An encoder that does as it is told, up to what it wants.
    let obedient = |estimate: f64| estimate.min(4e6);
    link.run(&mut estimator, 10, obedient);
    assert!(estimator.estimate() > 4_000_000, "on a wide link: {}", estimator.estimate());
    link.width = 1e6;
    link.run(&mut estimator, 10, obedient);
    let waited = link.run(&mut estimator, 20, obedient);
    let estimate = estimator.estimate();
    assert!((700_000..1_100_000).contains(&estimate), "on a narrow link: {estimate}");
    assert!(waited < 150, "and its queue stays short: {waited} ms");
    link.width = 1e9;
    link.run(&mut estimator, 20, obedient);
    assert!(estimator.estimate() > 4_000_000, "and wide again: {}", estimator.estimate());
}

#[test]
fn who_sends_little_finds_out_by_probing() {
    let mut link = Link::new(Instant::now());
    link.width = 5e6;
    let mut estimator = Estimator::new(link.began, 300_000);
    link.run(&mut estimator, 20, |_| 200e3);
    assert!(estimator.estimate() <= 320_000, "without a wish it stays: {}", estimator.estimate());
    estimator.set_desired(3_000_000);
    link.run(&mut estimator, 2, |_| 200e3);
    assert!(estimator.estimate() >= 3_600_000, "{}", estimator.estimate());
}

#[test]
fn a_queue_of_long_ago_does_not_keep_from_trying() {
    let mut link = Link::new(Instant::now());
    link.width = 1e6;
    let mut estimator = Estimator::new(link.began, 2_000_000);
    estimator.set_desired(4_000_000);
    link.run(&mut estimator, 2, |_| 2e6);
    assert_eq!(estimator.trend.usage(), Usage::Over);
    assert_eq!(estimator.probe(link.at() + Duration::from_millis(1_900)), None);
    assert!(estimator.probe(link.at() + Duration::from_secs(4)).is_some());
}

#[test]
fn loss_of_long_ago_does_not_keep_from_trying() {
    let now = Instant::now();
    let mut estimator = Estimator::new(now, 1_000_000);
    estimator.set_desired(4_000_000);
    let at = |ms: u64| now + Duration::from_millis(ms);
    (0..100).for_each(|seq| estimator.on_sent(at(10 * u64::from(seq)), seq, 100, false));
    // Every other packet is lost.
    let reports = (0..100).map(|seq| Report { seq, arrived: (seq % 2 == 1).then_some(u64::from(seq) * 10 * MS) });
    estimator.on_feedback(at(1_000), 1, reports);
    assert!(estimator.loss.is_heavy());
    assert_eq!(estimator.probe(at(2_900)), None);
    let train = estimator.probe(at(3_000)).expect("it says nothing of now");
    // Nothing is heard of this one either.
    (0..train.packets as u16).for_each(|n| estimator.on_sent(at(3_000), 100 + n, 295, true));
    assert_eq!(estimator.probe(at(3_900)), None);
    assert!(estimator.probe(at(33_000)).is_some());
}

#[test]
fn loss_is_what_reports_leave_out_and_not_reports_that_are_left_out() {
    let now = Instant::now();
    let mut estimator = Estimator::new(now, 1_000_000);
    let at = |ms: u64| now + Duration::from_millis(ms);
    (0..100).for_each(|seq| estimator.on_sent(at(10 * u64::from(seq)), seq, 100, false));
    let report = |seq: u16| Report { seq, arrived: Some(u64::from(seq) * 10 * MS) };
    estimator.on_feedback(at(200), 1, (0..20).map(report));
    // Number 2 was lost on its way, with its packets' fates.
    estimator.on_feedback(at(600), 3, (40..55).map(report));
    // 55 to 59 are missing between two reports that follow each other.
    estimator.on_feedback(at(800), 4, (60..80).map(report));
    estimator.on_feedback(at(1000), 5, (80..100).map(report));
    let loss = estimator.take_loss().unwrap();
    assert!((loss - 5.0 / 59.0).abs() < 0.002, "{loss}");
    assert_eq!(estimator.take_loss(), None);
}
