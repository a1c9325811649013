//! Who may subscribe to a participant's tracks, as the participant says it.

use super::{data::DATA_TRACKS, publish::TRACKS};
use livekit_protocol as proto;
use std::collections::{HashMap, HashSet};

/// Permissions for somebody, of one message: those that are more are passed over, and admit nobody.
const PERMISSIONS: usize = 2_000;
/// Tracks that a permission names, at most: more there are not.
const SIDS: usize = TRACKS + DATA_TRACKS;

/// Looked up for each subscriber of each track, so kept by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Audience {
    everybody: bool,
    by_sid: HashMap<String, Tracks>,
    by_identity: HashMap<String, Tracks>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Tracks {
    all: bool,
    sids: HashSet<String>,
}

impl Tracks {
    fn admit(&mut self, permission: &proto::TrackPermission) {
        self.all |= permission.all_tracks;
        self.sids.extend(permission.track_sids.iter().take(SIDS).cloned());
    }

    fn contain(&self, sid: &str) -> bool {
        self.all || self.sids.contains(sid)
    }
}

impl Audience {
    pub(super) fn everybody() -> Self {
        Self { everybody: true, ..Self::default() }
    }

    pub(super) fn of(said: &proto::SubscriptionPermission) -> Self {
        if said.all_participants {
            return Self::everybody();
        }
        let mut audience = Self::default();
        let for_somebody =
            |p: &&proto::TrackPermission| !p.participant_sid.is_empty() || !p.participant_identity.is_empty();
        for permission in said.track_permissions.iter().filter(for_somebody).take(PERMISSIONS) {
            let Self { by_sid, by_identity, .. } = &mut audience;
            let names = [(by_sid, &permission.participant_sid), (by_identity, &permission.participant_identity)];
            for (known, name) in names.into_iter().filter(|(_, name)| !name.is_empty()) {
                known.entry(name.clone()).or_default().admit(permission);
            }
        }
        audience
    }

    pub(super) fn admits(&self, subscriber: &proto::ParticipantInfo, track_sid: &str) -> bool {
        let named = [self.by_sid.get(&subscriber.sid), self.by_identity.get(&subscriber.identity)];
        self.everybody || named.into_iter().flatten().any(|tracks| tracks.contain(track_sid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission(sid: &str, identity: &str, tracks: &[&str]) -> proto::TrackPermission {
        proto::TrackPermission {
            participant_sid: sid.into(),
            participant_identity: identity.into(),
            all_tracks: tracks.is_empty(),
            track_sids: tracks.iter().map(|sid| (*sid).to_owned()).collect(),
        }
    }

    fn audience(track_permissions: Vec<proto::TrackPermission>) -> Audience {
        Audience::of(&proto::SubscriptionPermission { all_participants: false, track_permissions })
    }

    #[test]
    fn who_is_named_may_have_what_is_named() {
        let audience = audience(vec![
            permission("PA_bob", "", &["TR_1"]),
            permission("PA_bob", "", &["TR_2"]),
            permission("", "cid", &[]),
            permission("PA_dan", "dan", &["TR_1"]),
            permission("", "", &[]),
        ]);
        let may = |sid: &str, identity: &str, track: &str| {
            let info = proto::ParticipantInfo { sid: sid.into(), identity: identity.into(), ..Default::default() };
            audience.admits(&info, track)
        };
        assert!(may("PA_bob", "bob", "TR_1") && may("PA_bob", "bob", "TR_2") && !may("PA_bob", "bob", "TR_3"));
        assert!(may("PA_cid", "cid", "TR_3"));
        assert!(may("PA_dan", "", "TR_1") && may("", "dan", "TR_1") && !may("PA_dan", "dan", "TR_2"));
        assert!(!may("PA_eve", "eve", "TR_1"), "who is not named may have nothing");
    }

    #[test]
    fn a_million_permissions_take_no_room() {
        assert_eq!(audience(vec![permission("", "", &[]); 1_000_000]), Audience::default());
        assert_eq!(audience(vec![permission("PA_bob", "", &["TR_1"]); 100_000]).by_sid.len(), 1);
        let people = (0..100_000).map(|n| permission("", &n.to_string(), &[]));
        assert_eq!(audience(people.collect()).by_identity.len(), PERMISSIONS);
        let sids: Vec<_> = (0..100_000).map(|n| n.to_string()).collect();
        let sids: Vec<_> = sids.iter().map(String::as_str).collect();
        assert_eq!(audience(vec![permission("", "bob", &sids)]).by_identity["bob"].sids.len(), SIDS);
    }
}
