//! A small machine in the brain's place.

use convo_media::Brain;
use convo_sfu::{Answer, Ask, AskId, ConnectionId, Datagram, Event, EventKind, Input, Join, Output, Route, Transmit};
use livekit_protocol as proto;
use proto::{signal_request, signal_response};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Long enough for any machine; passing tests never wait for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Says back what it is told.
pub(crate) struct Echo {
    /// Its ufrags' beginning, by which tests tell workers apart.
    name: String,
    outputs: VecDeque<Output>,
    alarm: Option<(Instant, ConnectionId)>,
}

impl Echo {
    pub(crate) fn new(config: convo_sfu::Config) -> Self {
        Self { name: config.ufrag_prefix, outputs: VecDeque::new(), alarm: None }
    }

    /// The answer to a datagram: `name:contents`; for `burst COUNT LENGTH`, so many of that length and a shorter one, in runs; for
    /// `age`, for how many milliseconds it had been there. `nap` keeps the worker from its sockets for 50.
    fn datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        let text = String::from_utf8_lossy(datagram.contents);
        if text == "break" {
            panic!("as the test asked");
        }
        let words: Vec<usize> = text.split(' ').filter_map(|word| word.parse().ok()).collect();
        let route = Route { proto: datagram.proto, source: datagram.destination, destination: datagram.source };
        let [count, segment] = words[..] else {
            let answer = match &*text {
                "age" => (now - datagram.arrived).as_millis().to_string().into_bytes(),
                _ => [self.name.as_bytes(), b":", datagram.contents].concat(),
            };
            if text == "nap" {
                std::thread::sleep(Duration::from_millis(50));
            }
            return self.outputs.push_back(Output::Transmit(Transmit::one(route, answer)));
        };
        let answers = (0..count).map(|number| vec![number as u8; segment]).chain([vec![0xff; segment / 2]]);
        let answers: Vec<_> = answers.collect();
        let run = |run: &[Vec<u8>]| Output::Transmit(Transmit { route, contents: run.concat(), segment });
        self.outputs.extend(answers.chunks(if segment > 1_400 { 1 } else { 40 }).map(run));
    }

    fn say(&mut self, connection: ConnectionId, number: i64) {
        let message = Some(signal_response::Message::Pong(number));
        let response = Box::new(proto::SignalResponse { message });
        self.outputs.push_back(Output::Signal { connection, response });
    }

    fn tell(&mut self, room: &str) {
        let room = proto::Room { name: room.into(), ..Default::default() };
        self.outputs.push_back(Output::Event(Box::new(Event { room, kind: EventKind::RoomStarted })));
    }

    /// A room's name is how many responses its connections get at once. Who has a name is told of.
    fn connect(&mut self, connection: ConnectionId, join: &Join) {
        let greetings = join.room.parse().unwrap_or(1);
        (0..greetings).for_each(|number| self.say(connection, number));
        if !join.name.is_empty() {
            let info = proto::ParticipantInfo { identity: join.identity.clone(), ..Default::default() };
            let room = proto::Room { name: join.room.clone(), ..Default::default() };
            let kind = EventKind::ParticipantJoined { connection, info };
            self.outputs.push_back(Output::Event(Box::new(Event { room, kind })));
        }
    }

    fn signal(&mut self, now: Instant, connection: ConnectionId, message: Option<signal_request::Message>) {
        match message {
            Some(signal_request::Message::Ping(0)) => self.alarm = Some((now + Duration::from_millis(20), connection)),
            Some(signal_request::Message::Ping(number)) => self.say(connection, number),
            _ => self.outputs.push_back(Output::Close { connection }),
        }
    }

    fn ask(&mut self, id: AskId, ask: &Ask) {
        let room = |name: &str| proto::Room { name: name.into(), ..Default::default() };
        let answer = match ask {
            Ask::ListRooms(_) => Answer::Rooms(vec![room(&self.name)]),
            Ask::CreateRoom(_) => Answer::Room(Box::new(room(&self.name))),
            Ask::Drain => Answer::Done,
            // Others are never answered.
            _ => return,
        };
        self.outputs.push_back(Output::Answer { id, answer: Ok(answer) });
    }
}

impl Brain for Echo {
    fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Datagram(datagram) => self.datagram(now, datagram),
            Input::Connect { connection, join } => self.connect(connection, &join),
            Input::Signal { connection, request } => self.signal(now, connection, request.message),
            Input::Disconnect { connection } => self.tell(&format!("gone {}", connection.0)),
            Input::Command { connection, .. } => {
                self.say(connection, -1);
                self.tell(&format!("commanded {}", connection.0));
            }
            Input::Ask { id, ask } => self.ask(id, &ask),
            // It has one room, and tells no other.
            Input::Relay(_) => {}
            Input::Timeout => {
                if let Some((_, connection)) = self.alarm.take_if(|(at, _)| *at <= now) {
                    self.say(connection, 0);
                }
            }
        }
    }

    fn poll(&mut self, now: Instant) -> Output {
        let alarm = self.alarm.map_or(now + PATIENCE * 10, |(at, _)| at);
        self.outputs.pop_front().unwrap_or(Output::Timeout(alarm))
    }
}
