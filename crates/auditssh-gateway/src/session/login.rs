mod ask;
mod check;
mod interactive;

use super::arrival::Arrival;
use super::client::Asked;
use super::{Ended, Link, clip};
use crate::auth::elsewhere::Pending;
use crate::auth::{self, Grant, Users};
use crate::backend::{Backend, Identity};
use crate::counters::Method;
use crate::notice::Notice;
use crate::russh::{Algorithm, Certificate, PublicKey};
use crate::wire::negotiated;
use arc_swap::ArcSwap;
use ask::{Offer, applicant};
use auditssh_archive::Entry;
use auditssh_log::Event;
use auditssh_log::extension;
use auditssh_log::message::{
    AuthPassword, AuthPasswordBackendError, AuthPubKey, AuthPubKeyBackendError, HandshakeSuccessful,
};
use check::Outcome;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// The prompt of keyboard-interactive.
pub(crate) const PROMPT: &str = "Password: ";

/// Offers of keys and challenges that may come to nothing, for each attempt that is allowed.
const BEGUN_PER_ATTEMPT: usize = 4;

/// What the client is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is good.
    Accept,
    /// It is not; another try is allowed.
    Reject,
}

/// How keyboard-interactive begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// By asking for the password ([`PROMPT`]).
    Password,
    /// By telling the user what to do elsewhere; an empty answer is waited for.
    Told(String),
    /// Not at all.
    Refused(Answer),
}

/// What logging in needs of the server.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) users: Arc<ArcSwap<Users>>,
    pub(crate) backend: Arc<dyn Backend>,
    /// Room for checks, which are heavy.
    pub(crate) checks: Arc<Semaphore>,
    /// Services that do not answer.
    pub(crate) unanswered: Arc<Notice>,
}

/// The way to a login on one connection.
pub(crate) struct Login {
    link: Arc<Link>,
    door: Door,
    attempts: usize,
    /// What was begun and proves nothing yet: good offers of keys, challenges.
    begun: usize,
    /// Who was proven, and how.
    proven: Option<(String, Grant, Method)>,
    /// The last key that a service would let in.
    offer: Option<Offer>,
    /// Who is awaited to prove themselves elsewhere.
    pending: Option<(String, Box<dyn Pending>)>,
}

impl Login {
    pub(crate) fn new(link: Arc<Link>, door: Door) -> Self {
        Self {
            link,
            door,
            attempts: 0,
            begun: 0,
            proven: None,
            offer: None,
            pending: None,
        }
    }

    /// `none`: how clients ask what methods there are; no attempt.
    pub(crate) fn none(&self) {
        self.link.counters.none_probes.add();
    }

    /// `password`.
    pub(crate) async fn password(&mut self, user: &str, password: &str) -> Result<Answer, Ended> {
        let until = self.floor(1);
        let said = AuthPassword {
            username: self.name(user).into(),
            password: Some(clip(password, auth::PASSWORD_BYTES).as_bytes().to_vec()),
        };
        self.link.record(Event::AuthPassword(said.clone())).await?;
        let outcome = self.judge_password(user, password.as_bytes()).await?;
        match self.authorize(user, outcome).await? {
            Outcome::Granted(grant) => {
                let event = Event::AuthPasswordSuccessful(said);
                self.granted(user, grant, Method::Password, Some(event))
                    .await
            }
            Outcome::Refused(reason) => {
                let event = Event::AuthPasswordFailed(said);
                self.refused(user, Method::Password, &reason, event, until)
                    .await
            }
            Outcome::Failed(reason) => {
                let event = Event::AuthPasswordBackendError(AuthPasswordBackendError {
                    username: said.username,
                    password: said.password,
                    reason: reason.clone().into(),
                });
                self.refused(user, Method::Password, &reason, event, until)
                    .await
            }
        }
    }

