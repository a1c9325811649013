//! Bytes as a story: one that says what is done, one that says by whom, and what else it takes. Ids are not guessed but chosen from those
//! that were told, so that what people do concerns what there is, in orders that no client has. The machine may refuse; it must
//! not fall over, must not say what would end a client, and whoever keeps to the protocol must be able to take what it says.

use super::{Client, Name, Weather, World};
use convo_sfu::{Ask, AskId, Command, Datagram, Input, Join, Mode};
use livekit_protocol as proto;
use prost::Message as _;
use proto::{data_packet::Value, signal_request::Message as Request, signal_response::Message as Response};
use std::{collections::BTreeSet, time::Duration};
use str0m::{format::Codec, net::Protocol};

/// Longer stories say nothing new.
const ACTS: usize = 200;
const PEOPLE: usize = 6;
/// Virtual time is computed, too.
const TIME: Duration = Duration::from_secs(8);
const PAUSES: [u64; 5] = [1, 20, 60, 200, 700];
/// The server's computer slept.
const GAPS: [u64; 4] = [4, 21, 61, 301];
const NAMES: [&str; 4] = ["ann", "bob", "cid", "dan"];
const ROOMS: [&str; 3] = ["room", "other", "nowhere"];
const CIDS: [&str; 3] = ["one", "two", "three"];
const LABELS: [&str; 3] = ["_reliable", "_lossy", "_data_track"];

struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn flag(&mut self) -> Option<bool> {
        self.byte().map(|byte| byte & 1 > 0)
    }

    fn of<'b, T>(&mut self, all: &'b [T]) -> Option<&'b T> {
        all.get(usize::from(self.byte()?) % all.len().max(1))
    }

    /// A length, and so many bytes as far as there are.
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.byte()?).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(bytes)
    }
}

struct Play {
    world: World,
    passed: Duration,
}

/// Plays until the bytes end; the world as it is then.
pub fn play(bytes: &[u8]) -> World {
    let mut play = Play { world: World::with(7, |config| config.simulate = true), passed: Duration::ZERO };
    play.world.kit.data_tracks = true;
    play.world.join("ann");
    play.world.join_with("bob", |join| join.mode = Mode::Dual);
    let mut script = Script(bytes);
    for _ in 0..ACTS {
        if play.act(&mut script).is_none() {
            break;
        }
    }
    play.world.run(Duration::from_millis(300));
    play.world
}

impl Play {
    /// `None`: the bytes are at their end.
    fn act(&mut self, script: &mut Script<'_>) -> Option<()> {
        let (what, who) = (script.byte()?, self.who(script)?);
        match what % 32 {
            0..4 => self.wait(script),
            4 => self.sleep(script),
            5 => self.join(script),
            6 => self.leave(who, script),
            7 => self.resume(who, script),
            8 => self.weather(who, script),
            9..12 => self.announce(who, script),
            12..14 => self.offer(who, script),
            14 => self.mangled_offer(who, script),
            15 => self.withdraw(who, script),
            16 => self.film(who, script),
            17..19 => self.subscribe(who, script),
            19 => self.settings(who, script),
            20 => self.mute(who, script),
            21 => self.audience(who, script),
            22 => self.sync(who, script),
            23 => self.data(who, script),
            24 => self.data_track(who, script),
            25 => self.detail(who, script),
            26 => self.simulate(who, script),
            27 => self.ask(script),
            28 => self.command(who, script),
            29 => self.datagram(who, script),
            30 => self.lose_answers(who, script),
            _ => self.request(who, script),
        }
    }

    fn who(&self, script: &mut Script<'_>) -> Option<Name> {
        Some(usize::from(script.byte()?) % self.world.clients.len())
    }

    fn client(&mut self, who: Name) -> &mut Client {
        &mut self.world.clients[who]
    }

    // --- what was told ---

    fn people(&self) -> impl Iterator<Item = &proto::ParticipantInfo> {
        let joined = self.world.clients.iter().filter_map(|client| client.joined.as_ref()?.participant.as_ref());
        self.world.clients.iter().flat_map(|client| client.people.values()).chain(joined)
    }

    /// In an order of their own: that of a map is another each time.
    fn chosen(script: &mut Script<'_>, all: impl Iterator<Item = String>) -> Option<String> {
        let all: Vec<_> = all.collect::<BTreeSet<_>>().into_iter().chain(["TR_x".into()]).collect();
        script.of(&all).cloned()
    }

