//! Enumerations that a newer protocol may have more values of. What is told to others, and to webhooks and the server API, must
//! have a name here: JSON has none for a number that nobody knows.

use livekit_protocol::{self as proto, encryption};
use proto::{VideoLayer, data_track_frame_encoding as frame, data_track_schema_encoding as schema};

/// Leaves out what has no name.
pub(crate) fn keep<E: TryFrom<i32>>(numbers: &mut Vec<i32>) {
    numbers.retain(|number| E::try_from(*number).is_ok());
}

pub(crate) fn keep_layers(layers: &mut Vec<VideoLayer>) {
    layers.retain(|layer| proto::VideoQuality::try_from(layer.quality).is_ok());
}

/// All but the track's type, without which nothing can be done.
pub(crate) fn keep_of_track(request: &mut proto::AddTrackRequest) {
    request.source = request.source().into();
    request.encryption = encrypted(request.encryption);
    request.backup_codec_policy = request.backup_codec_policy().into();
    keep::<proto::AudioTrackFeature>(&mut request.audio_features);
    keep::<proto::PacketTrailerFeature>(&mut request.packet_trailer_features);
    keep_layers(&mut request.layers);
    request.simulcast_codecs.iter_mut().for_each(|codec| keep_layers(&mut codec.layers));
}

pub(crate) fn keep_of_data_track(request: &mut proto::PublishDataTrackRequest) {
    request.encryption = encrypted(request.encryption);
    if let Some(frame::Value::WellKnown(number)) = request.frame_encoding.as_mut().and_then(|it| it.value.as_mut()) {
        *number = frame::WellKnownFrameEncoding::try_from(*number).unwrap_or_default().into();
    }
    let encoding = request.schema.as_mut().and_then(|it| it.encoding.as_mut());
    if let Some(schema::Value::WellKnown(number)) = encoding.and_then(|it| it.value.as_mut()) {
        *number = schema::WellKnownSchemaEncoding::try_from(*number).unwrap_or_default().into();
    }
}

/// However it is encrypted, nobody may take it for plain.
fn encrypted(number: i32) -> i32 {
    encryption::Type::try_from(number).unwrap_or(encryption::Type::Custom).into()
}
