//! Connections to the service, and which authorities are trusted.

use crate::settings::Connection;
use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Why text holds no certificates that could be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It is not PEM.
    #[error("not PEM, or cut off")]
    Pem,
    /// Something else than a certificate is in it.
    #[error("certificate {0} cannot be used: {1}")]
    Certificate(usize, String),
    /// Nothing is in it.
    #[error("no certificate is in it; one begins with -----BEGIN CERTIFICATE-----")]
    None,
}

/// Whether all certificates of a PEM text can be trusted.
pub fn check_certificates(pem: &str) -> Result<(), CertificateError> {
    let mut roots = rustls::RootCertStore::empty();
    for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(pem.as_bytes())) {
        // The library's own words repeat what was read, which may be a key in the wrong place.
        let certificate = certificate.map_err(|_| CertificateError::Pem)?;
        roots
            .add(certificate)
            .map_err(|error| CertificateError::Certificate(number, error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(CertificateError::None);
    }
    Ok(())
}

/// A client that trusts the system's authorities, and those of the settings.
pub(super) fn http_client(connection: &Connection) -> SharedHttpClient {
    let plain = connection.endpoint.as_deref();
    if plain.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        return Builder::new().build_http();
    }
    // The library takes it for granted that a system has authorities.
    let system = rustls_native_certs::load_native_certs().certs;
    let mut trusted = TrustStore::empty().with_native_roots(!system.is_empty());
    if let Some(pem) = &connection.cacert
        && check_certificates(pem).is_ok()
    {
        trusted = trusted.with_pem_certificate(pem.as_bytes());
    }
    let context = TlsContext::builder().with_trust_store(trusted).build();
    let builder = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    match context {
        Ok(context) => builder.tls_context(context).build_https(),
        Err(error) => {
            tracing::error!(%error, "TLS cannot be set up as wished");
            builder.build_https()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_told_and_not_repeated() {
        for (text, expected) in [
            ("", CertificateError::None),
            ("hunter2", CertificateError::None),
            ("-----BEGIN hunter2", CertificateError::Pem),
            (
                "-----BEGIN CERTIFICATE-----\nhunter2",
                CertificateError::Pem,
            ),
        ] {
            assert_eq!(check_certificates(text), Err(expected), "{text}");
        }
    }
}
