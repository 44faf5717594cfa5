//! Who the server is, and who may ask, over TLS.

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Said in place of the library's own words: those repeat what was read, which may be a key.
const NO_PEM: &str = "it is not PEM, or cut off, or encrypted";

/// What an HTTP server over TLS is told; text in PEM.
#[derive(Clone, Copy, Default)]
pub struct TlsSettings<'a> {
    /// The server's certificate, and those between it and an authority that clients trust.
    pub certificate: &'a str,
    /// The private key to it.
    pub key: &'a str,
    /// Authorities of clients' certificates; if there are any, only clients with one are served.
    pub client_authorities: Option<&'a str>,
    /// The lowest version.
    pub version: TlsVersion,
    /// Curves for key exchange by their IANA names; all that are known if it is empty.
    pub curves: &'a [String],
    /// Cipher suites by their IANA names; all that are known if it is empty.
    pub ciphers: &'a [String],
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    #[default]
    Tls13,
}

/// What an HTTP server needs for TLS. Cheap to clone.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

/// Why there can be no TLS. No secret is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The certificate.
    #[error("`cert` cannot be used: {0}")]
    Certificate(String),
    /// The key, or that it belongs to another certificate.
    #[error("`key` cannot be used: {0}")]
    Key(String),
    /// The clients' authorities.
    #[error("`clientcacert` cannot be used: {0}")]
    Clients(String),
    /// A curve that is not known, and those that are.
    #[error("`curves` has one that is not known; known are: {0}")]
    Curve(String),
    /// A cipher suite that is not known, and those that are.
    #[error("`cipher` has one that is not known; known are: {0}")]
    Cipher(String),
    /// The choice leaves nothing in common.
    #[error("`cipher`, `curves` and `tlsVersion` do not go together: {0}")]
    Choice(String),
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Reads certificates and key.
    pub fn new(settings: &TlsSettings<'_>) -> Result<Self, TlsError> {
        let chain = certificates(settings.certificate).map_err(TlsError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(settings.key.as_bytes())
            .map_err(|_| TlsError::Key(NO_PEM.to_owned()))?;
        let provider = Arc::new(provider(settings)?);
        let versions: &[&SupportedProtocolVersion] = match settings.version {
            TlsVersion::Tls12 => &[&TLS13, &TLS12],
            TlsVersion::Tls13 => &[&TLS13],
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(|error| TlsError::Choice(error.to_string()))?;
        let builder = match settings.client_authorities {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let roots = Arc::new(authorities(pem).map_err(TlsError::Clients)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                    .build()
                    .map_err(|error| TlsError::Clients(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let config = builder
            .with_single_cert(chain, key)
            .map_err(|error| TlsError::Key(error.to_string()))?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// The same for another server of HTTP.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.0.clone()
    }

    pub(crate) async fn accept(&self, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.0.accept(tcp).await
    }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err("no certificate is in it; one begins with -----BEGIN CERTIFICATE-----".into())
        }
        Ok(found) => Ok(found),
        Err(_) => Err(NO_PEM.to_owned()),
    }
}

fn authorities(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    Ok(roots)
}

/// The cryptography that is left by the choice of curves and cipher suites.
fn provider(settings: &TlsSettings<'_>) -> Result<CryptoProvider, TlsError> {
    let mut provider = aws_lc_rs::default_provider();
    choose(
        &mut provider.kx_groups,
        settings.curves,
        |group| format!("{:?}", group.name()).to_ascii_lowercase(),
        str::to_ascii_lowercase,
    )
    .map_err(TlsError::Curve)?;
    choose(
        &mut provider.cipher_suites,
        settings.ciphers,
        // The library names them TLS13_AES…, IANA TLS_AES….
        |suite| format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1),
        str::to_ascii_uppercase,
    )
    .map_err(TlsError::Cipher)?;
    Ok(provider)
}

/// Leaves those that were chosen, in the order in which they were; the names of all if one is not
/// known.
fn choose<T: Copy>(
    all: &mut Vec<T>,
    chosen: &[String],
    name: impl Fn(&T) -> String,
    form: impl Fn(&str) -> String,
) -> Result<(), String> {
    if chosen.is_empty() {
        return Ok(());
    }
    let find = |wanted: &String| {
        let wanted = form(wanted);
        all.iter().copied().find(|one| name(one) == wanted)
    };
    let found: Option<Vec<T>> = chosen.iter().map(find).collect();
    *all = found.ok_or_else(|| all.iter().map(&name).collect::<Vec<_>>().join(", "))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::NamedGroup::{X25519, secp256r1};

    fn refused(settings: &TlsSettings<'_>) -> TlsError {
        Tls::new(settings).map(drop).unwrap_err()
    }

    #[test]
    fn what_is_no_pem_is_named_and_not_shown() {
        let none = TlsSettings::default();
        assert!(matches!(refused(&none), TlsError::Certificate(_)));
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for key in [
            "a secret that is no key",
            "-----BEGIN PRIVATE KEY----- secret",
        ] {
            let error = refused(&TlsSettings {
                certificate,
                key,
                ..none
            });
            assert_eq!(error, TlsError::Key(NO_PEM.to_owned()));
        }
        let error = refused(&TlsSettings {
            certificate: "-----BEGIN CERTIFICATE----- secret",
            ..none
        });
        assert_eq!(error, TlsError::Certificate(NO_PEM.to_owned()));
    }

    #[test]
    fn curves_and_ciphers_are_chosen_by_their_names() {
        let (curves, ciphers) = (
            ["secp256r1".to_owned(), "x25519".to_owned()],
            ["TLS_AES_128_GCM_SHA256".to_owned()],
        );
        let chosen = provider(&TlsSettings {
            curves: &curves,
            ciphers: &ciphers,
            ..TlsSettings::default()
        })
        .unwrap();
        let names: Vec<_> = chosen.kx_groups.iter().map(|one| one.name()).collect();
        assert_eq!(names, [secp256r1, X25519]);
        assert_eq!(chosen.cipher_suites.len(), 1);
        let error = provider(&TlsSettings {
            ciphers: &["TLS_RSA_WITH_RC4_128_MD5".to_owned()],
            ..TlsSettings::default()
        });
        let text = error.map(drop).unwrap_err().to_string();
        assert!(text.contains("TLS_AES_256_GCM_SHA384"), "{text}");
        assert!(
            text.contains("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
            "{text}"
        );
    }
}
