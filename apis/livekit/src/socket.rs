//! The signalling WebSocket: what the client says goes to the media, what the media says goes to the client.

use crate::{
    House,
    admit::{Place, Visitor},
    attendee::Attendee,
    line::{Frame, Line, Over},
};
use axum::extract::ws::{Message, WebSocket, close_code};
use bytes::Bytes;
use convo_media::Connection;
use convo_sfu::Join;
use livekit_protocol::{SignalRequest, SignalResponse, signal_response};
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

const PING: Duration = Duration::from_secs(10);
/// Clients answer pings, and say something every five seconds.
const SILENCE: Duration = Duration::from_secs(30);
/// A client gets a fresh token this often, to reconnect with; and at once when what it says changes.
const REFRESH: Duration = Duration::from_secs(300);
/// Requests a second, and at once: publishing twenty tracks is a burst, more is a flood, which is read more slowly.
const PACE: f64 = 100.0;
const BURST: f64 = 500.0;

/// Serves one client until either side ends it.
pub(crate) async fn run(socket: WebSocket, doors: House, visitor: Visitor, join: Join, place: Place) {
    let (name, resumes) = ((join.room.clone(), join.identity.clone()), join.request.reconnect);
    doors.agents.dispatches.plan(&join.room, &join.room_config.agents);
    let connection = doors.media.connect(join);
    let id = connection.id();
    if !matches!(place, Place::Elsewhere)
        && let Some(ears) = doors.hall.connected(&name, connection.commander(), resumes)
    {
        match Attendee::open(doors.host.clone(), visitor.address, place, ears.standing).await {
            Ok(Some(attendee)) => drop(tokio::spawn(attendee.run(ears.chats))),
            Ok(None) => {}
            Err(error) => {
                tracing::info!(%error, "somebody lost their place on the way in");
                return doors.hall.refused(id);
            }
        }
    }
    let mut signal = Signal::new(socket, connection, doors.clone(), visitor);
    signal.run().await;
    let Signal { line, connection, joined, .. } = signal;
    drop(connection);
    if !joined {
        doors.hall.refused(id);
        doors.agents.dispatches.unplan(&name.0);
    }
    line.hang_up().await;
}

struct Signal {
    line: Line,
    connection: Connection,
    doors: House,
    visitor: Visitor,
    joined: bool,
    heard: Instant,
    pace: Pace,
}

impl Signal {
    fn new(socket: WebSocket, connection: Connection, doors: House, visitor: Visitor) -> Self {
        let now = Instant::now();
        let line = Line::new(socket);
        Self { line, connection, doors, visitor, joined: false, heard: now, pace: Pace { left: BURST, at: now } }
    }

    async fn run(&mut self) {
        let (mut ping, mut refresh) = (every(PING), every(REFRESH));
        loop {
            let done = tokio::select! {
                frame = read(&mut self.line, &mut self.pace) => self.frame(frame).await,
                response = self.connection.next() => self.say(response).await,
                _ = ping.tick() => self.ping().await,
                _ = refresh.tick(), if self.joined => self.refresh().await,
            };
            if done.is_err() {
                return;
            }
        }
    }

    async fn frame(&mut self, frame: Frame) -> Result<(), Over> {
        self.heard = Instant::now();
        if let Some(request) = self.line.hear::<SignalRequest>(frame).await? {
            self.connection.send(request).await;
        }
        Ok(())
    }

    /// All that waits leaves in one write.
    async fn say(&mut self, first: Option<Box<SignalResponse>>) -> Result<(), Over> {
        let Some(first) = first else { return self.line.close(close_code::NORMAL, "").await };
        let mut out = Vec::new();
        let mut next = Some(first);
        while let Some(response) = next {
            out.extend(passage(&response).map(|token| self.line.word(&token)));
            out.push(self.line.word(&response));
            let changed = self.follow(&response);
            let enters = lets_in(&response) && !self.joined;
            if enters {
                self.joined = true;
                self.doors.hall.let_in(self.connection.id());
            }
            if enters || changed {
                out.push(self.line.word(&self.fresh_token()));
            }
            next = self.connection.try_next();
        }
        self.line.send(out).await
    }

    /// What is said of this participant goes into the claims. Whether it is new.
    fn follow(&mut self, response: &SignalResponse) -> bool {
        use signal_response::Message::{Join, Update};
        let Visitor { token, identity, .. } = &mut self.visitor;
        let own = match &response.message {
            Some(Join(join)) => join.participant.as_ref(),
            Some(Update(update)) => update.participants.iter().find(|someone| someone.identity == *identity),
            _ => None,
        };
        own.is_some_and(|own| token.follow(own))
    }

    async fn refresh(&mut self) -> Result<(), Over> {
        let token = self.line.word(&self.fresh_token());
        self.line.send(vec![token]).await
    }

    fn fresh_token(&self) -> SignalResponse {
        let token = self.doors.keys.refresh(&self.visitor.token, self.doors.app.domain.now());
        SignalResponse { message: Some(signal_response::Message::RefreshToken(token)) }
    }

    async fn ping(&mut self) -> Result<(), Over> {
        if self.heard.elapsed() > SILENCE {
            return Err(Over);
        }
        self.line.send(vec![Message::Ping(Bytes::new())]).await
    }
}

/// A bucket of requests that fills up with time.
struct Pace {
    left: f64,
    at: Instant,
}

impl Pace {
    /// How long to wait before the next request is read; takes it out of the bucket.
    fn wait(&mut self, now: Instant) -> Duration {
        let passed = now.duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * PACE).min(BURST);
        self.at = now;
        Duration::from_secs_f64(((1.0 - self.left) / PACE).max(0.0))
    }

    fn take(&mut self) {
        self.left -= 1.0;
    }
}

/// The next frame, not before the pace allows it. Cancel safe.
async fn read(line: &mut Line, pace: &mut Pace) -> Frame {
    let wait = pace.wait(Instant::now());
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    let frame = line.next().await;
    pace.take();
    frame
}

/// Who is moved goes to the other room by a token that some clients know as a refreshed one alone.
fn passage(response: &SignalResponse) -> Option<SignalResponse> {
    match &response.message {
        Some(signal_response::Message::RoomMoved(moved)) => {
            Some(SignalResponse { message: Some(signal_response::Message::RefreshToken(moved.token.clone())) })
        }
        _ => None,
    }
}

/// After `join` and `reconnect` the client listens; before, it drops whatever comes.
fn lets_in(response: &SignalResponse) -> bool {
    use signal_response::Message::{Join, Reconnect};
    matches!(response.message, Some(Join(_) | Reconnect(_)))
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_a_flood_is_slowed() {
        let start = Instant::now();
        let mut pace = Pace { left: BURST, at: start };
        for _ in 0..BURST as u32 {
            assert!(pace.wait(start).is_zero());
            pace.take();
        }
        assert_eq!(pace.wait(start), Duration::from_millis(10));
        assert!(pace.wait(start + Duration::from_millis(10)).is_zero());
        pace.take();
        assert!(!pace.wait(start + Duration::from_millis(10)).is_zero());
    }
}