    fn person(&self, script: &mut Script<'_>) -> Option<String> {
        Self::chosen(script, self.people().map(|person| person.sid.clone()))
    }

    fn track(&self, script: &mut Script<'_>) -> Option<String> {
        let own = self.world.clients.iter().flat_map(|client| client.published.values());
        let all = self.people().flat_map(|person| &person.tracks).chain(own);
        Self::chosen(script, all.map(|track| track.sid.clone()))
    }

    fn data_sid(&self, script: &mut Script<'_>) -> Option<String> {
        Self::chosen(script, self.people().flat_map(|person| &person.data_tracks).map(|track| track.sid.clone()))
    }

    // --- coming and going ---

    fn run(&mut self, time: Duration) {
        let time = time.min(TIME.saturating_sub(self.passed));
        self.passed += time;
        self.world.run(time);
    }

    fn wait(&mut self, script: &mut Script<'_>) -> Option<()> {
        let time = *script.of(&PAUSES)?;
        self.run(Duration::from_millis(time));
        Some(())
    }

    fn sleep(&mut self, script: &mut Script<'_>) -> Option<()> {
        self.world.now += Duration::from_secs(*script.of(&GAPS)?);
        self.world.input(Input::Timeout);
        Some(())
    }

    fn join(&mut self, script: &mut Script<'_>) -> Option<()> {
        let (name, room, how) = (*script.of(&NAMES)?, *script.of(&ROOMS[..2])?, script.byte()?);
        if self.world.clients.len() < PEOPLE {
            self.world.join_with(name, |join| dress(join, room, how));
        }
        Some(())
    }

    /// With a word or without; or who left says more.
    fn leave(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        match script.flag()? {
            true => self.world.signal(who, Request::Leave(proto::LeaveRequest::default())),
            false => {
                let connection = self.client(who).connection;
                self.client(who).careless = true;
                self.world.input(Input::Disconnect { connection });
            }
        }
        Some(())
    }

    fn resume(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        let how = script.byte()?;
        let sid = match how & 1 {
            0 => self.client(who).joined.as_ref().and_then(|joined| Some(joined.participant.as_ref()?.sid.clone())),
            _ => self.person(script),
        };
        let connection = self.world.connection();
        let client = self.client(who);
        (client.connection, client.closed, client.careless) = (connection, false, true);
        let mut join = super::joining(&client.identity);
        join.mode = if how & 2 > 0 { Mode::Dual } else { client.mode };
        join.request.reconnect = true;
        join.request.participant_sid = sid.unwrap_or_default();
        join.request.publisher_offer = (how & 4 > 0).then(|| described(client, script)).flatten();
        join.request.sync_state = (how & 8 > 0).then(|| self.state(who, script)).flatten();
        self.world.input(Input::Connect { connection, join: Box::new(join) });
        Some(())
    }

    fn weather(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        let jitter = Duration::from_millis(30);
        let all = [
            Weather::default(),
            Weather::tunnel(),
            Weather { jitter, doubles: 100, ..Weather::losing(50) },
            Weather::narrow(200_000),
        ];
        let weather = *script.of(&all)?;
        self.world.weather(who, weather);
        Some(())
    }

    // --- publishing ---

    fn announce(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        let (how, cid) = (script.byte()?, *script.of(&CIDS)?);
        let request = match how % 7 {
            0 | 1 => self.client(who).announce_audio(cid),
            2 => self.client(who).announce_video(cid, 1),
            3 => self.client(who).announce_video(cid, 3),
            4 => self.client(who).announce_svc(cid, Codec::Vp9),
            5 => self.client(who).announce_svc(cid, Codec::Av1),
            _ => {
                let sid = self.track(script)?;
                self.client(who).announce_backup(cid, &sid)
            }
        };
        self.world.signal(who, request);
        // Often it is offered at once.
        if how & 0x80 > 0 {
            self.send_offer(who);
        }
        Some(())
    }

    fn send_offer(&mut self, who: Name) {
        let client = self.client(who);
        let offer = client.offer();
        // Nobody films for long: it takes more time than all else.
        for source in [&mut client.audio, &mut client.video, &mut client.backup].into_iter().flatten() {
            source.on = false;
        }
        if let Some(offer) = offer {
            self.world.signal(who, Request::Offer(offer));
        }
    }

