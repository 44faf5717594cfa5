//! A server for one test.

use super::program::Programs;
use crate::auth::{PasswordHash, User, Users};
use crate::{Counters, HostKey, Server, Settings};
use arc_swap::ArcSwap;
use auditssh_archive::Archive;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(super) const PASSWORD: &str = "correct horse";

pub(super) struct TestServer {
    pub(super) address: SocketAddr,
    pub(super) counters: Arc<Counters>,
    pub(super) programs: Arc<Programs>,
    pub(super) shutdown: CancellationToken,
    pub(super) running: JoinHandle<()>,
}

impl TestServer {
    pub(super) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::into(Archive::none(), change)
    }

    pub(super) fn into(archive: Archive, change: impl FnOnce(&mut Settings)) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let mut settings = Settings::new(any, HostKey::ephemeral().unwrap());
        settings.limits.rejection_time = Duration::from_millis(10);
        change(&mut settings);
        let programs: Arc<Programs> = Arc::default();
        let backend = Arc::new(Arc::clone(&programs));
        let server = Server::bind(settings, archive, backend, users()).unwrap();
        let shutdown = CancellationToken::new();
        Self {
            address: server.addresses()[0],
            counters: server.counters(),
            programs,
            running: tokio::spawn(server.run(shutdown.clone())),
            shutdown,
        }
    }

    /// Waits until something holds; fails after a while.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while !holds(self) {
            assert!(tokio::time::Instant::now() < deadline, "never: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn users() -> Arc<ArcSwap<Users>> {
    // A cheap hash: these tests are not about hashes.
    let hash: PasswordHash = cheap_hash().parse().unwrap();
    let user = || User {
        password: Some(hash.clone()),
        ..User::default()
    };
    let named = ["alice", "nowhere"].map(|name| (name.to_owned(), user()));
    Arc::new(ArcSwap::from_pointee(
        Users::new(named, Vec::new()).unwrap(),
    ))
}

fn cheap_hash() -> String {
    bcrypt::hash(PASSWORD, 4).unwrap()
}
