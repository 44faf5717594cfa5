//! Logins that a service decides.

use super::client::{TestClient, in_time};
use super::server::{PASSWORD, TestServer};
use crate::auth::service::{Answer, Kind, Proof, Question, Service, Unanswered};
use async_trait::async_trait;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Knows `yes`, fails for `broken`, never answers for `slow`, and refuses everybody else.
#[derive(Debug, Default)]
struct Knowing {
    asked: Mutex<Vec<(Kind, String)>>,
    /// Whom it would not let in.
    unwelcome: AtomicBool,
    taken_back: CancellationToken,
}

#[async_trait]
impl Service for Knowing {
    fn answers(&self, kind: Kind) -> bool {
        kind != Kind::PublicKey
    }

    async fn ask(&self, question: Question<'_>) -> Result<Answer, Unanswered> {
        let name = question.applicant.username.clone();
        let kind = question.proof.kind();
        self.asked.lock().unwrap().push((kind, name));
        let success = match question.proof {
            Proof::Password(b"broken") => return Err(Unanswered("out of order".to_owned())),
            Proof::Password(b"slow") => {
                let _guard: DropGuard = self.taken_back.clone().drop_guard();
                std::future::pending().await
            }
            Proof::Password(password) => password == b"yes",
            Proof::PublicKey(_) => true,
            Proof::Proven(_) => !self.unwelcome.load(Ordering::Relaxed),
        };
        Ok(Answer {
            success,
            ..Answer::default()
        })
    }
}

fn start() -> (Arc<Knowing>, TestServer) {
    let service: Arc<Knowing> = Arc::default();
    let asked = Arc::clone(&service);
    let server = TestServer::with(|settings| settings.service = Some(asked));
    (service, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_decides_about_names_that_are_not_configured() {
    let (service, server) = start();
    let mut client = TestClient::connect(&server).await;
    for (user, password, good) in [
        ("carol", "no", false),
        ("carol", "broken", false),
        ("alice", "yes", false),
        ("carol", "yes", true),
    ] {
        assert_eq!(
            client.password(user, password).await,
            good,
            "{user} {password}"
        );
    }
    assert_eq!(client.run("exit 3").await.exit, Some(3));
    let carol = |kind| (kind, "carol".to_owned());
    let asked = service.asked.lock().unwrap().clone();
    let (password, authorization) = (carol(Kind::Password), carol(Kind::Authorization));
    assert_eq!(
        asked,
        [password.clone(), password.clone(), password, authorization]
    );
    assert_eq!(server.counters.service_questions.value(), 4);
    assert_eq!(server.counters.service_failures.value(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_in_whom_the_service_does_not_let_in() {
    let (service, server) = start();
    service.unwelcome.store(true, Ordering::Relaxed);
    let mut client = TestClient::connect(&server).await;
    assert!(!client.password("carol", "yes").await);
    assert!(!client.password("alice", PASSWORD).await);
    service.unwelcome.store(false, Ordering::Relaxed);
    assert!(client.password("alice", PASSWORD).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_taken_back_when_the_client_hangs_up() {
    let (service, server) = start();
    let mut client = TestClient::connect(&server).await;
    {
        let waiting = client.0.authenticate_password("carol", "slow");
        tokio::pin!(waiting);
        let asked = server.until("it is asked", |server| {
            server.counters.service_questions.value() == 1
        });
        tokio::select! {
            _ = &mut waiting => panic!("an answer to what was not answered"),
            () = asked => {}
        }
    }
    drop(client);
    in_time(service.taken_back.cancelled()).await;
    server
        .until("the connection is over", |server| {
            server.counters.failed_handshakes() == 1
        })
        .await;
}
