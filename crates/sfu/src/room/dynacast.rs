//! Dynacast: a publisher need not encode what nobody sees.

use super::*;
use proto::VideoQuality;
use std::time::Duration;
use str0m::media::MediaKind;

/// Less is asked for only after so long, lest a viewer who turns a page costs a key frame; more at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the publisher of a video track was told.
#[derive(Debug, Default)]
pub(crate) struct Dynacast {
    told: Option<Want>,
    /// Since when less is wanted than was told.
    less_since: Option<Instant>,
}

/// The number of encodings that are wanted, from the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Want(u8);

impl Room {
    pub(super) fn dynacast(&mut self, cx: &mut Cx<'_>) {
        for key in self.tracks.keys().collect::<Vec<_>>() {
            if self.tracks[key].kind == MediaKind::Video {
                self.dynacast_of(key, cx);
            }
        }
    }

    fn dynacast_of(&mut self, key: TrackKey, cx: &mut Cx<'_>) {
        let want = self.wanted_of(key);
        let dynacast = &mut self.tracks[key].dynacast;
        let less = dynacast.told.map_or(want == Want(0), |told| want < told);
        if !less {
            dynacast.less_since = None;
        }
        if dynacast.told == Some(want) || (less && cx.now < *dynacast.less_since.get_or_insert(cx.now) + PATIENCE) {
            return;
        }
        dynacast.told = Some(want);
        dynacast.less_since = None;
        let update = self.subscribed_quality(key, want);
        let publisher = self.tracks[key].publisher;
        self.say(publisher, Message::SubscribedQualityUpdate(update), cx);
    }

    fn wanted_of(&self, key: TrackKey) -> Want {
        let track = &self.tracks[key];
        let encodings = track.streams.first().map_or(1, |stream| stream.encodings.len()) as u8;
        let wanted = track.subscribers.iter().map(|s| &self.subscriptions[*s]).filter(|s| s.wants_media());
        // A subscriber that is not bound yet may want everything soon.
        Want(wanted.map(|s| s.ceiling.saturating_add(1).min(encodings)).max().unwrap_or(0))
    }

    fn subscribed_quality(&self, key: TrackKey, want: Want) -> proto::SubscribedQualityUpdate {
        let track = &self.tracks[key];
        let highest = |stream: &publish::Stream| match want {
            Want(0) => None,
            Want(count) => stream.encodings.get(usize::from(count) - 1).or(stream.encodings.last()).map(|e| e.quality),
        };
        let qualities = |stream: &publish::Stream| {
            let highest = highest(stream);
            [VideoQuality::Low, VideoQuality::Medium, VideoQuality::High]
                .map(|quality| {
                    let enabled = highest.is_some_and(|highest| quality as i32 <= i32::from(highest));
                    proto::SubscribedQuality { quality: quality.into(), enabled }
                })
                .to_vec()
        };
        let codec = |stream: &publish::Stream| proto::SubscribedCodec {
            codec: stream.codec.mime().rsplit('/').next().unwrap_or_default().to_lowercase(),
            qualities: qualities(stream),
        };
        proto::SubscribedQualityUpdate {
            track_sid: track.info.sid.clone(),
            subscribed_qualities: track.streams.first().map(qualities).unwrap_or_default(),
            subscribed_codecs: track.streams.iter().map(codec).collect(),
        }
    }
}