    fn offer(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        if script.byte()? % 4 > 0 {
            self.send_offer(who);
        } else if !self.client(who).offers() {
            let offer = self.client(who).restart_ice();
            self.world.signal(who, Request::Offer(offer));
        }
        Some(())
    }

    fn mangled_offer(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        self.client(who).careless = true;
        if let Some(mut offer) = described(self.client(who), script) {
            mangle(&mut offer.sdp, script)?;
            let message = if script.byte()? % 4 > 0 { Request::Offer(offer) } else { Request::Answer(offer) };
            self.world.signal(who, message);
        }
        Some(())
    }

    fn withdraw(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        let video = script.flag()?;
        if let Some(offer) = self.client(who).withdraw(video) {
            self.world.signal(who, Request::Offer(offer));
        }
        Some(())
    }

    /// For a moment.
    fn film(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        let time = *script.of(&PAUSES[..4])?;
        let now = self.world.now;
        let turn = |client: &mut Client, on: bool| {
            for source in [&mut client.audio, &mut client.video, &mut client.backup].into_iter().flatten() {
                source.resume(on, now);
            }
        };
        turn(self.client(who), true);
        self.run(Duration::from_millis(time));
        turn(self.client(who), false);
        Some(())
    }

    fn mute(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        let (muted, sid) = (script.flag()?, self.track(script)?);
        self.world.signal(who, Request::Mute(proto::MuteTrackRequest { sid, muted }));
        Some(())
    }

    // --- subscribing ---

    fn subscription(&self, script: &mut Script<'_>) -> Option<proto::UpdateSubscription> {
        let (how, sid) = (script.byte()?, self.track(script)?);
        let mut update = proto::UpdateSubscription { subscribe: how & 1 > 0, ..Default::default() };
        if how & 2 > 0 {
            let participant_sid = self.person(script)?;
            update.participant_tracks.push(proto::ParticipantTracks { participant_sid, track_sids: vec![sid] });
        } else {
            update.track_sids.push(sid);
        }
        Some(update)
    }

    fn subscribe(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        let update = self.subscription(script)?;
        self.world.signal(who, Request::Subscription(update));
        Some(())
    }

    fn settings(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        let (how, size) = (script.byte()?, u32::from(script.byte()?) * 8);
        let settings = proto::UpdateTrackSettings {
            track_sids: vec![self.track(script)?],
            disabled: how & 1 > 0,
            quality: i32::from(how >> 1 & 3),
            width: if how & 8 > 0 { size } else { 0 },
            height: if how & 16 > 0 { size } else { 0 },
            fps: u32::from(how >> 5) * 7,
            priority: u32::from(how >> 6),
        };
        self.world.signal(who, Request::TrackSetting(settings));
        Some(())
    }

    fn audience(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        let how = script.byte()?;
        let permission = proto::TrackPermission {
            participant_sid: if how & 1 > 0 { self.person(script)? } else { String::new() },
            participant_identity: if how & 2 > 0 { script.of(&NAMES)?.to_string() } else { String::new() },
            all_tracks: how & 4 > 0,
            track_sids: vec![self.track(script)?],
        };
        let track_permissions = if how & 8 > 0 { vec![permission] } else { vec![] };
        let said = proto::SubscriptionPermission { all_participants: how & 16 > 0, track_permissions };
        self.world.signal(who, Request::SubscriptionPermission(said));
        Some(())
    }

    fn state(&mut self, who: Name, script: &mut Script<'_>) -> Option<proto::SyncState> {
        let how = script.byte()?;
        let published = &self.world.clients[who].published;
        let publish_tracks = published.iter().map(|(cid, track)| {
            let (cid, track) = (cid.clone(), Some(track.clone()));
            proto::TrackPublishedResponse { cid, track }
        });
        let mut state = proto::SyncState {
            publish_tracks: if how & 1 > 0 { publish_tracks.collect() } else { vec![] },
            subscription: if how & 2 > 0 { Some(self.subscription(script)?) } else { None },
            track_sids_disabled: if how & 4 > 0 { vec![self.track(script)?] } else { vec![] },
            ..Default::default()
        };
        if how & 8 > 0 {
            let (publisher_sid, last_seq) = (self.person(script)?, script.byte()?.into());
            state.datachannel_receive_states.push(proto::DataChannelReceiveState { publisher_sid, last_seq });
        }
        if how & 16 > 0 {
            state.answer = described(self.client(who), script);
        }
        if how & 32 > 0 {
            state.data_subscription = Some(self.data_subscription(script)?);
        }
        Some(state)
    }

