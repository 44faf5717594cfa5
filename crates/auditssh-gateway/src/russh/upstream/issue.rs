//! User certificates that the gateway issues to itself (PROTOCOL.certkeys of OpenSSH).

use crate::russh::{CertType, Certificate, KeyError, PrivateKey, generate_ed25519};
use ::russh::keys::key::safe_rng;
use ::russh::keys::ssh_key::certificate::Builder;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far the clock of a server may be behind.
const SKEW: Duration = Duration::from_mins(1);

/// What a session's own user may do: have a terminal. Neither forwarding nor the user's own
/// `~/.ssh/rc`, which would run whatever else is forced, is among it.
const EXTENSIONS: [&str; 1] = ["permit-pty"];

/// What is certified.
pub(crate) struct Request<'a> {
    /// Whom the certificate is good for.
    pub(crate) principal: &'a str,
    /// What the server writes into its log.
    pub(crate) key_id: String,
    /// For how long.
    pub(crate) lifetime: Duration,
}

/// A key that nobody else ever sees, and its certificate.
pub(crate) struct Issued {
    pub(crate) key: PrivateKey,
    pub(crate) certificate: Certificate,
}

/// Makes a key and has an authority certify it.
pub(crate) fn issue(
    authority: &PrivateKey,
    request: &Request<'_>,
    now: SystemTime,
) -> Result<Issued, KeyError> {
    let key = generate_ed25519()?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = |time: Duration| time.as_secs();
    let mut builder = Builder::new_with_random_nonce(
        &mut safe_rng(),
        key.public_key().key_data().clone(),
        seconds(now.saturating_sub(SKEW)),
        seconds(now + request.lifetime),
    )?;
    builder.cert_type(CertType::User)?;
    builder.key_id(request.key_id.as_str())?;
    builder.valid_principal(request.principal)?;
    for name in EXTENSIONS {
        builder.extension(name, "")?;
    }
    let certificate = builder.sign(authority)?;
    Ok(Issued { key, certificate })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_for_one_user_and_a_short_while() {
        let authority = generate_ed25519().unwrap();
        let request = Request {
            principal: "alice",
            key_id: "auditssh 12ab".to_owned(),
            lifetime: Duration::from_mins(2),
        };
        let now = UNIX_EPOCH + Duration::from_hours(500_000);
        let issued = issue(&authority, &request, now).unwrap();
        let certificate = &issued.certificate;
        certificate.verify_signature().unwrap();
        assert_eq!(
            certificate.signature_key(),
            authority.public_key().key_data()
        );
        assert_eq!(certificate.public_key(), issued.key.public_key().key_data());
        assert_eq!(certificate.cert_type(), CertType::User);
        assert_eq!(certificate.valid_principals(), ["alice"]);
        assert_eq!(certificate.key_id(), "auditssh 12ab");
        assert_eq!(certificate.extensions().iter().count(), 1);
        assert!(certificate.extensions().get("permit-pty").is_some());
        assert_eq!(certificate.valid_after(), 1_800_000_000 - 60);
        assert_eq!(certificate.valid_before(), 1_800_000_000 + 120);
        let again = issue(&authority, &request, now).unwrap();
        assert_ne!(again.key.public_key(), issued.key.public_key());
    }
}
