//! Whether what a client shows is good, judged by the configuration.

use super::super::Ended;
use super::Login;
use crate::auth::{self, Grant, Users, Verdict};
use crate::russh::{Algorithm, Certificate, PublicKey};
use std::sync::Arc;
use std::time::SystemTime;
use zeroize::Zeroizing;

/// The outcome of a check, in the words of the log.
pub(super) enum Outcome {
    Granted(Grant),
    Refused(String),
    Failed(String),
}

impl Login {
    pub(super) async fn check_password(
        &self,
        user: &str,
        password: &[u8],
    ) -> Result<Outcome, Ended> {
        let (name, password) = (self.user(user), Zeroizing::new(password.to_vec()));
        self.check(user, move |users| {
            verdict::<auth::AuthError>(Ok(users.password(&name, &password)))
        })
        .await
    }

    pub(super) async fn check_key(
        &self,
        user: &str,
        key: &PublicKey,
        algorithm: &Algorithm,
    ) -> Result<Outcome, Ended> {
        if !auth::signature_allowed(algorithm) {
            let reason = format!("signatures of type {algorithm} are not accepted");
            return Ok(Outcome::Refused(reason));
        }
        let (name, key, address) = (self.user(user), key.clone(), self.link.remote.ip());
        self.check(user, move |users| {
            verdict(users.public_key(&name, &key, address, SystemTime::now()))
        })
        .await
    }

    pub(super) async fn check_certificate(
        &self,
        user: &str,
        certificate: &Certificate,
    ) -> Result<Outcome, Ended> {
        let (name, certificate) = (self.user(user), certificate.clone());
        let address = self.link.remote.ip();
        self.check(user, move |users| {
            verdict(users.certificate(&name, &certificate, address, SystemTime::now()))
        })
        .await
    }

    pub(super) async fn certifies(&self, user: &str) -> Result<bool, Ended> {
        let name = self.user(user);
        let asked = self.blocking(move |users| users.certifies(&name)).await?;
        Ok(asked == Ok(true))
    }

    async fn check(
        &self,
        user: &str,
        check: impl FnOnce(&Users) -> Outcome + Send + 'static,
    ) -> Result<Outcome, Ended> {
        if user.len() > self.link.settings.limits.name_bytes {
            let reason = "the name is too long (limits.nameBytes)";
            return Ok(Outcome::Refused(reason.to_owned()));
        }
        let checked = self.blocking(check).await?;
        Ok(checked.unwrap_or_else(Outcome::Failed))
    }

    /// Runs a check where it may block, when there is room for it.
    async fn blocking<T: Send + 'static>(
        &self,
        check: impl FnOnce(&Users) -> T + Send + 'static,
    ) -> Result<Result<T, String>, Ended> {
        let checks = Arc::clone(&self.door.checks);
        let users = self.door.users.load_full();
        self.link
            .unless_over(async move {
                let room = checks.acquire_owned().await;
                let room = room.map_err(|error| error.to_string())?;
                let checked = tokio::task::spawn_blocking(move || {
                    let result = check(&users);
                    drop(room);
                    result
                });
                checked.await.map_err(|error| error.to_string())
            })
            .await
    }
}

fn verdict<E: ToString>(result: Result<Verdict, E>) -> Outcome {
    match result {
        Ok(Verdict::Granted(grant)) => Outcome::Granted(grant),
        Ok(Verdict::Refused(refusal)) => Outcome::Refused(refusal.to_string()),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}
