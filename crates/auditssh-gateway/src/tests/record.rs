//! What the log says of a connection, read back from the disk.

use super::client::{TestClient, finish, in_time, send};
use super::program::pattern;
use super::server::{PASSWORD, TestServer};
use auditssh_archive::{Archive, Settings};
use auditssh_log::codec::Decoder;
use auditssh_log::extension::{FailedHandshake, Handshake};
use auditssh_log::message::{Event, Message, Stream};
use auditssh_log::policy::Intercept;
use std::fs::File;
use std::sync::atomic::Ordering;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A server that keeps its logs in a directory.
pub(super) struct Recorded {
    pub(super) server: TestServer,
    directory: TempDir,
}

impl Recorded {
    fn start() -> Self {
        Self::with(|settings| settings.limits.session_channels = 2)
    }

    pub(super) fn with(change: impl FnOnce(&mut crate::Settings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(directory.path().join("audit"));
        settings.intercept = Intercept::ALL;
        let archive = Archive::open(settings).unwrap();
        let server = TestServer::into(archive, change);
        Self { server, directory }
    }

    /// Ends the server; the messages of each log, the oldest log first.
    pub(super) async fn logs(self) -> Vec<Vec<Message>> {
        self.server.shutdown.cancel();
        in_time(self.server.running).await.unwrap();
        let entries = self.directory.path().join("audit").read_dir().unwrap();
        let mut logs: Vec<Vec<Message>> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                let name = path.file_name().unwrap().to_str().unwrap();
                name.len() == 32 && !name.starts_with('.')
            })
            .map(|path| {
                Decoder::new(File::open(path).unwrap())
                    .collect::<Result<_, _>>()
                    .unwrap()
            })
            .collect();
        logs.sort_by_key(|log| log.first().unwrap().timestamp);
        logs
    }
}

pub(super) fn types(log: &[Message]) -> Vec<u64> {
    log.iter()
        .map(|message| message.event.type_number())
        .collect()
}

fn bytes(log: &[Message], channel: u64, stream: Stream) -> Vec<u8> {
    log.iter()
        .filter(|message| message.channel_id == Some(channel))
        .filter_map(|message| match &message.event {
            Event::Io(io) if io.stream == stream => Some(io.data.clone()),
            _ => None,
        })
        .flatten()
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_recorded_in_order() {
    let recorded = Recorded::start();
    let mut client = TestClient::connect(&recorded.server).await;
    assert!(!client.password("alice", "wrong").await);
    assert!(client.password("alice", PASSWORD).await);
    let mut channel = client.open().await.unwrap();
    channel.set_env(true, "LANG", "C").await.unwrap();
    channel
        .request_pty(true, "xterm", 80, 24, 1, 2, &[])
        .await
        .unwrap();
    channel.exec(true, "say hello").await.unwrap();
    assert_eq!(finish(&mut channel).await.exit, Some(0));
    drop((channel, client));
    let logs = recorded.logs().await;
    let [log] = logs.as_slice() else {
        panic!("{} logs", logs.len());
    };
    let all = types(log);
    assert_eq!(all[..6], [0, 100, 102, 100, 101, 199]);
    assert_eq!(all[6..10], [301, 402, 404, 403]);
    assert_eq!(all[all.len() - 4..], [496, 499, 497, 1]);
    assert_eq!(bytes(log, 0, Stream::Stdout), b"hello");
    assert_eq!(bytes(log, 0, Stream::Stderr), b"error");
    let handshake = Handshake::from_extra(&log[5].extra);
    assert_eq!(handshake.authenticated_username, Some("alice".into()));
    assert_eq!(handshake.auth_method, Some("password".into()));
    assert_eq!(handshake.kex, Some("mlkem768x25519-sha256".into()));
    assert_eq!(handshake.server_version, Some("SSH-2.0-AuditSSH".into()));
    assert!(handshake.cipher_client_to_server.is_some());
    let Event::SetEnv(env) = &log[7].event else {
        panic!();
    };
    let Event::Pty(pty) = &log[8].event else {
        panic!();
    };
    let Event::Exec(exec) = &log[9].event else {
        panic!();
    };
    assert_eq!((env.request_id, pty.request_id, exec.request_id), (0, 1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_recorded_as_they_passed() {
    let recorded = Recorded::start();
    let client = TestClient::login(&recorded.server).await;
    let sent = pattern(3_000_000);
    let mut first = client.exec("count").await;
    send(&first, sent.clone()).await;
    assert_eq!(finish(&mut first).await.stdout, b"3000000");
    let zeros = client.run("zeros 2000000").await;
    drop((first, client));
    let logs = recorded.logs().await;
    assert_eq!(bytes(&logs[0], 0, Stream::Stdin), sent);
    assert_eq!(bytes(&logs[0], 1, Stream::Stdout), zeros.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_recorded_too() {
    let recorded = Recorded::start();
    let client = TestClient::login(&recorded.server).await;
    let forward = in_time(client.0.channel_open_direct_tcpip("db", 5432, "me", 1));
    assert!(forward.await.is_err());
    assert!(
        in_time(client.0.tcpip_forward("0.0.0.0", 80))
            .await
            .is_err()
    );
    let one = client.open().await.unwrap();
    let two = client.exec("unknown").await;
    assert!(client.open().await.is_err());
    drop((one, two, client));
    let logs = recorded.logs().await;
    let all = types(&logs[0]);
    assert_eq!(
        all[4..],
        [303, 302, 202, 400, 301, 301, 403, 501, 302, 497, 497, 1]
    );
    let channels: Vec<_> = logs[0].iter().map(|message| message.channel_id).collect();
    assert_eq!(channels[4..9], [Some(0), Some(0), None, None, Some(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_vanishes_leaves_exit_close_and_disconnect() {
    let recorded = Recorded::start();
    let client = TestClient::login(&recorded.server).await;
    let channel = client.exec("stall").await;
    recorded
        .server
        .until("it runs", |server| {
            !server.programs.requests.lock().unwrap().is_empty()
        })
        .await;
    drop((channel, client));
    recorded
        .server
        .until("it is ended", |server| {
            server.programs.sessions.load(Ordering::SeqCst) == 0
        })
        .await;
    let logs = recorded.logs().await;
    let all = types(&logs[0]);
    assert_eq!(all[all.len() - 4..], [403, 499, 497, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_leaves_one_small_log_that_says_what_was_heard() {
    let recorded = Recorded::start();
    let mut scan = TcpStream::connect(recorded.server.address).await.unwrap();
    scan.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut all = Vec::new();
    let _ = in_time(scan.read_to_end(&mut all)).await;
    let logs = recorded.logs().await;
    assert_eq!(types(&logs[0]), [0, 198, 1]);
    let heard = FailedHandshake::from_extra(&logs[0][1].extra);
    assert_eq!(heard.client_version, Some("GET / HTTP/1.0".into()));
    assert_eq!(heard.server_version, Some("SSH-2.0-AuditSSH".into()));
}
