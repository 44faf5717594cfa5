//! `keyboard-interactive`: it asks for the password, or has the user prove itself elsewhere.

use super::super::Ended;
use super::check::Outcome;
use super::{Answer, Challenge, Login, PROMPT};
use crate::auth;
use crate::auth::elsewhere::Pending;
use crate::counters::Method;
use auditssh_log::Event;
use auditssh_log::message::{
    KeyboardInteractiveAnswer, KeyboardInteractiveAnswers, KeyboardInteractiveBackendError,
    KeyboardInteractiveChallenge, KeyboardInteractiveFailed, KeyboardInteractiveQuestion,
};
use tokio::time::Instant;
use zeroize::Zeroizing;

impl Login {
    /// It begins: the question is put, or the user is told what to do.
    pub(crate) async fn challenge(&mut self, user: &str) -> Result<Challenge, Ended> {
        self.begin()?;
        self.pending = None;
        let Some(elsewhere) = self.proves_elsewhere(user) else {
            let question = KeyboardInteractiveQuestion {
                question: PROMPT.into(),
                echo: false,
            };
            self.record_challenge(user, "", Some(vec![question]))
                .await?;
            return Ok(Challenge::Password);
        };
        let until = self.floor(1);
        match self.begin_elsewhere(&*elsewhere, user).await? {
            Ok(pending) => {
                let instruction = pending.instruction().to_owned();
                self.record_challenge(user, &instruction, None).await?;
                self.pending = Some((user.to_owned(), pending));
                Ok(Challenge::Told(instruction))
            }
            Err(outcome) => {
                let answer = self.judge_interactive(user, outcome, until).await?;
                Ok(Challenge::Refused(answer))
            }
        }
    }

    /// It is answered: by one answer if it asked for the password, else by none.
    pub(crate) async fn answers(
        &mut self,
        user: &str,
        answers: Vec<Zeroizing<Vec<u8>>>,
    ) -> Result<Answer, Ended> {
        let until = self.floor(1);
        let pending = self.pending.take();
        let asked = pending.is_none();
        let said = answers.iter().take(1).map(|answer| {
            let answer = answer.get(..auth::PASSWORD_BYTES).unwrap_or(answer);
            KeyboardInteractiveAnswer {
                question: PROMPT.into(),
                answer: answer.into(),
            }
        });
        let event = Event::KeyboardInteractiveAnswer(KeyboardInteractiveAnswers {
            username: self.name(user).into(),
            answers: asked.then(|| said.collect()),
        });
        self.link.record(event).await?;
        let outcome = match (pending, answers.as_slice()) {
            (Some((told, pending)), []) if told == user => self.await_elsewhere(pending).await?,
            (None, [password]) if self.proves_elsewhere(user).is_none() => {
                self.judge_password(user, password).await?
            }
            (None, _) => Outcome::Refused("one answer was expected".to_owned()),
            (Some(_), _) => Outcome::Refused("no answer was expected".to_owned()),
        };
        self.judge_interactive(user, outcome, until).await
    }

    async fn await_elsewhere(&mut self, mut pending: Box<dyn Pending>) -> Result<Outcome, Ended> {
        let outcome = self.link.unless_over(pending.outcome()).await?;
        Ok(self.outcome_elsewhere(outcome))
    }

    async fn record_challenge(
        &self,
        user: &str,
        instruction: &str,
        questions: Option<Vec<KeyboardInteractiveQuestion>>,
    ) -> Result<(), Ended> {
        let event = Event::KeyboardInteractiveChallenge(KeyboardInteractiveChallenge {
            username: self.name(user).into(),
            instruction: instruction.into(),
            questions,
        });
        self.link.record(event).await
    }

    async fn judge_interactive(
        &mut self,
        user: &str,
        outcome: Outcome,
        until: Instant,
    ) -> Result<Answer, Ended> {
        let username = self.name(user).to_owned();
        let method = Method::KeyboardInteractive;
        match self.authorize(user, outcome).await? {
            Outcome::Granted(grant) => self.granted(user, grant, method, None).await,
            Outcome::Refused(reason) => {
                let event = Event::KeyboardInteractiveFailed(KeyboardInteractiveFailed {
                    username: username.into(),
                });
                self.refused(user, method, &reason, event, until).await
            }
            Outcome::Failed(reason) => {
                let event = KeyboardInteractiveBackendError {
                    username: username.into(),
                    reason: reason.clone().into(),
                };
                let event = Event::KeyboardInteractiveBackendError(event);
                self.refused(user, method, &reason, event, until).await
            }
        }
    }
}
