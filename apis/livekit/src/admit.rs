//! Who may come in: the token, then, where the room is one of Convo's meetings, the meeting's own rules.

use crate::{
    Doors,
    join::{self, Query, Version, Wish},
    token::{Claims, Token},
    twirp::rooms::check_dispatch,
};
use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use convo_domain::{
    error::Error,
    limit::IDENTITY_CHARS,
    meeting::{Participant, act::Attendance, rules::may_share_screen},
    room::{Room, RoomRef},
};
use convo_kit::{app::IceServer, door::bearer, envelope, voice};
use convo_sfu::{Join, depends};
use livekit_protocol::{self as proto, TrackSource, participant_info};
use std::{borrow::Cow, net::IpAddr};

/// Characters of a room's name.
pub(crate) const ROOM_CHARS: usize = 256;

/// Why somebody stays out: a status and plain text, as LiveKit's clients show it.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) StatusCode, pub(crate) Cow<'static, str>);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let status = match voice::status(error.kind) {
            // Clients take 401 and 403 as final; at anything else they try again, or an older protocol.
            status if status.is_server_error() || status == StatusCode::UNAUTHORIZED => status,
            _ => StatusCode::FORBIDDEN,
        };
        if status.is_server_error() {
            tracing::error!(%error, cause = ?error.source, "a LiveKit client could not be let in");
        }
        Self(status, error.message)
    }
}

/// Somebody with a good token, at the door.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) token: Token,
    pub(crate) wish: Wish,
    pub(crate) room: String,
    pub(crate) identity: String,
    pub(crate) address: IpAddr,
}

/// What the room is to Convo, and what the one who comes is in it.
pub(crate) enum Place {
    /// A room that LiveKit's own API made, or the first who came.
    Elsewhere,
    /// A meeting, and one of its participants.
    Seat(Box<Seat>),
    /// A meeting, and somebody whom nobody sees: a recorder.
    Watch(Box<Room>),
}

pub(crate) struct Seat {
    pub(crate) attendance: Attendance,
    pub(crate) participant: Participant,
    /// The token is an operator's, not one of a join through Convo's own APIs: its grants are the operator's word.
    pub(crate) vouched: bool,
    /// By the media, so far.
    pub(crate) shown: Shown,
}

/// What the media shows of a participant, and lets them do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) permission: proto::ParticipantPermission,
}

/// Convo's own tokens have this attribute; an operator's token says itself what its bearer may do.
pub(crate) const ROLE: &str = "role";

impl Shown {
    /// As the meeting has it.
    pub(crate) fn of(room: &Room, participant: &Participant) -> Self {
        Self {
            name: participant.display_name.clone(),
            role: envelope::role(participant.role).to_owned(),
            permission: permission(room, participant),
        }
    }

    /// As a media server says it, as far as the meeting has a say.
    pub(crate) fn by(info: &proto::ParticipantInfo) -> Self {
        let may = info.permission.clone().unwrap_or_default();
        let mut can_publish_sources = may.can_publish_sources;
        can_publish_sources.sort_unstable();
        Self {
            name: info.name.clone(),
            role: info.attributes.get(ROLE).cloned().unwrap_or_default(),
            permission: proto::ParticipantPermission {
                can_subscribe: may.can_subscribe,
                can_publish: may.can_publish,
                can_publish_data: may.can_publish_data,
                can_publish_sources,
                ..proto::ParticipantPermission::default()
            },
        }
    }
}

/// The token of the request: `Authorization: Bearer …`, else `access_token`.
pub(crate) fn token<'a>(headers: &'a HeaderMap, query: &'a Query) -> Option<&'a str> {
    match headers.contains_key(header::AUTHORIZATION) {
        true => bearer(headers),
        false => query.get("access_token").map(String::as_str).filter(|token| !token.is_empty()),
    }
}