    /// A key is offered; nothing is proven by that, so accepting it means only that a signature
    /// is worth making. A certificate can't be told from its key here, so where one may be good
    /// every key is worth a signature.
    pub(crate) async fn offered(
        &mut self,
        user: &str,
        key: &PublicKey,
        algorithm: &Algorithm,
    ) -> Result<Answer, Ended> {
        let until = self.key_floor();
        self.begin()?;
        let said = self.key(user, key.to_openssh().unwrap_or_default());
        self.link.record(Event::AuthPubKey(said.clone())).await?;
        let outcome = self.judge_offer(user, key, algorithm).await?;
        if matches!(outcome, Outcome::Granted(_)) || self.certifies(user).await? {
            return Ok(Answer::Accept);
        }
        self.refused_key(user, said, outcome, until).await
    }

    /// A key whose possession is proven.
    pub(crate) async fn proven_key(
        &mut self,
        user: &str,
        key: &PublicKey,
        algorithm: &Algorithm,
    ) -> Result<Answer, Ended> {
        let until = self.key_floor();
        let said = self.key(user, key.to_openssh().unwrap_or_default());
        let outcome = self.judge_proven(user, key, algorithm).await?;
        self.judge_key(user, said, outcome, until).await
    }

    /// A certificate whose key's possession is proven.
    pub(crate) async fn proven_certificate(
        &mut self,
        user: &str,
        certificate: &Certificate,
    ) -> Result<Answer, Ended> {
        let until = self.key_floor();
        let said = self.key(user, certificate.to_openssh().unwrap_or_default());
        let outcome = self.check_certificate(user, certificate).await?;
        self.judge_key(user, said, outcome, until).await
    }

    /// The login has succeeded: recorded before the client is told.
    pub(crate) async fn succeeded(&mut self) -> Result<(), Ended> {
        let Some((user, grant, method)) = self.proven.take() else {
            return Err(Ended::Protocol("a login that proves nobody".to_owned()));
        };
        let event = Event::HandshakeSuccessful(HandshakeSuccessful {
            username: user.as_str().into(),
        });
        let (name, place) = self.link.settings.divide(&user);
        let extra = self.handshake(name, &grant, method).to_extra();
        self.link.record(Entry::from(event).with(extra)).await?;
        self.link.origin.by(method).accepted.add();
        tracing::info!(
            connection = self.link.recorder.connection_id(),
            user = user.as_str(),
            remote = %self.link.remote,
            method = method.name(),
            key = grant.fingerprint,
            known_as = grant.facts.authenticated_username,
            "logged in"
        );
        self.link.logged_in.cancel();
        let chooser = self.link.settings.chooser.clone();
        let applicant = |chooser| (chooser, applicant(&self.link, name.to_owned()));
        let identity = Identity {
            user: name.to_owned(),
            place: place.map(str::to_owned),
            connection_id: self.link.recorder.connection_id().to_owned(),
            remote_address: self.link.remote,
            local_address: self.link.local,
            restrictions: grant.restrictions,
            facts: grant.facts,
            client: Arc::new(Asked::new(&self.link)),
        };
        self.link.connect(Arrival {
            backend: Arc::clone(&self.door.backend),
            security: Arc::clone(&self.link.settings.security),
            chooser: chooser.map(applicant),
            identity,
        });
        Ok(())
    }

    /// What costs the client nothing must not go on for ever: each time is recorded.
    fn begin(&mut self) -> Result<(), Ended> {
        let attempts = self.link.settings.limits.auth_attempts;
        if self.begun >= attempts.saturating_mul(BEGUN_PER_ATTEMPT) {
            return Err(Ended::Attempts);
        }
        self.begun += 1;
        Ok(())
    }

    fn handshake(&self, user: &str, grant: &Grant, method: Method) -> extension::Handshake {
        let hellos = self.link.line.hellos();
        let known_as = grant.facts.authenticated_username.as_deref();
        extension::Handshake {
            authenticated_username: Some(known_as.unwrap_or(user).into()),
            auth_method: Some(method.name().into()),
            key_fingerprint: grant.fingerprint.as_deref().map(Into::into),
            certificate: grant.certificate.as_ref().map(|certificate| {
                let principals = certificate.principals.iter();
                extension::Certificate {
                    serial: certificate.serial,
                    key_id: certificate.key_id.as_str().into(),
                    authority: certificate.authority.as_str().into(),
                    principals: principals.map(|name| name.as_str().into()).collect(),
                }
            }),
            ..negotiated(&hellos.client, &hellos.server)
        }
    }

