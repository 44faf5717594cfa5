//! By what a connection is trusted, from either side.

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::fmt;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The lowest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// 1.3 (RFC 8446).
    #[default]
    V13,
    /// 1.2 (RFC 5246), or 1.3.
    V12,
}

/// The authorities whose certificates a server is known by.
#[derive(Clone)]
pub struct Authorities(Arc<RootCertStore>);

/// What the server of a webhook knows us by: a certificate and its key.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

/// Why certificates or keys can't be used. No error repeats what was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// There is none.
    #[error("no certificate is in it; one begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// There is none.
    #[error(
        "no private key is in it that can be used; one begins with -----BEGIN PRIVATE KEY-----, \
         and is not encrypted"
    )]
    NoKey,
    /// It is not PEM, or not what a certificate looks like.
    #[error("certificate {number} can't be used: {reason}")]
    Certificate {
        /// Which one, from 1.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A key of a kind that is not known, or of another certificate.
    #[error("the key can't be used with the certificate: {0}")]
    Key(String),
    /// The system has none.
    #[error("this system knows no authority; give the server's in `cacert`")]
    NoAuthority,
    /// The library refuses what it is told.
    #[error("TLS can't be set up: {0}")]
    Setup(String),
}

impl Authorities {
    /// Those of a PEM text, and no others.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        for (number, certificate) in (1..).zip(certificates(pem)?) {
            let added = roots.add(certificate);
            added.map_err(|error| TrustError::Certificate {
                number,
                reason: error.to_string(),
            })?;
        }
        Ok(Self(Arc::new(roots)))
    }

    /// Those of the system. Reads files.
    pub fn of_system() -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(TrustError::NoAuthority);
        }
        Ok(Self(Arc::new(roots)))
    }
}

impl Identity {
    /// A certificate, with those that lead from it to the authority, and its key.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, TrustError> {
        let chain = certificates(certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TrustError::NoKey)?;
        let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
            .map_err(|error| TrustError::Key(error.to_string()))?;
        Ok(Self(Arc::new(certified)))
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let mut found = Vec::new();
    for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(pem)) {
        // The library's own words repeat what was read, which may be a key in the wrong place.
        found.push(certificate.map_err(|_| TrustError::Certificate {
            number,
            reason: "it is not PEM, or cut off".to_owned(),
        })?);
    }
    if found.is_empty() {
        return Err(TrustError::NoCertificate);
    }
    Ok(found)
}

/// How connections of a webhook are encrypted.
#[derive(Clone)]
pub struct Trust(TlsConnector);

impl Trust {
    /// Trusts a server by the authorities, and shows it the identity if it asks for one.
    pub fn new(
        version: Version,
        authorities: Authorities,
        identity: Option<Identity>,
    ) -> Result<Self, TrustError> {
        let setup = |error: &dyn fmt::Display| TrustError::Setup(error.to_string());
        let provider: Arc<CryptoProvider> = Arc::new(aws_lc_rs::default_provider());
        let versions = match version {
            Version::V13 => &[&rustls::version::TLS13] as &[_],
            Version::V12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        };
        let verifier =
            WebPkiServerVerifier::builder_with_provider(authorities.0, Arc::clone(&provider))
                .build()
                .map_err(|error| setup(&error))?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|error| setup(&error))?
            .with_webpki_verifier(verifier);
        let config = match identity {
            None => config.with_no_client_auth(),
            Some(Identity(key)) => config
                .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key))),
        };
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// What makes connections encrypted, for other clients than webhooks.
    pub fn connector(&self) -> TlsConnector {
        self.0.clone()
    }

    /// Makes the connection one that only the named host can read.
    pub(crate) async fn connect(
        &self,
        host: &str,
        tcp: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.0.connect(name, tcp).await
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorities({})", self.0.len())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pem_is_told_apart_and_not_repeated() {
        for (text, expected) in [
            ("", TrustError::NoCertificate),
            ("hunter2", TrustError::NoCertificate),
            (
                "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n",
                TrustError::NoCertificate,
            ),
        ] {
            let error = Authorities::from_pem(text.as_bytes()).unwrap_err();
            assert_eq!(error, expected, "{text}");
        }
        let error = Authorities::from_pem(b"-----BEGIN hunter2").unwrap_err();
        assert!(!format!("{error}{error:?}").contains(&format!("{:?}", b"hunter2")[1..10]));
        let garbage = "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n";
        let error = Authorities::from_pem(garbage.as_bytes()).unwrap_err();
        assert!(matches!(error, TrustError::Certificate { number: 1, .. }));
        let error = Identity::from_pem(garbage.as_bytes(), b"hunter2").unwrap_err();
        assert_eq!(error, TrustError::NoKey);
        assert!(!format!("{error}{error:?}").contains("hunter2"));
    }
}