impl Doors {
    /// All that can be said without asking the meeting.
    pub(crate) fn greet(
        &self,
        version: Version,
        headers: &HeaderMap,
        query: &Query,
        address: IpAddr,
    ) -> Result<Visitor, Refused> {
        let refused = |status, text: &'static str| Refused(status, text.into());
        let unauthorized = |text| refused(StatusCode::UNAUTHORIZED, text);
        let bad = |text| refused(StatusCode::BAD_REQUEST, text);
        let given = token(headers, query).ok_or_else(|| unauthorized("no access token came"))?;
        let mut token = self.keys.read(given, self.app.domain.now()).ok_or_else(|| unauthorized("invalid token"))?;
        let Claims { sub, video, .. } = &token.claims;
        if !video.room_join {
            return Err(unauthorized("the token does not permit joining"));
        }
        let (mut identity, mut room) = (sub.clone(), video.room.clone());
        if identity.is_empty() {
            return Err(bad("the token names no identity"));
        }
        if room.is_empty() {
            room = query.get("room").cloned().unwrap_or_default();
        }
        if room.is_empty() {
            return Err(bad("no room name"));
        }
        let mut wish = join::read(version, query).map_err(bad)?;
        if let Some(publish) = &wish.publish {
            if !video.may_publish() {
                return Err(unauthorized("the token does not permit publishing"));
            }
            identity = format!("{identity}#{publish}");
            token.claims.video.publish_only();
        }
        if identity.chars().count() > IDENTITY_CHARS || room.chars().count() > ROOM_CHARS {
            return Err(bad("the identity or the room name is too long"));
        }
        take_over_own(&mut token.claims, &mut wish.request).map_err(unauthorized)?;
        // Everybody in the room is told all of it.
        if check_dispatch(&token.claims.metadata, &token.claims.attributes).is_err() {
            return Err(bad("metadata or attributes are too large"));
        }
        wish.request.client_info.get_or_insert_default().address = address.to_string();
        Ok(Visitor { token, wish, room, identity, address })
    }

    /// Whether the meeting would let them in; changes nothing.
    pub(crate) async fn may_enter(&self, visitor: &Visitor) -> Result<(), Refused> {
        let Some(room) = self.meeting(&visitor.room).await? else { return Ok(()) };
        match visitor.claims().participant() {
            Some(id) => self.app.domain.may_attend(id, RoomRef::Id(room.id)).await.map(drop)?,
            None => self.app.domain.may_vouch(room.id, &visitor.identity, visitor.assists()).await?,
        }
        Ok(())
    }

    /// Lets them in: takes the seat, if the room is a meeting.
    pub(crate) async fn enter(&self, visitor: &Visitor) -> Result<(Join, Place), Refused> {
        let Some(room) = self.meeting(&visitor.room).await? else {
            return Ok((self.join(visitor, visitor.room.clone(), false), Place::Elsewhere));
        };
        if visitor.watches() {
            let join = self.join(visitor, room.code.clone(), false);
            return Ok((join, Place::Watch(Box::new(room))));
        }
        let domain = &self.app.domain;
        let own = visitor.claims().participant();
        let attendance = match own {
            Some(id) => domain.attend_as(id, RoomRef::Id(room.id)).await?,
            None => domain.vouch(room.id, &visitor.identity, &visitor.claims().name, visitor.assists()).await?,
        };
        let seated = attendance.participant.clone().filter(Participant::seated);
        let participant = seated.ok_or(Refused(StatusCode::FORBIDDEN, "You are in the waiting room".into()))?;
        let mut join = self.join(visitor, attendance.room.code.clone(), true);
        let shown = Shown::of(&attendance.room, &participant);
        if own.is_some() {
            // Who they are now, which the token may no longer know.
            join.name = shown.name.clone();
            join.permission = shown.permission.clone();
            join.attributes.insert(ROLE.into(), shown.role.clone());
        }
        Ok((join, Place::Seat(Box::new(Seat { attendance, participant, vouched: own.is_none(), shown }))))
    }

    pub(crate) async fn meeting(&self, name: &str) -> Result<Option<Room>, Error> {
        self.host.meeting(name).await
    }

    fn join(&self, visitor: &Visitor, room: String, keeps_chat: bool) -> Join {
        let claims = visitor.claims();
        let ice = self.app.ice.for_participant(&visitor.identity, self.app.domain.now());
        Join {
            room,
            room_config: claims.room_config.clone().unwrap_or_default(),
            identity: visitor.identity.clone(),
            name: claims.name.clone(),
            metadata: claims.metadata.clone(),
            attributes: claims.attributes.clone(),
            kind: claims.kind(),
            permission: claims.video.permission(),
            mode: visitor.wish.mode,
            request: visitor.wish.request.clone(),
            ice_servers: ice.into_iter().map(ice_server).collect(),
            keeps_chat,
            create_room: true,
        }
    }
}

impl Visitor {
    pub(crate) fn claims(&self) -> &Claims {
        &self.token.claims
    }

