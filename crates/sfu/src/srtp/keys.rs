//! The keys of SRTP, taken where str0m's DTLS gives them to str0m (RFC 5764, section 4.2).
//!
//! str0m keeps them to itself, but lets DTLS be put in from outside. What is put in here is its own, with an ear on what it
//! says.

use std::{
    cell::RefCell,
    sync::{Arc, OnceLock},
    time::Instant,
};
use str0m::{
    Rtc, RtcConfig,
    config::{CryptoProvider, DtlsCert, DtlsVersion},
    crypto::{
        CryptoError,
        dtls::{DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, SrtpProfile},
    },
};

/// What a finished handshake leaves behind.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) profile: SrtpProfile,
    /// Client's and server's keys, then client's and server's salts.
    pub(crate) material: Vec<u8>,
    /// We are the DTLS client.
    pub(crate) client: bool,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// Filled when the handshake is done.
pub(crate) type Slot = Arc<OnceLock<Keys>>;

thread_local! {
    /// Where the DTLS instance that is made next leaves its keys: str0m makes one within `build`, and gives it nothing of
    /// ours.
    static NEXT: RefCell<Option<Slot>> = const { RefCell::new(None) };
}

/// A peer connection, and where its keys will be.
pub(crate) fn build(config: RtcConfig, now: Instant) -> (Rtc, Slot) {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let provider =
        PROVIDER.get_or_init(|| Arc::new(CryptoProvider { dtls_provider: &Overheard, ..super::provider().clone() }));
    let slot = Slot::default();
    NEXT.set(Some(slot.clone()));
    let rtc = config.set_crypto_provider(provider.clone()).build(now);
    (rtc, slot)
}

#[derive(Debug)]
struct Overheard;

impl DtlsProvider for Overheard {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        super::provider().dtls_provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let inner = super::provider().dtls_provider.new_dtls(certificate, now, version, mtu)?;
        let slot = NEXT.take().unwrap_or_default();
        Ok(Box::new(Instance { inner, slot }))
    }
}

#[derive(Debug)]
struct Instance {
    inner: Box<dyn DtlsInstance>,
    slot: Slot,
}

impl DtlsInstance for Instance {
    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        let output = self.inner.poll_output(buffer);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output {
            let (profile, material) = (*profile, material.as_ref().to_vec());
            let _ = self.slot.set(Keys { profile, material, client: self.inner.is_active() });
        }
        output
    }

    fn set_active(&mut self, active: bool) {
        self.inner.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.inner.handle_packet(packet)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.inner.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.inner.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.inner.is_active()
    }

    fn protocol_version(&self) -> Option<str0m::crypto::dtls::ProtocolVersion> {
        self.inner.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.inner.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.inner.close()
    }
}
