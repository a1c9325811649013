//! What no client may ever be told: LiveKit's native SDKs end their process over some of it. Checked in debug builds.

use livekit_protocol as proto;
use proto::signal_response::Message;

/// Why the response must not leave.
pub(crate) fn fault(message: &Message) -> Option<&'static str> {
    match message {
        Message::Join(join) => fault_of_join(join),
        Message::Update(update) => update.participants.iter().find_map(fault_of_participant),
        Message::TrackPublished(published) => match &published.track {
            Some(track) if !published.cid.is_empty() => fault_of_track(track),
            _ => Some("a published track without a track or a client id"),
        },
        Message::RoomUpdate(update) => match &update.room {
            Some(room) => fault_of_room(room),
            None => Some("a room update without a room"),
        },
        Message::Answer(description) | Message::Offer(description) => fault_of_description(description),
        Message::Reconnect(reconnect) => reconnect.server_info.is_none().then_some("no server info"),
        Message::TrackSubscribed(subscribed) => (!subscribed.track_sid.starts_with("TR_")).then_some("a track's sid"),
        Message::RefreshToken(token) => token.is_empty().then_some("an empty token"),
        _ => None,
    }
}

fn fault_of_join(join: &proto::JoinResponse) -> Option<&'static str> {
    let versioned = join.server_info.as_ref().is_some_and(|info| info.protocol > 0 && !info.version.is_empty());
    match (&join.room, &join.participant) {
        _ if join.ping_interval <= 0 || join.ping_timeout <= join.ping_interval => Some("a ping interval of nothing"),
        _ if !versioned => Some("no server version"),
        (Some(room), Some(participant)) => fault_of_room(room)
            .or_else(|| fault_of_participant(participant))
            .or_else(|| join.other_participants.iter().find_map(fault_of_participant)),
        _ => Some("a join without a room or a participant"),
    }
}

fn fault_of_room(room: &proto::Room) -> Option<&'static str> {
    (!room.sid.starts_with("RM_") || room.name.is_empty()).then_some("a room's sid and name")
}

fn fault_of_participant(participant: &proto::ParticipantInfo) -> Option<&'static str> {
    match () {
        () if !participant.sid.starts_with("PA_") => Some("a participant's sid"),
        () if participant.identity.is_empty() => Some("a participant's identity"),
        () if serde_json::to_value(participant).is_err() => Some("what has no name in JSON"),
        () => participant.tracks.iter().find_map(fault_of_track),
    }
}

fn fault_of_track(track: &proto::TrackInfo) -> Option<&'static str> {
    (!track.sid.starts_with("TR_")).then_some("a track's sid")
}

/// Each line that we send on names a participant and a track, as clients take them apart.
fn fault_of_description(description: &proto::SessionDescription) -> Option<&'static str> {
    let sdp = &description.sdp;
    if !sdp.starts_with("v=0\r\n") {
        return Some("not a session description");
    }
    let mut sections = sdp.split("\r\nm=").skip(1);
    let bad = |section: &str| {
        let sends = section.contains("\r\na=sendonly\r\n") || section.contains("\r\na=sendrecv\r\n");
        let named = section.lines().any(|line| line.starts_with("a=msid:PA_") && line.contains("|TR_"));
        sends && !named
    };
    sections.any(bad).then_some("a sending line that names no track")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_client_is_found() {
        let track = |sid: &str| Some(proto::TrackInfo { sid: sid.into(), ..Default::default() });
        let published =
            |sid| Message::TrackPublished(proto::TrackPublishedResponse { cid: "c".into(), track: track(sid) });
        assert_eq!(fault(&published("TR_x")), None);
        assert!(fault(&published("x")).is_some());
        assert!(fault(&Message::RoomUpdate(proto::RoomUpdate { room: None })).is_some());
        assert!(fault(&Message::Join(proto::JoinResponse::default())).is_some());
        let sdp = |msid: &str| {
            let sdp = format!("v=0\r\nm=audio 9 X 111\r\na=mid:0\r\na=sendonly\r\na=msid:{msid} t\r\n");
            fault(&Message::Answer(proto::SessionDescription { sdp, ..Default::default() }))
        };
        assert_eq!(sdp("PA_a|TR_b"), None);
        assert!(sdp("random").is_some());
    }
}