    fn sync(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        self.client(who).careless = true;
        let state = self.state(who, script)?;
        self.world.signal(who, Request::SyncState(state));
        Some(())
    }

    // --- data ---

    fn data(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        let (how, label) = (script.byte()?, *script.of(&LABELS)?);
        if how % 8 == 0 {
            let bytes = script.bytes()?;
            self.client(who).write(label, bytes);
            return Some(());
        }
        let sequence = script.byte()?.into();
        let mut packet = proto::DataPacket { sequence, value: self.value(how, who, script), ..Default::default() };
        if how & 16 > 0 {
            packet.destination_identities.push(script.of(&NAMES)?.to_string());
        }
        if how & 32 > 0 {
            packet.participant_identity = script.of(&NAMES)?.to_string();
        }
        self.client(who).send(label, &packet);
        Some(())
    }

    fn value(&mut self, how: u8, who: Name, script: &mut Script<'_>) -> Option<Value> {
        use proto::data_stream::{Chunk, Header, TextHeader, Trailer, header::ContentHeader};
        let stream_id = || "stream".to_owned();
        Some(match how % 8 {
            1 => Value::User(proto::UserPacket {
                payload: script.bytes()?.to_vec(),
                destination_sids: if how & 64 > 0 { vec![self.person(script)?] } else { vec![] },
                nonce: vec![how; 16],
                ..Default::default()
            }),
            2 => Value::StreamHeader(Header {
                stream_id: stream_id(),
                topic: if how & 64 > 0 { convo_sfu::CHAT_TOPIC.into() } else { "topic".into() },
                content_header: Some(ContentHeader::TextHeader(TextHeader::default())),
                inline_content: (how & 128 > 0).then(Vec::new),
                ..Default::default()
            }),
            3 => Value::StreamChunk(Chunk { stream_id: stream_id(), ..Default::default() }),
            4 => Value::StreamTrailer(Trailer { stream_id: stream_id(), ..Default::default() }),
            5 => Value::ChatMessage(proto::ChatMessage::default()),
            6 => {
                let asked = self.world.clients[who].data.iter().rev().find_map(|(_, packet)| match &packet.value {
                    Some(Value::RpcRequest(request)) => Some(request.id.clone()),
                    _ => None,
                });
                let value = (how & 64 > 0).then(|| proto::rpc_response::Value::Payload("yes".into()));
                Value::RpcResponse(proto::RpcResponse { request_id: asked.unwrap_or_default(), value })
            }
            _ => proto::DataPacket::decode(script.bytes()?).ok()?.value?,
        })
    }

    fn data_subscription(&self, script: &mut Script<'_>) -> Option<proto::UpdateDataSubscription> {
        let (subscribe, track_sid) = (script.flag()?, self.data_sid(script)?);
        let update = proto::update_data_subscription::Update { track_sid, subscribe, options: None };
        Some(proto::UpdateDataSubscription { updates: vec![update] })
    }

    fn data_track(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        let (how, handle) = (script.byte()?, u32::from(script.byte()? % 4));
        let request = match how % 4 {
            0 => {
                let name = script.of(&NAMES)?.to_string();
                let request = proto::PublishDataTrackRequest { pub_handle: handle, name, ..Default::default() };
                Request::PublishDataTrackRequest(request)
            }
            1 => Request::UnpublishDataTrackRequest(proto::UnpublishDataTrackRequest { pub_handle: handle }),
            2 => Request::UpdateDataSubscription(self.data_subscription(script)?),
            _ => {
                self.client(who).send_frame(handle as u16, &[how]);
                return Some(());
            }
        };
        self.world.signal(who, request);
        Some(())
    }

    // --- the rest ---