    /// Nobody sees them: they take no seat.
    fn watches(&self) -> bool {
        self.claims().video.hidden || self.claims().kind() == participant_info::Kind::Egress
    }

    /// As [`assists`], before they are there.
    fn assists(&self) -> bool {
        depends(self.claims().kind(), &self.claims().video.permission())
    }
}

/// An agent or a recorder, who takes nobody's place.
pub(crate) fn assists(who: &proto::ParticipantInfo) -> bool {
    depends(who.kind(), &who.permission.clone().unwrap_or_default())
}

/// Metadata and attributes of the client's own, where the token permits them. An empty value deletes nothing.
fn take_over_own(claims: &mut Claims, request: &mut proto::JoinRequest) -> Result<(), &'static str> {
    if request.metadata.is_empty() && request.participant_attributes.is_empty() {
        return Ok(());
    }
    if !claims.video.may_update_own_metadata() {
        return Err("the token does not permit metadata or attributes of one's own");
    }
    if !request.metadata.is_empty() {
        claims.metadata = request.metadata.clone();
    }
    let own = request.participant_attributes.iter().filter(|(_, value)| !value.is_empty());
    claims.attributes.extend(own.map(|(name, value)| (name.clone(), value.clone())));
    Ok(())
}

/// What a participant of a meeting may do in its media room.
fn permission(room: &Room, participant: &Participant) -> proto::ParticipantPermission {
    let seated = participant.seated();
    let all_but_the_screen = [TrackSource::Camera as i32, TrackSource::Microphone as i32];
    let sources = match may_share_screen(room, participant.role) {
        true => vec![],
        false => all_but_the_screen.to_vec(),
    };
    proto::ParticipantPermission {
        can_subscribe: seated,
        can_publish: seated,
        can_publish_data: seated,
        can_publish_sources: sources,
        ..proto::ParticipantPermission::default()
    }
}

fn ice_server(server: IceServer) -> proto::IceServer {
    proto::IceServer {
        urls: vec![server.urls],
        username: server.username.unwrap_or_default(),
        credential: server.credential.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_comes_before_the_query() {
        let query = Query::from([("access_token".to_owned(), "query".to_owned())]);
        let headers = |value: &'static str| HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
        assert_eq!(token(&headers("Bearer header"), &query), Some("header"));
        assert_eq!(token(&headers("Basic header"), &query), None, "a header that is no good is not passed over");
        assert_eq!(token(&HeaderMap::new(), &query), Some("query"));
        assert_eq!(token(&HeaderMap::new(), &Query::new()), None);
    }

    #[test]
    fn what_a_server_says_is_compared_where_the_meeting_has_a_say() {
        let sources = [TrackSource::Microphone as i32, TrackSource::Camera as i32];
        let permission = proto::ParticipantPermission {
            can_publish: true,
            can_publish_sources: sources.into(),
            can_update_metadata: true,
            ..Default::default()
        };
        let info = proto::ParticipantInfo {
            name: "Ann".into(),
            attributes: [(ROLE.into(), "host".into()), ("user_id".into(), "1".into())].into(),
            permission: Some(permission),
            ..Default::default()
        };
        let shown = Shown::by(&info);
        assert_eq!((&shown.name[..], &shown.role[..]), ("Ann", "host"));
        assert_eq!(shown.permission.can_publish_sources, [sources[1], sources[0]]);
        assert!(shown.permission.can_publish && !shown.permission.can_update_metadata);
    }

    #[test]
    fn own_attributes_need_a_grant() {
        let request = || proto::JoinRequest {
            metadata: "mine".into(),
            participant_attributes: [("a", ""), ("b", "2")].map(|(k, v)| (k.into(), v.into())).into(),
            ..Default::default()
        };
        let claims = |video: serde_json::Value| -> Claims {
            let claims = serde_json::json!({"metadata": "theirs", "attributes": {"a": "1", "b": "1"}, "video": video});
            serde_json::from_value(claims).unwrap()
        };
        assert!(take_over_own(&mut claims(serde_json::json!({})), &mut request()).is_err());
        assert!(take_over_own(&mut claims(serde_json::json!({})), &mut Default::default()).is_ok());
        let mut granted = claims(serde_json::json!({"canUpdateOwnMetadata": true}));
        take_over_own(&mut granted, &mut request()).unwrap();
        assert_eq!(granted.metadata, "mine");
        assert_eq!((&granted.attributes["a"][..], &granted.attributes["b"][..]), ("1", "2"));
    }
}
