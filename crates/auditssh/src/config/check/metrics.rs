//! `metrics` and `health`.

use super::report::Report;
use crate::config::at::At;
use crate::config::one_or_many::{Address, OneOrMany};
use crate::config::raw;
use crate::config::secret::Secret;
use auditssh_monitor::{Tls, TlsError, TlsSettings, TlsVersion};
use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use zeroize::Zeroizing;

/// No file of certificates or keys is larger, in bytes.
const LARGEST: u64 = 1 << 20;

/// How the server is seen from outside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Monitor {
    pub(crate) metrics: Option<Http>,
    /// Where metrics are.
    pub(crate) path: String,
    pub(crate) health: Option<Http>,
}

/// An HTTP server.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    pub(crate) listen: SocketAddr,
    /// The setting with the address, for errors.
    pub(crate) key: String,
    pub(crate) tls: Option<Tls>,
}

/// What all blocks of HTTP servers have.
pub(super) struct Block<'a> {
    pub(super) listen: &'a At<Address>,
    pub(super) key: Option<&'a At<Secret>>,
    pub(super) cert: Option<&'a At<String>>,
    pub(super) clientcacert: Option<&'a At<String>>,
    pub(super) tls_version: &'a At<String>,
    pub(super) curves: &'a At<OneOrMany<String>>,
    pub(super) cipher: &'a At<OneOrMany<String>>,
}

pub(super) fn check(raw: &raw::Raw, ssh: &[SocketAddr], report: &mut Report) -> Monitor {
    let (metrics, health) = (&raw.metrics, &raw.health);
    let path = &metrics.path;
    let letter = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#');
    if !path.value.starts_with('/') || !path.value.bytes().all(letter) {
        report.fault(path, "`path` must begin with / and hold no blanks, ? or #");
    }
    if let Some(client) = &health.client {
        report.fault(
            client,
            "`client`: AuditSSH has no client of its own; remove it, and ask with \
             `curl --fail http://ADDRESS:PORT/`",
        );
    }
    let checked = |block: &Block<'_>, name: &str, report: &mut Report| Http {
        listen: block.listen.value.0,
        key: report.place(block.listen, &format!("{name}.listen")),
        tls: tls(block, report),
    };
    let of_metrics = checked(&metrics.into(), "metrics", report);
    let of_health = checked(&health.into(), "health", report);
    let metrics_at = metrics.enable.then_some(metrics.listen.value.0);
    for (block, enabled, others) in [
        (&metrics.listen, metrics.enable, ssh.to_vec()),
        (
            &health.listen,
            health.enable,
            ssh.iter().copied().chain(metrics_at).collect(),
        ),
    ] {
        let address = block.value.0;
        if enabled && address.port() != 0 && others.contains(&address) {
            let text = format!(
                "`listen`: something else listens on {address} already; choose another port"
            );
            report.fault(block, text);
        }
    }
    Monitor {
        metrics: metrics.enable.then_some(of_metrics),
        path: path.value.clone(),
        health: health.enable.then_some(of_health),
    }
}

impl<'a> From<&'a raw::Metrics> for Block<'a> {
    fn from(raw: &'a raw::Metrics) -> Self {
        Self {
            listen: &raw.listen,
            key: raw.key.as_ref(),
            cert: raw.cert.as_ref(),
            clientcacert: raw.clientcacert.as_ref(),
            tls_version: &raw.tls_version,
            curves: &raw.curves,
            cipher: &raw.cipher,
        }
    }
}

impl<'a> From<&'a raw::Health> for Block<'a> {
    fn from(raw: &'a raw::Health) -> Self {
        Self {
            listen: &raw.listen,
            key: raw.key.as_ref(),
            cert: raw.cert.as_ref(),
            clientcacert: raw.clientcacert.as_ref(),
            tls_version: &raw.tls_version,
            curves: &raw.curves,
            cipher: &raw.cipher,
        }
    }
}

pub(super) fn tls(block: &Block<'_>, report: &mut Report) -> Option<Tls> {
    let version = version(block.tls_version, report);
    let (key, cert) = match (block.key, block.cert) {
        (Some(key), Some(cert)) => (key, cert),
        (None, Some(cert)) => {
            report.fault(cert, "`cert` has no `key`: give the private key, too");
            return None;
        }
        (Some(key), None) => {
            report.fault(key, "`key` has no `cert`: give the certificate, too");
            return None;
        }
        (None, None) => {
            if let Some(authorities) = block.clientcacert {
                report.fault(
                    authorities,
                    "`clientcacert` needs `cert` and `key`: without TLS no client shows a certificate",
                );
            }
            return None;
        }
    };
    let certificate = pem(cert, &cert.value, "cert", report)?;
    let private = pem(key, key.value.expose(), "key", report)?;
    let clients = match block.clientcacert {
        Some(authorities) => Some(pem(
            authorities,
            &authorities.value,
            "clientcacert",
            report,
        )?),
        None => None,
    };
    let (curves, ciphers) = (names(block.curves), names(block.cipher));
    let tls = Tls::new(&TlsSettings {
        certificate: &certificate,
        key: &private,
        client_authorities: clients.as_ref().map(|pem| pem.as_str()),
        version: version?,
        curves: &curves,
        ciphers: &ciphers,
    });
    match tls {
        Ok(tls) => return Some(tls),
        Err(error @ TlsError::Certificate(_)) => report.fault(cert, error),
        Err(error @ TlsError::Key(_)) => report.fault(key, error),
        Err(error @ TlsError::Clients(_)) => {
            report.fault(block.clientcacert.unwrap_or(cert), error);
        }
        Err(error @ TlsError::Curve(_)) => report.fault(block.curves, error),
        Err(error @ (TlsError::Cipher(_) | TlsError::Choice(_))) => {
            report.fault(block.cipher, error);
        }
    }
    None
}

fn version(at: &At<String>, report: &mut Report) -> Option<TlsVersion> {
    match at.value.as_str() {
        "1.3" => Some(TlsVersion::Tls13),
        "1.2" => Some(TlsVersion::Tls12),
        _ => {
            report.fault(at, "`tlsVersion` must be 1.3 or 1.2");
            None
        }
    }
}

/// The PEM itself, or what is in the file that is named.
fn pem<T>(at: &At<T>, text: &str, key: &str, report: &mut Report) -> Option<Zeroizing<String>> {
    if text.starts_with("-----") {
        return Some(Zeroizing::new(text.to_owned()));
    }
    match read(text) {
        Ok(pem) => Some(pem),
        // What stands there may be a key that lacks its first line.
        Err(error) => {
            report.fault(
                at,
                format!("the file that `{key}` names cannot be read: {error}"),
            );
            None
        }
    }
}

fn read(path: &str) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let mut file = File::open(path)?.take(LARGEST + 1);
    file.read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(text)
}

/// Names in a list, or in one text with colons between them.
fn names(at: &At<OneOrMany<String>>) -> Vec<String> {
    let all = at.value.0.iter().flat_map(|text| text.split(':'));
    all.map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}