    fn detail(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        let (how, value) = (script.byte()?, script.byte()?);
        let request = match how % 3 {
            0 => Request::UpdateMetadata(proto::UpdateParticipantMetadata {
                name: format!("name{value}"),
                attributes: [("key".to_owned(), if how > 127 { String::new() } else { "value".into() })].into(),
                ..Default::default()
            }),
            1 => Request::UpdateAudioTrack(proto::UpdateLocalAudioTrack {
                track_sid: self.track(script)?,
                features: vec![value.into()],
            }),
            _ => Request::UpdateVideoTrack(proto::UpdateLocalVideoTrack {
                track_sid: self.track(script)?,
                width: value.into(),
                height: how.into(),
            }),
        };
        self.world.signal(who, request);
        Some(())
    }

    fn simulate(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        use proto::simulate_scenario::Scenario;
        let value = script.byte()?;
        let all = [
            Scenario::SpeakerUpdate(value.into()),
            Scenario::NodeFailure(true),
            Scenario::Migration(true),
            Scenario::ServerLeave(true),
            Scenario::SwitchCandidateProtocol(i32::from(value % 3)),
            Scenario::SubscriberBandwidth(i64::from(value) * 10_000),
            Scenario::DisconnectSignalOnResume(true),
            Scenario::DisconnectSignalOnResumeNoMessages(true),
            Scenario::LeaveRequestFullReconnect(true),
        ];
        let scenario = Some(*script.of(&all)?);
        self.client(who).careless = true;
        self.world.signal(who, Request::Simulate(proto::SimulateScenario { scenario }));
        Some(())
    }

    fn ask(&mut self, script: &mut Script<'_>) -> Option<()> {
        let (what, flag) = (script.byte()?, script.flag()?);
        let (room, identity) = (script.of(&ROOMS)?.to_string(), script.of(&NAMES)?.to_string());
        let person =
            || proto::RoomParticipantIdentity { room: room.clone(), identity: identity.clone(), ..Default::default() };
        let ask = match what % 16 {
            0 => Ask::CreateRoom(proto::CreateRoomRequest { name: room, max_participants: 3, ..Default::default() }),
            1 => Ask::ListRooms(proto::ListRoomsRequest::default()),
            2 => Ask::ListParticipants(proto::ListParticipantsRequest { room }),
            3 => Ask::GetParticipant(person()),
            4 => Ask::RemoveParticipant(person()),
            5 => Ask::MutePublishedTrack(proto::MuteRoomTrackRequest {
                track_sid: self.track(script)?,
                muted: flag,
                room,
                identity,
            }),
            6 => Ask::UpdateParticipant(proto::UpdateParticipantRequest {
                permission: flag.then(|| permission(what)),
                metadata: "told".into(),
                room,
                identity,
                ..Default::default()
            }),
            7 => Ask::UpdateSubscriptions(proto::UpdateSubscriptionsRequest {
                track_sids: vec![self.track(script)?],
                subscribe: flag,
                room,
                identity,
                ..Default::default()
            }),
            8 => Ask::SendData(proto::SendDataRequest {
                data: vec![what],
                destination_sids: if flag { vec![self.person(script)?] } else { vec![] },
                room,
                ..Default::default()
            }),
            9 => Ask::UpdateRoomMetadata(proto::UpdateRoomMetadataRequest { room, metadata: "told".into() }),
            10 | 11 => Ask::PerformRpc(proto::PerformRpcRequest {
                room,
                destination_identity: identity,
                response_timeout_ms: if flag { 100 } else { 0 },
                ..Default::default()
            }),
            12 | 13 => {
                let destination_room = script.of(&ROOMS)?.to_string();
                Ask::ForwardParticipant(proto::ForwardParticipantRequest { room, identity, destination_room })
            }
            14 => {
                let destination_room = script.of(&ROOMS)?.to_string();
                let request = proto::MoveParticipantRequest { room, identity, destination_room };
                Ask::Move { request, token: "token".into() }
            }
            _ if flag => Ask::DeleteRoom(proto::DeleteRoomRequest { room }),
            _ => Ask::Drain,
        };
        self.world.input(Input::Ask { id: AskId(3), ask: Box::new(ask) });
        Some(())
    }

    fn command(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        let (what, how) = (script.byte()?, script.byte()?);
        let source = if how & 1 > 0 { proto::TrackSource::Camera } else { proto::TrackSource::Microphone };
        let command = match what % 4 {
            0 => Command::Evict(proto::DisconnectReason::ParticipantRemoved),
            1 => Command::Mute(vec![source]),
            2 => Command::Permit(permission(how)),
            _ => Command::Data(Box::default()),
        };
        let connection = self.client(who).connection;
        self.world.input(Input::Command { connection, command });
        Some(())
    }