    async fn judge_key(
        &mut self,
        user: &str,
        said: AuthPubKey,
        outcome: Outcome,
        until: Instant,
    ) -> Result<Answer, Ended> {
        match self.authorize(user, outcome).await? {
            Outcome::Granted(grant) => {
                let event = Event::AuthPubKeySuccessful(said);
                self.granted(user, grant, Method::PublicKey, Some(event))
                    .await
            }
            other => self.refused_key(user, said, other, until).await,
        }
    }

    async fn refused_key(
        &mut self,
        user: &str,
        said: AuthPubKey,
        outcome: Outcome,
        until: Instant,
    ) -> Result<Answer, Ended> {
        let (reason, event) = match outcome {
            Outcome::Failed(reason) => {
                let event = AuthPubKeyBackendError {
                    username: said.username,
                    key: said.key,
                    reason: reason.clone().into(),
                };
                (reason, Event::AuthPubKeyBackendError(event))
            }
            Outcome::Refused(reason) => (reason, Event::AuthPubKeyFailed(said)),
            Outcome::Granted(_) => (String::new(), Event::AuthPubKeyFailed(said)),
        };
        self.refused(user, Method::PublicKey, &reason, event, until)
            .await
    }

    async fn granted(
        &mut self,
        user: &str,
        grant: Grant,
        method: Method,
        event: Option<Event>,
    ) -> Result<Answer, Ended> {
        if let Some(event) = event {
            self.link.record(event).await?;
        }
        self.proven = Some((user.to_owned(), grant, method));
        Ok(Answer::Accept)
    }

    /// Recorded, counted, and answered no sooner than `until`.
    async fn refused(
        &mut self,
        user: &str,
        method: Method,
        reason: &str,
        event: Event,
        until: Instant,
    ) -> Result<Answer, Ended> {
        self.proven = None;
        self.attempts += 1;
        let attempts = self.link.origin.by(method);
        let counter = if is_unchecked(&event) {
            &attempts.failed
        } else {
            &attempts.refused
        };
        self.link.record(event).await?;
        counter.add();
        tracing::info!(
            connection = self.link.recorder.connection_id(),
            user = self.name(user),
            remote = %self.link.remote,
            method = method.name(),
            reason,
            "login refused"
        );
        self.link
            .unless_over(tokio::time::sleep_until(until))
            .await?;
        if self.attempts >= self.link.settings.limits.auth_attempts {
            return Err(Ended::Attempts);
        }
        Ok(Answer::Reject)
    }

    fn key(&self, user: &str, key: String) -> AuthPubKey {
        AuthPubKey {
            username: self.name(user).into(),
            key: key.into(),
        }
    }

    /// Whom a login name means.
    fn user(&self, login: &str) -> String {
        self.link.settings.divide(login).0.to_owned()
    }

    /// As much of a name as is kept.
    fn name<'a>(&self, user: &'a str) -> &'a str {
        clip(user, self.link.settings.limits.name_bytes)
    }

    /// When the refusal of a key may be told.
    fn key_floor(&self) -> Instant {
        self.floor(if self.keys_are_asked_for() { 1 } else { 10 })
    }

    /// When a refusal may be told, `fraction` being what the check is cheaper than a password's.
    fn floor(&self, fraction: u32) -> Instant {
        let time: Duration = self.link.settings.limits.rejection_time;
        Instant::now() + time / fraction
    }
}

/// Whether something could not be checked, rather than that it proved nothing.
fn is_unchecked(event: &Event) -> bool {
    matches!(
        event,
        Event::AuthPasswordBackendError(_)
            | Event::AuthPubKeyBackendError(_)
            | Event::KeyboardInteractiveBackendError(_)
    )
}
