//! `auth`.

use super::report::Report;
use super::s3::check_secret_file;
use crate::config::at::At;
use crate::config::bounds;
use crate::config::one_or_many::OneOrMany;
use crate::config::raw::{
    self, GssapiMeans, Password, PasswordMeans, TlsVersion, WebhookMeans, WebhookMethod,
};
use crate::config::secret::Secret;
use auditssh_webhook::tls::{Authorities, Identity, Trust, TrustError, Version};
use auditssh_webhook::{Url, Webhook, Webhooks};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// ContainerSSH's defaults of what is chosen here, and so may stand in a file of it.
const CURVES: &[&str] = &["x25519", "secp256r1", "secp384r1", "secp521r1"];
const CIPHERS: &[&str] = &[
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
];
/// No certificate or key is larger.
const PEM_BYTES: u64 = 1024 * 1024;

/// The webhooks; `None` if there are none.
pub(super) fn check(raw: &raw::Auth, report: &mut Report) -> Option<Arc<Webhooks>> {
    refuse_means(raw, report);
    let older = older(raw, report);
    let (asked, own) = match &raw.password {
        Password::Method(method) => {
            bounds(&method.webhook, report);
            if method.method.value == PasswordMeans::None {
                refuse_unasked(&method.webhook, report);
            }
            let own = method.method.value == PasswordMeans::Webhook;
            (true, own.then_some(&method.webhook))
        }
        Password::Asked(asked) => (*asked, None),
    };
    let password = match own {
        Some(own) => {
            refuse_both("password", raw, report);
            Some(own)
        }
        None => older.as_ref().filter(|_| asked),
    };
    if matches!(raw.password, Password::Asked(true)) && older.is_none() {
        report.warn_of_file(
            "`auth.password` is true, but `auth.url` is empty, so nobody is asked about passwords; write \
             `auth: {password: {method: webhook, webhook: {url: …}}}`",
        );
    }
    let public_key = match own_of(&raw.public_key, report) {
        Some(own) => {
            refuse_both("publicKey", raw, report);
            Some(own)
        }
        None => older.as_ref().filter(|_| raw.pubkey.unwrap_or(true)),
    };
    let authz = own_of(&raw.authz, report);
    let mut made =
        |webhook: Option<&raw::Webhook>, path| webhook.map(|raw| make(path, raw, report));
    let password = made(password, "auth.password.webhook");
    let public_key = made(public_key, "auth.publicKey.webhook");
    let authz = made(authz, "auth.authz.webhook");
    if password.is_none() && public_key.is_none() && authz.is_none() {
        return None;
    }
    // What could not be made is a fault that is told.
    let webhooks = Webhooks::new(password.flatten(), public_key.flatten(), authz.flatten());
    Some(Arc::new(webhooks))
}

/// The webhook of a method, if that is what it is judged by.
fn own_of<'a>(method: &'a WebhookMethod, report: &mut Report) -> Option<&'a raw::Webhook> {
    bounds(&method.webhook, report);
    if method.method == WebhookMeans::None {
        refuse_unasked(&method.webhook, report);
    }
    (method.method == WebhookMeans::Webhook).then_some(&method.webhook)
}

/// A webhook that is given and would not be asked: whoever wrote that counts on its answers.
fn refuse_unasked(webhook: &raw::Webhook, report: &mut Report) {
    if !webhook.url.value.is_empty() {
        report.fault(
            &webhook.url,
            "`url` is given, but nobody is asked without a method; write `method: webhook` beside \
             `webhook`, or leave `url` empty",
        );
    }
}

/// A method must not have a webhook of its own and one of the older form.
fn refuse_both(key: &str, raw: &raw::Auth, report: &mut Report) {
    if !raw.url.value.is_empty() {
        report.fault(
            &raw.url,
            format!("`url` and `{key}.webhook` both say who is asked; remove the older `url`"),
        );
    }
}

/// What ContainerSSH can and we can't.
fn refuse_means(raw: &raw::Auth, report: &mut Report) {
    if let Password::Method(method) = &raw.password
        && method.method.value == PasswordMeans::Kerberos
    {
        report.fault(
            &method.method,
            "`method`: kerberos is not in this version; use webhook, or `users` with passwords",
        );
    }
    if raw.gssapi.method.value == GssapiMeans::Kerberos {
        report.fault(
            &raw.gssapi.method,
            "`method`: kerberos is not in this version; leave it empty, and use webhooks or `users`",
        );
    }
}

/// The webhook of the older form, if it is used.
fn older(raw: &raw::Auth, report: &mut Report) -> Option<raw::Webhook> {
    let older = raw::Webhook {
        allow_redirects: raw.allow_redirects.clone(),
        ..raw.webhook(&raw.within)
    };
    bounds(&older, report);
    if raw.url.value.is_empty() {
        return None;
    }
    report.warn(
        &raw.url,
        "`url` is the older form; write `auth.password` and `auth.publicKey`, each with \
         `method: webhook` and the settings under `webhook`",
    );
    Some(older)
}

/// What holds even of a webhook that is not used.
pub(super) fn bounds(raw: &raw::Webhook, report: &mut Report) {
    report.within(&raw.timeout, bounds::HTTP_TIMEOUT);
    report.within(&raw.within, bounds::AUTH_TIMEOUT);
}

/// `None` if something is wrong, which is reported.
pub(super) fn make(path: &str, raw: &raw::Webhook, report: &mut Report) -> Option<Webhook> {
    refuse_choices(raw, report);
    let url = url(path, &raw.url, report)?;
    let trust = if url.is_encrypted() {
        Some(trust(raw, report)?)
    } else {
        let given = !raw.cacert.value.is_empty() || !raw.cert.value.is_empty();
        if given {
            report.warn(
                &raw.url,
                "`url` is not encrypted, so `cacert`, `cert` and `key` mean nothing; use https",
            );
        }
        None
    };
    let (timeout, within) = (raw.timeout.value.into(), raw.within.value.into());
    Some(Webhook::new(url, trust, timeout, within))
}

