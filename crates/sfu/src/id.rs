//! Session ids, with the prefixes that LiveKit's SDKs check.

use crate::chance;
use rand::Rng;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Letters and digits after a prefix: 71 bits.
const LENGTH: usize = 12;
/// Of the session ids of participants.
pub(crate) const PARTICIPANT: &str = "PA_";

pub(crate) fn random(length: usize) -> String {
    chance::draw(|rng| (0..length).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect())
}

fn prefixed(prefix: &str) -> String {
    format!("{prefix}{}", random(LENGTH))
}

pub(crate) fn room() -> String {
    prefixed("RM_")
}

pub(crate) fn participant() -> String {
    prefixed(PARTICIPANT)
}

/// `AM` audio and so on, as LiveKit's: people read logs.
pub(crate) fn track(source: livekit_protocol::TrackSource, video: bool) -> String {
    use livekit_protocol::TrackSource::*;
    prefixed(match (source, video) {
        (Camera, _) => "TR_VC",
        (ScreenShare, _) => "TR_VS",
        (Microphone, _) => "TR_AM",
        (ScreenShareAudio, _) => "TR_AS",
        (_, true) => "TR_V",
        (_, false) => "TR_A",
    })
}

pub(crate) fn data_track() -> String {
    prefixed("DTR_")
}

pub(crate) fn rpc() -> String {
    prefixed("RPC_")
}
