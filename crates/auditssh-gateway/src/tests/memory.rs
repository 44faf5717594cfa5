//! Memory, measured in a process that does nothing else.

use super::client::TestClient;
use super::server::TestServer;
use std::process::Command;

const MIB: usize = 1024 * 1024;
/// What the SSH library keeps of a channel that the server closed first, in bytes: see
/// `docs/limits.md`; `limits.channels` bounds it.
const KEPT_PER_CHANNEL: usize = 8 * 1024;

/// Runs one of the ignored tests below in a process of its own.
fn alone(name: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", name])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
fn ten_thousand_refused_channels_cost_no_memory() {
    alone("tests::memory::refuse");
}

#[test]
fn channels_that_come_and_go_cost_no_more_than_is_documented() {
    alone("tests::memory::come_and_go");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run in a process of its own by a test above"]
async fn refuse() {
    let server = TestServer::with(|settings| settings.limits.session_channels = 1);
    let client = TestClient::login(&server).await;
    let _held = client.open().await.unwrap();
    let refuse = async |count: usize| {
        for _ in 0..count {
            assert!(client.open().await.is_err());
        }
    };
    refuse(1000).await;
    let before = resident();
    refuse(10_000).await;
    let grown = resident().saturating_sub(before);
    assert!(grown < 8 * MIB, "{grown} bytes");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run in a process of its own by a test above"]
async fn come_and_go() {
    let server = TestServer::start();
    let client = TestClient::login(&server).await;
    let run = async |count: usize| {
        for _ in 0..count {
            assert_eq!(client.run("exit 0").await.exit, Some(0));
        }
    };
    run(500).await;
    let before = resident();
    run(1000).await;
    let each = resident().saturating_sub(before) / 1000;
    println!("{each} bytes for each channel, client and server together");
    assert!(each < KEPT_PER_CHANNEL, "{each} bytes for each channel");
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size()
}
