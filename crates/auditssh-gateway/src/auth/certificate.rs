//! User certificates of OpenSSH (PROTOCOL.certkeys).

use super::authorized::{Certified, Offer};
use super::grant::{CertificateDetails, Grant, Restrictions};
use super::source::Sources;
use super::{AuthError, Refusal, User, Verdict, fingerprint, key_allowed, signature_allowed};
use crate::russh::{Algorithm, CertType, Certificate, PublicKey};
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) fn judge(
    user: &str,
    entry: &User,
    authorities: &[PublicKey],
    certificate: &Certificate,
    address: IpAddr,
    now: SystemTime,
) -> Result<Verdict, AuthError> {
    let own = match restrictions(certificate, address, now) {
        Ok(own) => own,
        Err(reason) => return Ok(refused(reason)),
    };
    let login = [user.to_owned()];
    let names = if entry.principals.is_empty() {
        login.as_slice()
    } else {
        &entry.principals
    };
    let principals = certificate.valid_principals();
    let trusted = authorities
        .iter()
        .any(|authority| authority.key_data() == certificate.signature_key());
    if trusted && names.iter().any(|name| principals.contains(name)) {
        return Ok(granted(certificate, Some(own)));
    }
    let offer = Offer::authority(certificate, Certified { principals, names }, address, now);
    match entry.find(user, &offer)? {
        Ok(line) => Ok(granted(certificate, own.and(line))),
        Err(_) if trusted => Ok(refused(format!(
            "it is good for {principals:?}, {user} needs one of {names:?}"
        ))),
        Err(Refusal::UnknownKey) => Ok(refused(format!(
            "its authority {} is not trusted",
            fingerprint(&authority(certificate))
        ))),
        Err(refusal) => Ok(Verdict::Refused(refusal)),
    }
}

/// Everything that does not depend on the user: type, keys, signature, time, options.
fn restrictions(
    certificate: &Certificate,
    address: IpAddr,
    now: SystemTime,
) -> Result<Restrictions, String> {
    if certificate.cert_type() != CertType::User {
        return Err("it is not a user certificate".to_owned());
    }
    key_allowed(&PublicKey::from(certificate.public_key().clone()))?;
    key_allowed(&authority(certificate)).map_err(|reason| format!("authority: {reason}"))?;
    if !signature_allowed(&certificate.signature().algorithm()) {
        return Err(
            "its authority signed it with SHA-1; sign it anew with rsa-sha2-512".to_owned(),
        );
    }
    certificate
        .verify_signature()
        .map_err(|_| "the signature of its authority is wrong".to_owned())?;
    if certificate.valid_principals().is_empty() {
        return Err("it names no principals; sign it with `ssh-keygen -n NAME`".to_owned());
    }
    validity(certificate, now)?;
    let mut restrictions = extensions(certificate)?;
    critical_options(certificate, address, &mut restrictions)?;
    Ok(restrictions)
}

/// Whether it is good at that time.
pub(crate) fn validity(certificate: &Certificate, now: SystemTime) -> Result<(), String> {
    let now = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    if now < certificate.valid_after() {
        return Err("it is not valid yet".to_owned());
    }
    if now >= certificate.valid_before() {
        return Err("it has expired".to_owned());
    }
    Ok(())
}

/// What the extensions permit; unknown ones permit nothing and may be passed over.
fn extensions(certificate: &Certificate) -> Result<Restrictions, String> {
    let has = |name| certificate.extensions().contains_key(name);
    let token = matches!(
        certificate.algorithm(),
        Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256
    );
    if token && !has("no-touch-required") {
        return Err("whether a security token was touched can't be seen; \
             sign it with `-O no-touch-required` to accept it all the same"
            .to_owned());
    }
    Ok(Restrictions {
        pty: has("permit-pty"),
        port_forwarding: has("permit-port-forwarding"),
        agent_forwarding: has("permit-agent-forwarding"),
        x11_forwarding: has("permit-X11-forwarding"),
        user_rc: has("permit-user-rc"),
        ..Restrictions::least()
    })
}

/// Honours each critical option; one that is not known refuses the certificate.
fn critical_options(
    certificate: &Certificate,
    address: IpAddr,
    restrictions: &mut Restrictions,
) -> Result<(), String> {
    for (name, value) in certificate.critical_options().iter() {
        match name.as_str() {
            "force-command" if !value.is_empty() => restrictions.command = Some(value.clone()),
            "source-address" => {
                let sources = Sources::networks(value)
                    .map_err(|reason| format!("critical option source-address: {reason}"))?;
                if !sources.allow(address) {
                    return Err(format!(
                        "not from {} (source-address)",
                        address.to_canonical()
                    ));
                }
            }
            other => {
                return Err(format!(
                    "critical option `{}` can't be honoured",
                    other.escape_debug()
                ));
            }
        }
    }
    Ok(())
}

fn granted(certificate: &Certificate, restrictions: Option<Restrictions>) -> Verdict {
    let Some(restrictions) = restrictions else {
        return refused("it forces another command than the authorized_keys line".to_owned());
    };
    let details = CertificateDetails {
        serial: certificate.serial(),
        key_id: certificate.key_id().to_owned(),
        authority: fingerprint(&authority(certificate)),
        principals: certificate.valid_principals().to_vec(),
    };
    let key = PublicKey::from(certificate.public_key().clone());
    Verdict::Granted(Grant::certificate(fingerprint(&key), details, restrictions))
}

fn authority(certificate: &Certificate) -> PublicKey {
    PublicKey::from(certificate.signature_key().clone())
}

fn refused(reason: String) -> Verdict {
    Verdict::Refused(Refusal::Certificate(reason))
}
