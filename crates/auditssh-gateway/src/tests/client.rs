//! A client of the SSH library's own, for what real clients don't do.

use super::server::{PASSWORD, TestServer};
use crate::russh::{ChannelMsg, LibraryError, ServerKey, client};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// No single step of a test takes longer.
const STEP: Duration = Duration::from_secs(30);

pub(super) type Channel = crate::russh::LibraryChannel;

pub(super) struct TestClient(pub(super) client::Handle<Trusting>);

/// Trusts every server.
pub(super) struct Trusting;

impl client::Handler for Trusting {
    type Error = LibraryError;

    async fn check_server_key(&mut self, _: &ServerKey) -> Result<bool, LibraryError> {
        Ok(true)
    }
}

/// What a program left behind.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outcome {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) exit: Option<u32>,
    pub(super) closed: bool,
}

impl TestClient {
    pub(super) async fn connect(server: &TestServer) -> Self {
        let config = Arc::new(client::Config {
            inactivity_timeout: None,
            nodelay: true,
            ..client::Config::default()
        });
        let connecting = client::connect(config, server.address, Trusting);
        Self(in_time(connecting).await.unwrap())
    }

    pub(super) async fn login(server: &TestServer) -> Self {
        let mut client = Self::connect(server).await;
        assert!(client.password("alice", PASSWORD).await);
        client
    }

    pub(super) async fn password(&mut self, user: &str, password: &str) -> bool {
        let result = in_time(self.0.authenticate_password(user, password)).await;
        result.is_ok_and(|result| result.success())
    }

    pub(super) async fn open(&self) -> Result<Channel, LibraryError> {
        in_time(self.0.channel_open_session()).await
    }

    pub(super) async fn exec(&self, command: &str) -> Channel {
        let channel = self.open().await.unwrap();
        in_time(channel.exec(true, command)).await.unwrap();
        channel
    }

    pub(super) async fn run(&self, command: &str) -> Outcome {
        finish(&mut self.exec(command).await).await
    }
}

/// Reads until the channel is closed.
pub(super) async fn finish(channel: &mut Channel) -> Outcome {
    let mut result = Outcome::default();
    while let Some(message) = in_time(channel.wait()).await {
        match message {
            ChannelMsg::Data { data } => result.stdout.extend(&data),
            ChannelMsg::ExtendedData { data, .. } => result.stderr.extend(&data),
            ChannelMsg::ExitStatus { exit_status } => result.exit = Some(exit_status),
            ChannelMsg::Close => {
                result.closed = true;
                break;
            }
            _ => {}
        }
    }
    result
}

/// Sends bytes and the end, while nobody reads.
pub(super) async fn send(channel: &Channel, bytes: Bytes) {
    in_time(channel.data_bytes(bytes)).await.unwrap();
    in_time(channel.eof()).await.unwrap();
}

pub(super) async fn in_time<F: Future>(step: F) -> F::Output {
    tokio::time::timeout(STEP, step).await.expect("in time")
}
