//! Whether what a client shows is good, asked of the service that decides about names that are not
//! configured; and whether who is proven may come in.

use super::super::{Ended, Link};
use super::Login;
use super::check::Outcome;
use crate::auth::elsewhere::{self, Elsewhere, Pending};
use crate::auth::service::{Answer, Applicant, Kind, Proof, Question, Unanswered};
use crate::auth::{self, Facts, Grant, Refusal, Restrictions, Service};
use crate::russh::{Algorithm, PublicKey};
use auditssh_log::message::Text;
use std::net::SocketAddr;
use std::sync::Arc;

/// Bytes of the longest version string that a client may have (RFC 4253, 4.2).
const VERSION_BYTES: usize = 255;

/// A key that was offered and would do; so the service is not asked a second time when the client
/// has signed.
pub(super) struct Offer {
    user: String,
    key: String,
    grant: Grant,
}

impl Login {
    /// Judges a password, by whoever decides about the name.
    pub(super) async fn judge_password(
        &self,
        user: &str,
        password: &[u8],
    ) -> Result<Outcome, Ended> {
        // Whoever decides, the hashes are computed: the time does not tell who is configured.
        let configured = self.check_password(user, password);
        let Some(service) = self.decides(user, Kind::Password) else {
            return configured.await;
        };
        if !auth::password_fits(password) {
            return Ok(Outcome::Refused(Refusal::PasswordForm.to_string()));
        }
        let asked = self.ask(&*service, user, Proof::Password(password));
        let (configured, asked) = tokio::join!(configured, asked);
        configured?;
        Ok(match asked? {
            Ok(facts) => granted(Grant::password(), facts),
            Err(outcome) => outcome,
        })
    }

    /// Judges a key that is offered. A service's answer holds for the signature that may follow.
    pub(super) async fn judge_offer(
        &mut self,
        user: &str,
        key: &PublicKey,
        algorithm: &Algorithm,
    ) -> Result<Outcome, Ended> {
        self.offer = None;
        let Some(service) = self.decides(user, Kind::PublicKey) else {
            return self.check_key(user, key, algorithm).await;
        };
        let outcome = self.ask_key(&*service, user, key, algorithm).await?;
        if let (Outcome::Granted(grant), Ok(key)) = (&outcome, key.to_openssh()) {
            self.offer = Some(Offer {
                user: user.to_owned(),
                key,
                grant: grant.clone(),
            });
        }
        Ok(outcome)
    }

    /// Judges a key whose possession is proven.
    pub(super) async fn judge_proven(
        &mut self,
        user: &str,
        key: &PublicKey,
        algorithm: &Algorithm,
    ) -> Result<Outcome, Ended> {
        let offer = self.offer.take();
        let Some(service) = self.decides(user, Kind::PublicKey) else {
            return self.check_key(user, key, algorithm).await;
        };
        let same = |offer: &Offer| {
            offer.user == user && key.to_openssh().is_ok_and(|key| key == offer.key)
        };
        match offer.filter(same) {
            Some(offer) if auth::signature_allowed(algorithm) => Ok(Outcome::Granted(offer.grant)),
            _ => self.ask_key(&*service, user, key, algorithm).await,
        }
    }

    /// Whether a service decides about keys: then refusals of all of them take longer, since its
    /// answers do.
    pub(super) fn keys_are_asked_for(&self) -> bool {
        self.service(Kind::PublicKey).is_some()
    }

    /// Of who is proven, whether the service lets it in; whoever it is and whoever has proven it.
    pub(super) async fn authorize(&self, user: &str, outcome: Outcome) -> Result<Outcome, Ended> {
        let Outcome::Granted(grant) = outcome else {
            return Ok(outcome);
        };
        let Some(service) = self.service(Kind::Authorization) else {
            return Ok(Outcome::Granted(grant));
        };
        let mut told = grant.facts.told();
        if self.door.users.load().knows(&self.user(user)) {
            told.authenticated_username = Some(self.user(user));
        }
        let asked = self.ask(&*service, user, Proof::Proven(&told)).await?;
        Ok(match asked {
            Ok(facts) => granted(grant, facts),
            Err(outcome) => outcome,
        })
    }

    async fn ask_key(
        &self,
        service: &dyn Service,
        user: &str,
        key: &PublicKey,
        algorithm: &Algorithm,
    ) -> Result<Outcome, Ended> {
        if !auth::signature_allowed(algorithm) {
            let reason = format!("signatures of type {algorithm} are not accepted");
            return Ok(Outcome::Refused(reason));
        }
        if let Err(reason) = auth::key_allowed(key) {
            return Ok(Outcome::Refused(reason));
        }
        let line = match key.to_openssh() {
            Ok(line) => line,
            Err(error) => return Ok(Outcome::Refused(error.to_string())),
        };
        let asked = self.ask(service, user, Proof::PublicKey(&line)).await?;
        Ok(match asked {
            Ok(facts) => {
                let print = auth::fingerprint(key);
                granted(Grant::public_key(print, Restrictions::default()), facts)
            }
            Err(outcome) => outcome,
        })
    }

