//! What of a track goes to a subscriber, and how it is rewritten on the way.
//!
//! Plain structs and functions: no sockets, no clock (the time is an argument), no lock, and no allocation per packet.
//! Once per packet, on the publisher's side, the payload is read ([`is_keyframe`], [`Vp8Packet`]); once per packet and
//! subscriber it is selected and renumbered.
//!
//! | module | question it answers |
//! | --- | --- |
//! | [`keyframe`] | Does a decoder that knows nothing start at this packet? How big is the picture? |
//! | [`munger`] | Which sequence number and timestamp does the subscriber see? |
//! | [`vp8`] | Which picture id, TL0PICIDX and KEYIDX? Which temporal layers? |
//! | [`selector`] | Which simulcast layer does the subscriber get, and of which is a keyframe needed? |
//! | [`dd`], [`vp9`] | Where is a packet in the layers of its stream, and what does it refer to? |
//! | [`svc`] | Which of these layers does the subscriber get? |
//! | [`frames`] | Which frame number does its dependency descriptor tell? |
//! | [`clock`] | When was it captured, by our own clock? |
//! | [`congestion`] | What does a subscriber's downlink take? |
//! | [`pacer`] | When may a packet leave? |
//! | [`allocate`] | Who gets how much of a subscriber's downlink? |
//! | [`red`] | What is in a packet of redundant audio, and how is one made? |
//! | [`speaker`] | Who speaks? |
//! | [`quality`] | How good is a connection? |
//!
//! A packet's way to one subscriber:
//!
//! 1. [`LayerSelector::select`] for its layer. `Drop`: done. `Late`: go to 4. `switched`: [`RtpMunger::switch`], then 5.
//! 2. With layers within the stream, [`svc`]; of VP8, [`Vp8Munger::wants`].
//! 3. Not wanted: [`RtpMunger::drop`], whose answer, if any, is sent as an empty packet. Done.
//! 4. [`RtpMunger::forward`]; `None`: done.
//! 5. Of VP8, [`Vp8Munger::rewrite`]; with a dependency descriptor, [`FrameNumbers::rewrite`].
//!
//! During a pause nothing is told to the munger; the selector makes the first packet after it a switch.

pub mod allocate;
mod bytes;
pub mod clock;
pub mod congestion;
pub mod dd;
pub mod frames;
mod fuzz;
pub mod keyframe;
pub mod munger;
pub mod pacer;
pub mod quality;
pub mod red;
mod renumber;
pub mod selector;
pub mod speaker;
pub mod svc;
pub mod vp8;
pub mod vp9;

pub use frames::FrameNumbers;
pub use fuzz::fuzz;
pub use keyframe::{Codec, is_keyframe, picture_size};
pub use munger::{Incoming, Outgoing, RtpMunger, SenderReport, Source};
pub use selector::{Decision, Layer, LayerPacket, LayerSelector, LayerTracker, Layers, MAX_LAYERS};
pub use vp8::{Vp8Head, Vp8Munger, Vp8Packet};
