//! The table of contents of what a client may ask.

use super::{audience::Audience, *};
use crate::io::Command;
use proto::signal_request::Message as Request;

impl Room {
    pub(crate) fn on_signal(&mut self, key: ParticipantKey, request: Request, cx: &mut Cx<'_>) {
        self.people[key].last_signal = cx.now;
        match request {
            Request::Offer(offer) => self.on_offer(key, &offer, cx),
            Request::Answer(answer) => self.on_answer(key, &answer, cx),
            // ICE learns the client's addresses by its checks ([`crate::sdp::without_candidates`]).
            Request::Trickle(_) => {}
            Request::AddTrack(request) => self.on_add_track(key, request, cx),
            Request::Mute(request) => self.on_mute(key, &request, cx),
            Request::Subscription(request) => self.on_subscription(key, &request, cx),
            Request::TrackSetting(settings) => self.on_track_settings(key, &settings, cx),
            Request::SubscriptionPermission(said) => self.on_audience(key, Arc::new(Audience::of(&said)), cx),
            Request::SyncState(state) => self.on_sync_state(key, &state, cx),
            Request::UpdateMetadata(update) => self.on_update_metadata(key, update, cx),
            Request::UpdateAudioTrack(update) => self.on_update_audio(key, &update, cx),
            Request::UpdateVideoTrack(update) => self.on_update_video(key, &update, cx),
            Request::PublishDataTrackRequest(request) => self.on_publish_data_track(key, request, cx),
            Request::UnpublishDataTrackRequest(request) => self.on_unpublish_data_track(key, &request, cx),
            Request::UpdateDataSubscription(update) => self.on_data_subscription(key, &update, cx),
            Request::Ping(_) => self.say(key, Message::Pong(cx.unix_ms), cx),
            Request::PingReq(ping) => {
                let pong = proto::Pong { last_ping_timestamp: ping.timestamp, timestamp: cx.unix_ms };
                self.say(key, Message::PongResp(pong), cx);
            }
            Request::Leave(leave) => self.on_leave(key, &leave, cx),
            Request::Simulate(scenario) => self.on_simulate(key, &scenario, cx),
            Request::StoreDataBlobRequest(request) => {
                self.respond(key, request.request_id, Reason::NotAllowed, "data blobs are not kept here", cx);
            }
            Request::GetDataBlobRequest(request) => {
                self.respond(key, request.request_id, Reason::NotAllowed, "data blobs are not kept here", cx);
            }
            // Superseded by track settings; no SDK of today sends it.
            Request::UpdateLayers(_) => {}
        }
    }

    pub(crate) fn on_command(&mut self, key: ParticipantKey, command: Command, cx: &mut Cx<'_>) {
        match command {
            Command::Evict(reason) => self.remove(key, reason, cx),
            Command::Mute(sources) => self.mute_sources(key, &sources, cx),
            Command::Permit(permission) => self.permit(key, permission, cx),
            Command::Data(packet) => self.send_to(key, crate::peer::Lane::Reliable, &packet, cx),
            Command::Say(response) => {
                if let Some(message) = response.message {
                    self.say(key, message, cx);
                }
            }
        }
    }

    fn on_update_metadata(&mut self, key: ParticipantKey, update: proto::UpdateParticipantMetadata, cx: &mut Cx<'_>) {
        let id = update.request_id;
        if !self.people[key].permission().can_update_metadata {
            return self.respond(key, id, Reason::NotAllowed, "does not have permission to update own metadata", cx);
        }
        if let Err(what) = self.limits(key, &update.name, &update.metadata, &update.attributes) {
            return self.respond(key, id, Reason::LimitExceeded, what, cx);
        }
        let person = &self.people[key];
        // SDKs say the name again with each change of something else.
        let renamed = (!update.name.is_empty() && update.name != person.info.name)
            .then(|| EventKind::Renamed { connection: person.last_connection, name: update.name.clone() });
        self.update_details(key, update.name, update.metadata, update.attributes, cx);
        if let Some(renamed) = renamed {
            self.tell(renamed, cx);
        }
        self.respond(key, id, Reason::Ok, "", cx);
    }

    /// What is empty stays; an attribute set to nothing is deleted.
    pub(super) fn update_details(
        &mut self,
        key: ParticipantKey,
        name: String,
        metadata: String,
        attributes: HashMap<String, String>,
        cx: &mut Cx<'_>,
    ) {
        let info = &mut self.people[key].info;
        if !name.is_empty() {
            info.name = name;
        }
        if !metadata.is_empty() {
            info.metadata = metadata;
        }
        info.attributes.extend(attributes);
        info.attributes.retain(|_, value| !value.is_empty());
        self.changed(key, cx);
    }

    /// Whether it may be said of the participant. What was said before and stays counts too: attributes would add up without end.
    pub(super) fn limits(
        &self,
        key: ParticipantKey,
        name: &str,
        metadata: &str,
        attributes: &HashMap<String, String>,
    ) -> Result<(), &'static str> {
        let known = &self.people[key].info.attributes;
        let kept = known.iter().filter(|(name, _)| !attributes.is_empty() && !attributes.contains_key(*name));
        let set = attributes.iter().filter(|(_, value)| !value.is_empty());
        let size: usize = kept.chain(set).map(|(name, value)| name.len() + value.len()).sum();
        match () {
            () if name.len() > NAME => Err("name is too long"),
            () if metadata.len() > METADATA => Err("metadata size exceeds limits"),
            () if size > ATTRIBUTES => Err("attributes size exceeds limits"),
            () => Ok(()),
        }
    }

    pub(super) fn respond(&mut self, key: ParticipantKey, id: u32, reason: Reason, message: &str, cx: &mut Cx<'_>) {
        let response = proto::RequestResponse {
            request_id: id,
            reason: reason.into(),
            message: message.to_owned(),
            ..Default::default()
        };
        self.say(key, Message::RequestResponse(response), cx);
    }
}

pub(super) use proto::request_response::Reason;

/// LiveKit's limits, in bytes.
const NAME: usize = 256;
const METADATA: usize = 512 << 10;
const ATTRIBUTES: usize = 64 << 10;
