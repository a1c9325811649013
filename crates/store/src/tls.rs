//! TLS to Postgres, as libpq does it, because the URLs that providers hand out mean that: `sslmode` says how much is wanted,
//! `sslrootcert` whose word counts. The driver knows neither `sslrootcert` nor the modes that verify.

use convo_domain::error::{Error, Result};
use postgres::{Config, config::SslMode};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// What a URL wants of the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// Nothing: who only listens can't read, but whoever is in between may pretend to be the server. `prefer`, `require`.
    Nothing,
    /// That somebody trusted signed it. `verify-ca`, and wherever there is an `sslrootcert`.
    Signature,
    /// That it is this server's. `verify-full`.
    Name,
}

/// Whose word counts.
#[derive(Debug, PartialEq, Eq)]
enum Trust {
    /// The machine's certificate authorities, and Mozilla's: a container may have none.
    Public,
    File(String),
}

/// What a URL says of TLS that the driver doesn't understand.
#[derive(Debug)]
pub(crate) struct Tls {
    check: Check,
    trust: Trust,
}

impl Tls {
    /// The URL as the driver understands it, and the rest.
    pub(crate) fn of(url: &str) -> Result<(String, Self)> {
        let Some((base, query)) = url.split_once('?') else {
            return Ok((url.into(), Self { check: Check::Nothing, trust: Trust::Public }));
        };
        let (mut mode, mut root, mut rest) = (None, None, Vec::new());
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => root = Some(decoded(value)?),
                _ => rest.push(parameter.to_owned()),
            }
        }
        let system = root.as_deref() == Some("system");
        let check = match (mode, &root) {
            (Some("verify-full"), _) => Check::Name,
            _ if system => Check::Name,
            // Those in whom all the world trusts vouch for everybody, so the name must be the one.
            (Some("verify-ca"), None) => Check::Name,
            (_, Some(_)) => Check::Signature,
            _ => Check::Nothing,
        };
        let mode = match mode {
            Some("verify-ca" | "verify-full") => Some("require"),
            // As libpq: who names the world's authorities insists on a good certificate.
            Some(mode @ ("allow" | "prefer")) if system => {
                return Err(Error::unavailable(format!("sslmode={mode} does not go with sslrootcert=system")));
            }
            None if system => Some("require"),
            Some("allow") => Some("prefer"),
            mode => mode,
        };
        rest.extend(mode.map(|mode| format!("sslmode={mode}")));
        let url = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        let trust = root.filter(|_| !system).map_or(Trust::Public, Trust::File);
        Ok((url, Self { check, trust }))
    }

    /// What shakes hands, if there is to be TLS at all.
    pub(crate) fn connector(&self, config: &Config) -> Result<Option<MakeRustlsConnect>> {
        if config.get_ssl_mode() == SslMode::Disable {
            return Ok(None);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let (given, roots) = match (self.check, &self.trust) {
            (Check::Nothing, _) => (Vec::new(), RootCertStore::empty()),
            (_, Trust::Public) => (Vec::new(), public()),
            (_, Trust::File(path)) => given(path)?,
        };
        let verifier = Verifier { provider: provider.clone(), check: self.check, roots, given };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::internal)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Some(MakeRustlsConnect::new(config)))
    }
}

fn decoded(value: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let escaped = (*first == b'%').then(|| value.get(value.len() - tail.len()..)?.get(..2)).flatten();
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).map_err(Error::unavailable)
}

fn public() -> RootCertStore {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// The certificates of a PEM file, as they are and as authorities.
fn given(path: &str) -> Result<(Vec<CertificateDer<'static>>, RootCertStore)> {
    let unusable = |error: String| Error::unavailable(format!("sslrootcert {path}: {error}"));
    let read = CertificateDer::pem_file_iter(path).and_then(|found| found.collect::<std::result::Result<Vec<_>, _>>());
    let certificates = read.map_err(|error| unusable(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|error| unusable(error.to_string()))?;
    }
    if certificates.is_empty() {
        return Err(unusable("there is no certificate in it".into()));
    }
    Ok((certificates, roots))
}

/// Looks at the server's certificate as closely as is wanted. That the server has its key is asked in any case.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    check: Check,
    roots: RootCertStore,
    given: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        if self.check == Check::Nothing {
            return Ok(ServerCertVerified::assertion());
        }
        let certificate = ParsedCertificate::try_from(end_entity)?;
        // A certificate signed by itself is given as it is, and may call itself an authority.
        if !self.given.contains(end_entity) {
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, algorithms)?;
        }
        if self.check == Check::Name {
            verify_server_name(&certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_means_what_it_means_to_libpq() {
        let file = || Trust::File("/etc/a ca.pem".into());
        let cases = [
            ("", "", Check::Nothing, Trust::Public),
            ("?sslmode=require", "?sslmode=require", Check::Nothing, Trust::Public),
            ("?sslmode=allow", "?sslmode=prefer", Check::Nothing, Trust::Public),
            ("?sslmode=verify-ca", "?sslmode=require", Check::Name, Trust::Public),
            ("?sslmode=verify-full", "?sslmode=require", Check::Name, Trust::Public),
            ("?sslrootcert=system", "?sslmode=require", Check::Name, Trust::Public),
            ("?sslrootcert=/etc/a%20ca.pem", "", Check::Signature, file()),
            ("?sslmode=require&sslrootcert=%2Fetc/a ca.pem", "?sslmode=require", Check::Signature, file()),
            ("?sslmode=verify-ca&sslrootcert=/etc/a ca.pem", "?sslmode=require", Check::Signature, file()),
            (
                "?sslrootcert=/etc/a ca.pem&options=x&sslmode=verify-full",
                "?options=x&sslmode=require",
                Check::Name,
                file(),
            ),
        ];
        for (query, driven, check, trust) in cases {
            let (url, tls) = Tls::of(&format!("postgres://app@db/app{query}")).unwrap();
            assert_eq!(
                (url, tls.check, tls.trust),
                (format!("postgres://app@db/app{driven}"), check, trust),
                "{query}"
            );
        }
        assert!(Tls::of("postgres://db/app?sslmode=prefer&sslrootcert=system").is_err());
        assert_eq!(decoded("%zz%é%2").unwrap(), "%zz%é%2");
    }
}
