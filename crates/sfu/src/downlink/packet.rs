//! A packet on its way to one subscriber.

use crate::{forward::Vp8Head, rtp::Extensions};
use std::{sync::Arc, time::Instant};

/// What a subscriber gets of a packet of the publisher's, but for what the connection numbers.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) pt: u8,
    /// The payload type on which it is sent again (RFC 4588); `None`: it is not.
    pub(crate) resend: Option<u8>,
    /// Extended: the upper bits are the rollover counter.
    pub(crate) seq: u64,
    pub(crate) timestamp: u32,
    /// Ticks of the timestamp a second.
    pub(crate) clock_rate: u32,
    pub(crate) captured: Instant,
    pub(crate) marker: bool,
    pub(crate) extensions: Extensions,
    /// Takes the place of as many bytes at the start of the payload.
    pub(crate) head: Option<Vp8Head>,
    pub(crate) payload: Arc<[u8]>,
}
