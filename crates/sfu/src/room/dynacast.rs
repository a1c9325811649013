//! Dynacast: a publisher need not encode what nobody sees.

use super::*;
use crate::forward::MAX_LAYERS;
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

/// For each codec of the track the number of encodings that are wanted, from the lowest.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Want(Vec<u8>);

impl Want {
    fn is_nothing(&self) -> bool {
        self.0.iter().all(|count| *count == 0)
    }

    /// As much as either.
    fn most(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| *a.max(b)).collect())
    }
}

impl Room {
    pub(super) fn dynacast(&mut self, cx: &mut Cx<'_>) {
        for key in self.tracks.keys().collect::<Vec<_>>() {
            if self.tracks[key].kind == MediaKind::Video {
                self.dynacast_of(key, cx);
            }
        }
    }

    /// The publisher may not have heard what it was told last: it is told again.
    pub(super) fn repeat_dynacast(&mut self, key: ParticipantKey) {
        for track in &self.people[key].tracks {
            self.tracks[*track].dynacast = Dynacast::default();
        }
    }

    fn dynacast_of(&mut self, key: TrackKey, cx: &mut Cx<'_>) {
        let want = self.wanted_of(key);
        let publisher = self.tracks[key].publisher;
        // Of a copy the room of its origin is patient.
        let patience = if self.pairs.copy_of(publisher).is_some() { Duration::ZERO } else { PATIENCE };
        let dynacast = &mut self.tracks[key].dynacast;
        let less = dynacast.told.as_ref().map_or(want.is_nothing(), |told| want.most(told) != want);
        let patient = less && cx.now < *dynacast.less_since.get_or_insert(cx.now) + patience;
        let tell = match (&dynacast.told, patient) {
            (_, false) => want,
            (Some(told), true) => want.most(told),
            (None, true) => return,
        };
        if !patient {
            dynacast.less_since = None;
        }
        if dynacast.told.as_ref() == Some(&tell) {
            return;
        }
        let update = self.subscribed_quality(key, &tell);
        self.want_of_origin(publisher, key, &tell.0, cx);
        self.tracks[key].dynacast.told = Some(tell);
        self.say(publisher, Message::SubscribedQualityUpdate(update), cx);
    }

    fn wanted_of(&self, key: TrackKey) -> Want {
        let track = &self.tracks[key];
        let mut want = vec![0; track.info.codecs.len()];
        // A subscriber that is not bound yet may want everything soon.
        for subscription in track.subscribers.iter().map(|s| &self.subscriptions[*s]).filter(|s| s.wants_media()) {
            let index = subscription.decodes.first();
            let encodings = track.stream_of(index).map_or(MAX_LAYERS, |stream| stream.encodings.len()) as u8;
            if let Some(count) = want.get_mut(index) {
                *count = subscription.ceiling.saturating_add(1).min(encodings).max(*count);
            }
        }
        let elsewhere = self.pairs.wanted(key).map(|counts| Want(counts.to_vec()));
        elsewhere.fold(Want(want), |want, counts| want.most(&counts))
    }

    fn subscribed_quality(&self, key: TrackKey, want: &Want) -> proto::SubscribedQualityUpdate {
        let track = &self.tracks[key];
        let highest = |index: usize, count: u8| {
            let top = usize::from(count).checked_sub(1)?;
            let encodings = track.stream_of(index).map(|stream| &stream.encodings);
            Some(encodings.and_then(|all| all.get(top).or(all.last())).map_or(count - 1, |e| e.quality))
        };
        let codecs = track.info.codecs.iter().zip(&want.0).enumerate().map(|(index, (codec, count))| {
            let highest = highest(index, *count);
            let quality = |quality: VideoQuality| proto::SubscribedQuality {
                quality: quality.into(),
                enabled: highest.is_some_and(|highest| quality as i32 <= i32::from(highest)),
            };
            proto::SubscribedCodec {
                codec: codec.mime_type.rsplit('/').next().unwrap_or_default().to_lowercase(),
                qualities: [VideoQuality::Low, VideoQuality::Medium, VideoQuality::High].map(quality).to_vec(),
            }
        });
        let subscribed_codecs: Vec<_> = codecs.collect();
        proto::SubscribedQualityUpdate {
            track_sid: track.info.sid.clone(),
            subscribed_qualities: subscribed_codecs.first().map(|codec| codec.qualities.clone()).unwrap_or_default(),
            subscribed_codecs,
        }
    }
}