    /// The service, if it decides about the name: one that stands in the configuration is decided
    /// there and nowhere else.
    fn decides(&self, user: &str, kind: Kind) -> Option<Arc<dyn Service>> {
        let ours = self.door.users.load().knows(&self.user(user));
        let askable = !ours && user.len() <= self.link.settings.limits.name_bytes;
        self.service(kind).filter(|_| askable)
    }

    fn service(&self, kind: Kind) -> Option<Arc<dyn Service>> {
        let service = self.link.settings.service.as_ref();
        service.filter(|service| service.answers(kind)).cloned()
    }

    /// Where the user proves itself by keyboard-interactive, unless that asks for the password: a
    /// name that stands in the configuration is decided there.
    pub(super) fn proves_elsewhere(&self, user: &str) -> Option<Arc<dyn Elsewhere>> {
        let ours = self.door.users.load().knows(&self.user(user));
        let elsewhere = self.link.settings.elsewhere.as_ref();
        elsewhere.filter(|_| !ours).cloned()
    }

    /// Begins a proof elsewhere, or says what becomes of the attempt.
    pub(super) async fn begin_elsewhere(
        &self,
        elsewhere: &dyn Elsewhere,
        user: &str,
    ) -> Result<Result<Box<dyn Pending>, Outcome>, Ended> {
        let link = &self.link;
        if user.len() > link.settings.limits.name_bytes {
            let reason = "the name is too long (limits.nameBytes)";
            return Ok(Err(Outcome::Refused(reason.to_owned())));
        }
        link.counters.service_questions.add();
        let applicant = applicant(link, self.user(user));
        let begun = link.unless_over(elsewhere.begin(&applicant)).await?;
        Ok(begun.map_err(|unanswered| self.unanswered(&unanswered)))
    }

    /// What a proof elsewhere is worth.
    pub(super) fn outcome_elsewhere(
        &self,
        outcome: Result<elsewhere::Proof, Unanswered>,
    ) -> Outcome {
        match outcome {
            Ok(elsewhere::Proof::Given(facts)) => granted(Grant::password(), facts),
            Ok(elsewhere::Proof::Refused(reason)) => Outcome::Refused(reason),
            Err(unanswered) => self.unanswered(&unanswered),
        }
    }

    fn unanswered(&self, unanswered: &Unanswered) -> Outcome {
        self.link.counters.service_failures.add();
        if let Some(withheld) = self.door.unanswered.due() {
            let connection = self.link.recorder.connection_id();
            tracing::warn!(
                connection, reason = %unanswered, withheld,
                "a login was refused, since nobody could be asked about it"
            );
        }
        Outcome::Failed(unanswered.to_string())
    }

    /// What the service says of the user if its answer is yes, else what becomes of the attempt.
    /// The question is taken back when the client is gone or the connection ends.
    async fn ask(
        &self,
        service: &dyn Service,
        user: &str,
        proof: Proof<'_>,
    ) -> Result<Result<Facts, Outcome>, Ended> {
        let link = &self.link;
        link.counters.service_questions.add();
        let applicant = applicant(link, self.user(user));
        let question = Question {
            applicant: &applicant,
            proof,
        };
        Ok(match link.unless_over(service.ask(question)).await? {
            Ok(Answer {
                success: true,
                facts,
            }) => Ok(facts),
            Ok(_) => {
                let reason = match proof.kind() {
                    Kind::Authorization => "the authorization service refuses the user",
                    _ => "the authentication service refuses it",
                };
                Err(Outcome::Refused(reason.to_owned()))
            }
            Err(unanswered) => Err(self.unanswered(&unanswered)),
        })
    }
}

/// A grant with what a service says of the user, if that can be taken.
fn granted(mut grant: Grant, facts: Facts) -> Outcome {
    match Arc::make_mut(&mut grant.facts).merge(facts) {
        Ok(()) => Outcome::Granted(grant),
        Err(error) => Outcome::Failed(format!("the service's answer cannot be taken: {error}")),
    }
}

/// Whom a question is about.
pub(super) fn applicant(link: &Link, username: String) -> Applicant {
    let mut version = (link.line.hellos().client.version)
        .map(Text::into_bytes)
        .unwrap_or_default();
    version.truncate(VERSION_BYTES);
    let remote = link.remote;
    Applicant {
        username,
        remote_address: SocketAddr::new(remote.ip().to_canonical(), remote.port()),
        connection_id: link.recorder.connection_id().to_owned(),
        client_version: String::from_utf8_lossy(&version).into_owned(),
    }
}