fn url(path: &str, raw: &At<String>, report: &mut Report) -> Option<Url> {
    if raw.value.is_empty() {
        let key = if raw.place.is_some() {
            "url"
        } else {
            &format!("{path}.url")
        };
        report.fault(raw, format!("`{key}` is missing: say who is asked"));
        return None;
    }
    let url = match Url::parse(&raw.value) {
        Ok(url) => url,
        Err(error) => {
            report.fault(raw, format!("`url`: {error}"));
            return None;
        }
    };
    if !url.is_encrypted() && !url.is_local() {
        report.warn(
            raw,
            "`url` is not encrypted: what is asked and answered, passwords above all, passes the network in clear; use https",
        );
    }
    Some(url)
}

fn refuse_choices(raw: &raw::Webhook, report: &mut Report) {
    if raw.allow_redirects.value {
        report.fault(
            &raw.allow_redirects,
            "`allowRedirects`: redirects are not followed, since they could lead passwords \
             anywhere; set `url` to where they lead, and this to false",
        );
    }
    for (key, choice, default) in [
        ("curves", &raw.curves, CURVES),
        ("cipher", &raw.cipher, CIPHERS),
    ] {
        if let Some(at) = choice
            && !is_default(&at.value, default)
        {
            report.fault(
                at,
                format!("`{key}`: what is chosen can't be changed in this version; remove the key"),
            );
        }
    }
}

/// Whether it is the default, as a list or as a text with colons.
fn is_default(choice: &OneOrMany<String>, default: &[&str]) -> bool {
    let words = choice.0.iter().flat_map(|text| text.split(':'));
    words.eq(default.iter().copied())
}

fn trust(raw: &raw::Webhook, report: &mut Report) -> Option<Trust> {
    let faults = report.faults.len();
    let authorities = if raw.cacert.value.trim().is_empty() {
        Authorities::of_system()
    } else {
        Authorities::from_pem(&pem("cacert", &raw.cacert, &raw.cacert.value, report)?)
    };
    let authorities = authorities
        .map_err(|error| report.fault(&raw.cacert, format!("`cacert`: {error}")))
        .ok();
    let identity = identity(raw, report);
    if report.faults.len() > faults {
        return None;
    }
    let version = match raw.tls_version {
        TlsVersion::V13 => Version::V13,
        TlsVersion::V12 => Version::V12,
    };
    Trust::new(version, authorities?, identity)
        .map_err(|error| report.fault(&raw.url, format!("`url`: {error}")))
        .ok()
}

fn identity(raw: &raw::Webhook, report: &mut Report) -> Option<Identity> {
    let key = raw
        .key
        .as_ref()
        .filter(|key| !key.value.expose().is_empty());
    let (cert, key) = match (raw.cert.value.is_empty(), key) {
        (true, None) => return None,
        (false, Some(key)) => (&raw.cert, key),
        (false, None) => {
            report.fault(
                &raw.cert,
                "`cert` is given without its `key`; give both or none",
            );
            return None;
        }
        (true, Some(key)) => {
            report.fault(key, "`key` is given without its `cert`; give both or none");
            return None;
        }
    };
    let certificate = pem("cert", cert, &cert.value, report)?;
    let secret = secret(key, report)?;
    match Identity::from_pem(&certificate, &secret) {
        Ok(identity) => Some(identity),
        Err(error @ (TrustError::NoKey | TrustError::Key(_))) => {
            report.fault(key, format!("`key`: {error}"));
            None
        }
        Err(error) => {
            report.fault(cert, format!("`cert`: {error}"));
            None
        }
    }
}

/// A key, from the text itself or from the file that it names. Text that names no file is not
/// repeated: it may be a key without its first line.
pub(super) fn secret(key: &At<Secret>, report: &mut Report) -> Option<Zeroizing<Vec<u8>>> {
    let text = key.value.expose();
    if is_pem(text) {
        return Some(Zeroizing::new(text.as_bytes().to_vec()));
    }
    match read(Path::new(text)) {
        Ok(pem) => {
            check_secret_file(key, Path::new(text), report);
            Some(pem)
        }
        Err(error) => {
            let message = format!(
                "`key`: the file that it names cannot be read: {error}; a key itself begins with \
                 -----BEGIN"
            );
            report.fault(key, message);
            None
        }
    }
}

/// PEM, from the text itself or from the file that it names.
pub(super) fn pem<T>(
    key: &str,
    at: &At<T>,
    text: &str,
    report: &mut Report,
) -> Option<Zeroizing<Vec<u8>>> {
    if is_pem(text) {
        return Some(Zeroizing::new(text.as_bytes().to_vec()));
    }
    match read(Path::new(text)) {
        Ok(pem) => Some(pem),
        Err(error) => {
            report.fault(at, format!("`{key}`: {text}: {error}"));
            None
        }
    }
}

fn is_pem(text: &str) -> bool {
    text.trim_start().starts_with("-----")
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    if size > PEM_BYTES {
        return Err(io::Error::other("larger than 1 MiB: no certificate or key"));
    }
    // With room for all of it, so that no copy of a key is left behind.
    let room = usize::try_from(size).unwrap_or(0) + 1;
    let mut pem = Zeroizing::new(Vec::with_capacity(room));
    file.take(PEM_BYTES).read_to_end(&mut pem)?;
    Ok(pem)
}
