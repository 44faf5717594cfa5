//! How the API server is reached: what the settings, a file of `kubectl` or the pod of the gateway
//! say, made into what the client takes.

use crate::settings::{Access, Pem, Server, Token};
use futures::FutureExt as _;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use secrecy::{ExposeSecret as _, SecretString};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

/// Bytes of the largest file that is read.
const FILE_BYTES: u64 = 1024 * 1024;

/// Why the API server can't be spoken to. No text shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// No service account's files are there.
    #[error(
        "backend kubernetes: {0}: the gateway does not run in a pod with a service account; set \
         `kubernetes.connection.kubeconfig`, or `host`, `cacertFile` and `bearerTokenFile`"
    )]
    NotInCluster(String),
    /// The file of `kubectl` can't be used.
    #[error("backend kubernetes: {file}: {reason}")]
    Kubeconfig {
        /// Which file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file can't be read.
    #[error("backend kubernetes: {file}: {source}")]
    File {
        /// Which file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// A certificate or a key is none.
    #[error("backend kubernetes: `kubernetes.connection.{key}`: {reason}")]
    Pem {
        /// The setting.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The client of the API can't be made.
    #[error("backend kubernetes: {0}")]
    Client(String),
}

/// What the client is told. Reads files; blocks.
pub(crate) fn config(access: &Access, timeout: Duration) -> Result<Config, AccessError> {
    let mut config = match access {
        Access::InCluster => {
            Config::incluster().map_err(|error| AccessError::NotInCluster(error.to_string()))?
        }
        Access::Kubeconfig { file, context } => kubeconfig(file, context.clone())?,
        Access::Server(server) => explicit(server)?,
    };
    config.connect_timeout = Some(timeout);
    // A repeated request may have had its effect before: who asks decides.
    config.default_retry = false;
    Ok(config)
}

fn kubeconfig(file: &Path, context: Option<String>) -> Result<Config, AccessError> {
    let unusable = |reason: String| AccessError::Kubeconfig {
        file: file.display().to_string(),
        reason,
    };
    // Once by ourselves: what is wrong with a file is told without any of its content.
    read(file)?;
    let parsed = Kubeconfig::read_from(file)
        .map_err(|_| unusable("it is not a file of kubectl's form (kind: Config)".to_owned()))?;
    let mut clusters = parsed.clusters.iter();
    if clusters.any(|named| matches!(&named.cluster, Some(one) if one.proxy_url.is_some())) {
        return Err(unusable(
            "`proxy-url` is set, which is not supported; remove it".to_owned(),
        ));
    }
    let options = KubeConfigOptions {
        context,
        ..KubeConfigOptions::default()
    };
    let made = Config::from_custom_kubeconfig(parsed, &options).now_or_never();
    let mut config = match made {
        Some(Ok(config)) => config,
        Some(Err(error)) => return Err(unusable(error.to_string())),
        None => return Err(unusable("it can't be read at once".to_owned())),
    };
    let user = &config.auth_info;
    if user.exec.is_some() || user.auth_provider.is_some() {
        return Err(unusable(
            "its user logs in by a program (`exec`, `auth-provider`), which is for people; give the \
             gateway a service account and its token"
                .to_owned(),
        ));
    }
    if config.accept_invalid_certs {
        return Err(unusable(
            "`insecure-skip-tls-verify` is set; give it `certificate-authority` instead".to_owned(),
        ));
    }
    // The environment's proxy is not meant for a server's own cluster.
    config.proxy_url = None;
    Ok(config)
}

fn explicit(server: &Server) -> Result<Config, AccessError> {
    let url = server
        .url
        .parse()
        .map_err(|error| AccessError::Client(format!("`kubernetes.connection.host`: {error}")))?;
    let mut config = Config::new(url);
    config.tls_server_name.clone_from(&server.name);
    if let Some(authority) = &server.authority {
        config.root_cert = Some(certificates(authority, "cacertFile")?);
        if let Pem::File(file) = authority {
            // Read again now and then: authorities change.
            config.root_cert_file = Some(file.clone());
        }
    }
    let user = &mut config.auth_info;
    if let Some((certificate, key)) = &server.certificate {
        user.client_certificate_data = Some(encoded(certificate)?.expose_secret().to_owned());
        user.client_key_data = Some(encoded(key)?);
    }
    if let Some((name, password)) = &server.password {
        user.username = Some(name.clone());
        user.password = Some(password.clone());
    }
    match &server.token {
        Some(Token::Text(token)) => user.token = Some(token.clone()),
        Some(Token::File(file)) => {
            read(file)?;
            user.token_file = Some(file.display().to_string());
        }
        None => {}
    }
    Ok(config)
}

/// The DER of certificates.
fn certificates(pem: &Pem, key: &'static str) -> Result<Vec<Vec<u8>>, AccessError> {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject as _;
    let text = text(pem)?;
    let all: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(text.expose_secret().as_bytes()).collect();
    let none = |reason: &str| AccessError::Pem {
        key,
        reason: reason.to_owned(),
    };
    let all = all.map_err(|_| none("it is not PEM"))?;
    if all.is_empty() {
        return Err(none("no certificate is in it"));
    }
    Ok(all.into_iter().map(|one| one.to_vec()).collect())
}

/// PEM in the form in which a file of `kubectl` holds it.
fn encoded(pem: &Pem) -> Result<SecretString, AccessError> {
    use base64::Engine as _;
    let text = text(pem)?;
    let engine = base64::engine::general_purpose::STANDARD;
    Ok(engine.encode(text.expose_secret()).into())
}

fn text(pem: &Pem) -> Result<SecretString, AccessError> {
    match pem {
        Pem::Text(text) => Ok(text.clone()),
        Pem::File(file) => read(file),
    }
}

fn read(file: &Path) -> Result<SecretString, AccessError> {
    let failed = |source| AccessError::File {
        file: file.display().to_string(),
        source,
    };
    let mut text = String::new();
    let mut reader = File::open(file).map_err(failed)?.take(FILE_BYTES + 1);
    reader.read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES {
        return Err(failed(io::Error::other("larger than 1 MiB")));
    }
    Ok(text.into())
}
