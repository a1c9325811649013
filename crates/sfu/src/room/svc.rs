//! Spatial layers within one RTP stream (SVC): where a packet is in them, for the choice of each subscriber.

use super::media::Encoding;
use crate::{
    forward::{
        Codec,
        dd::{DdFrame, DdReader, Descriptor, Structure, SvcLayer, write_active_targets},
        svc::{DdSelector, SvcDecision, Vp9Selector},
        vp9::Vp9Packet,
    },
    uplink::Packet,
};
use livekit_protocol as proto;

/// Whether a stream with this codec has its layers within it.
pub(super) fn is_layered(codec: Codec, info: &proto::TrackInfo) -> bool {
    matches!(codec, Codec::Vp9 | Codec::Av1) && info.layers.len() > 1
}

/// What a stream's packets told of its layers.
#[derive(Debug, Default)]
pub(crate) struct Svc {
    descriptors: DdReader,
    /// Who gets a layer gets those below it too, or else it stands alone but for keyframes (`L3T3_KEY`).
    nested: bool,
}

/// Where a packet is in the layers of its stream.
#[derive(Debug)]
pub(crate) enum Place<'a> {
    /// By VP9's own payload descriptor.
    Vp9(Vp9Packet),
    /// By the dependency descriptor.
    Described { frame: DdFrame, structure: &'a Structure, descriptor: &'a [u8] },
}

impl Svc {
    /// `None`: nothing was said, or not in a way that can be read. Sizes that are told go into `layers`.
    pub(super) fn read<'a>(
        &'a mut self,
        codec: Codec,
        packet: &'a Packet,
        layers: &mut [Encoding],
    ) -> Option<Place<'a>> {
        if codec == Codec::Vp9 {
            self.nested = true;
            return Vp9Packet::parse(&packet.payload).filter(|vp9| vp9.layer.is_some()).map(Place::Vp9);
        }
        let Descriptor(descriptor) = packet.extensions.descriptor.as_ref()?;
        let frame = self.descriptors.read(descriptor)?;
        let structure = self.descriptors.structure()?;
        if frame.brings_structure {
            for (layer, size) in layers.iter_mut().zip(&structure.sizes) {
                (layer.width, layer.height) = *size;
            }
        } else if frame.layer == SvcLayer::default() {
            self.nested = structure.needs(&frame);
        }
        Some(Place::Described { frame, structure, descriptor })
    }

    pub(super) fn nested(&self) -> bool {
        self.nested
    }

    pub(super) fn structure(&self) -> Option<&Structure> {
        self.descriptors.structure()
    }
}

impl Place<'_> {
    pub(super) fn layer(&self) -> SvcLayer {
        match self {
            Place::Vp9(vp9) => SvcLayer { spatial: vp9.spatial(), temporal: vp9.temporal() },
            Place::Described { frame, .. } => frame.layer,
        }
    }

    /// What only keyframes bring may be read although the payload is encrypted.
    pub(super) fn starts_keyframe(&self) -> bool {
        match self {
            Place::Vp9(vp9) => vp9.starts_keyframe(),
            Place::Described { frame, .. } => frame.brings_structure && frame.start,
        }
    }

    /// The packet's descriptor, telling that these decode targets come and no others.
    pub(super) fn with_targets(&self, active: u32) -> Option<Descriptor> {
        let Place::Described { frame, descriptor, .. } = self else { return None };
        let mut bytes = Vec::with_capacity(descriptor.len() + 4);
        write_active_targets(descriptor, frame, active, &mut bytes);
        Some(Descriptor(bytes.into()))
    }
}

/// One subscriber's choice among the layers.
#[derive(Debug, Default)]
pub(super) struct Chooser {
    described: DdSelector,
    vp9: Vp9Selector,
}

impl Chooser {
    /// The highest layer that is wanted.
    pub(super) fn set_wanted(&mut self, layer: SvcLayer) {
        self.described.set_wanted(layer);
        self.vp9.set_wanted(layer);
    }

    /// What comes next follows a pause, or is another stream.
    pub(super) fn restart(&mut self) {
        self.described.restart();
    }

    pub(super) fn choose(&mut self, place: &Place<'_>) -> SvcDecision {
        match place {
            Place::Vp9(vp9) => self.vp9.select(vp9),
            Place::Described { frame, structure, .. } => self.described.select(frame, structure),
        }
    }

    /// Whether only a keyframe may bring the layer that is wanted.
    pub(super) fn needs_keyframe(&self, codec: Codec, svc: &Svc) -> bool {
        match codec {
            Codec::Vp9 => self.vp9.needs_keyframe(),
            _ => svc.structure().is_some_and(|structure| self.described.needs_keyframe(structure)),
        }
    }
}
