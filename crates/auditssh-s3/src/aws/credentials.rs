//! Credentials of the configuration's own, read from files anew with every client.

use crate::settings::Secret;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use std::path::Path;
use zeroize::Zeroizing;

/// No secret is longer, in bytes.
const LONGEST: usize = 64 << 10;

/// A key whose secret stands in the configuration or in files.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) access: String,
    pub(super) secret: Secret,
    pub(super) token: Option<Secret>,
}

impl ProvideCredentials for Key {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.read())
    }
}

impl Key {
    async fn read(&self) -> provider::Result {
        let secret = read(&self.secret).await?;
        let token = match &self.token {
            Some(token) => Some(read(token).await?.to_string()),
            None => None,
        };
        Ok(Credentials::new(
            &self.access,
            secret.as_str(),
            token,
            None,
            "configuration",
        ))
    }
}

async fn read(secret: &Secret) -> Result<Zeroizing<String>, CredentialsError> {
    match secret {
        Secret::Text(text) => Ok(text.clone()),
        Secret::File(path) => first_line(path)
            .await
            .map_err(CredentialsError::provider_error),
    }
}

async fn first_line(path: &Path) -> Result<Zeroizing<String>, String> {
    let text = tokio::fs::read_to_string(path).await;
    let text = Zeroizing::new(text.map_err(|error| format!("{}: {error}", path.display()))?);
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() || line.len() > LONGEST {
        return Err(format!("{}: no secret is in it", path.display()));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_secret_in_a_file_is_read_each_time_and_never_shown() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secret");
        let key = Key {
            access: "AKIA".into(),
            secret: Secret::File(file.clone()),
            token: Some(Secret::Text(Zeroizing::new("hunter3".into()))),
        };
        let error = format!("{:?}", key.read().await.unwrap_err());
        assert!(error.contains(file.to_str().unwrap()), "{error}");
        std::fs::write(&file, " \n").unwrap();
        assert!(key.read().await.is_err());
        for secret in ["hunter1", "hunter2"] {
            std::fs::write(&file, format!("{secret}\nmore\n")).unwrap();
            let read = key.read().await.unwrap();
            assert_eq!(read.secret_access_key(), secret);
            assert_eq!(read.session_token(), Some("hunter3"));
            let shown = format!("{key:?} {read:?}");
            assert!(!shown.contains("hunter"), "{shown}");
        }
    }
}