    /// From where its packets come: anything, or the last of its own with a byte changed.
    fn datagram(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        let how = script.byte()?;
        let mut contents = if how & 1 > 0 { script.bytes()?.to_vec() } else { self.client(who).last_spoken.clone() };
        if how & 1 == 0 && !contents.is_empty() {
            let at = usize::from(script.byte()?) % contents.len();
            contents[at] ^= how;
        }
        let (source, destination) = (self.client(who).address, super::SERVER.parse().ok()?);
        let (proto, arrived) = (Protocol::Udp, self.world.now);
        let datagram = Datagram { proto, source, destination, arrived, contents: &contents };
        self.world.input(Input::Datagram(datagram));
        Some(())
    }

    fn lose_answers(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        let loses = script.flag()?;
        self.client(who).loses_answers = loses;
        Some(())
    }

    /// Any request at all, or what it heard last in a question.
    fn request(&mut self, who: Name, script: &mut Script<'_>) -> Option<()> {
        let request = proto::SignalRequest::decode(script.bytes()?).ok().and_then(|request| request.message);
        self.client(who).careless = true;
        if let Some(message) = request {
            self.world.signal(who, message);
        }
        Some(())
    }
}

fn dress(join: &mut Join, room: &str, how: u8) {
    join.room = room.into();
    join.mode = if how & 1 > 0 { Mode::Dual } else { Mode::Single };
    join.keeps_chat = how & 2 > 0;
    join.permission.hidden = how & 4 > 0;
    join.create_room = how & 8 == 0;
    if how & 16 > 0 {
        join.kind = proto::participant_info::Kind::Agent;
    }
    let settings = join.request.connection_settings.get_or_insert_default();
    settings.auto_subscribe = how & 32 == 0;
    settings.auto_subscribe_data_track = Some(how & 64 > 0);
}

fn permission(how: u8) -> proto::ParticipantPermission {
    proto::ParticipantPermission {
        can_publish: how & 1 > 0,
        can_subscribe: how & 2 > 0,
        can_publish_data: how & 4 > 0,
        can_update_metadata: how & 8 > 0,
        hidden: how & 16 > 0,
        can_publish_sources: if how & 32 > 0 { vec![proto::TrackSource::Camera.into()] } else { vec![] },
        ..Default::default()
    }
}

/// What it would offer now, or what it was told last.
fn described(client: &mut Client, script: &mut Script<'_>) -> Option<proto::SessionDescription> {
    if script.flag()? {
        return client.offer();
    }
    client.responses.iter().rev().find_map(|response| match response {
        Response::Answer(description) | Response::Offer(description) => Some(description.clone()),
        _ => None,
    })
}

/// Does something to a description that no client does.
fn mangle(sdp: &mut String, script: &mut Script<'_>) -> Option<()> {
    let (what, at, other) = (script.byte()?, usize::from(script.byte()?), usize::from(script.byte()?));
    let mut sections: Vec<String> = vec![String::new()];
    for line in sdp.split_inclusive('\n') {
        if line.starts_with("m=") {
            sections.push(String::new());
        }
        sections.last_mut()?.push_str(line);
    }
    let (one, two) = (at % sections.len(), other % sections.len());
    let mut lines: Vec<String> = sdp.split_inclusive('\n').map(str::to_owned).collect();
    let line = (at + 256 * other) % lines.len().max(1);
    match what % 9 {
        0 => drop(sections.remove(one)),
        1 => sections.push(sections[one].clone()),
        2 => sections.swap(one, two),
        3 => sections.truncate(one + 1),
        4 => sections[one] = sections[one].replace("a=sendonly", "a=inactive").replace("a=recvonly", "a=sendrecv"),
        5 => sections[one] = sections[one].replacen(" 9 ", " 0 ", 1),
        _ if lines.is_empty() => {}
        6 => drop(lines.remove(line)),
        7 => lines.insert(line, lines[line].clone()),
        _ => lines[line] = format!("{}\r\n", String::from_utf8_lossy(script.bytes()?)),
    }
    *sdp = if what % 9 < 6 { sections.concat() } else { lines.concat() };
    Some(())
}
