use super::client::{TestClient, in_time};
use super::server::{PASSWORD, TestServer};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn a_right_password_lets_in_and_a_wrong_one_does_not() {
    let server = TestServer::start();
    let mut client = TestClient::connect(&server).await;
    assert!(!client.password("alice", "wrong").await);
    assert!(!client.password("nobody", PASSWORD).await);
    assert!(client.password("alice", PASSWORD).await);
    assert_eq!(client.run("exit 3").await.exit, Some(3));
    assert_eq!(server.counters.auth_failures(), 2);
    assert_eq!(server.counters.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_counted_over_all_names_and_methods() {
    let server = TestServer::with(|settings| settings.limits.auth_attempts = 3);
    let mut client = TestClient::connect(&server).await;
    assert!(!client.password("alice", "wrong").await);
    assert!(!client.password("bob", "wrong").await);
    in_time(
        client
            .0
            .authenticate_keyboard_interactive_start("carol", None),
    )
    .await
    .unwrap();
    let answer = vec!["wrong".to_owned()];
    let _ = in_time(client.0.authenticate_keyboard_interactive_respond(answer)).await;
    assert!(!client.password("alice", PASSWORD).await);
    server
        .until("the connection ends", |server| {
            server.counters.failed_handshakes() == 1
        })
        .await;
    assert_eq!(server.counters.auth_failures(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_the_methods_costs_neither_time_nor_attempts() {
    let server = TestServer::with(|settings| {
        settings.limits.auth_attempts = 1;
        settings.limits.rejection_time = Duration::from_secs(5);
    });
    let mut client = TestClient::connect(&server).await;
    let before = Instant::now();
    let none = in_time(client.0.authenticate_none("alice")).await.unwrap();
    assert!(!none.success());
    assert!(before.elapsed() < Duration::from_secs(2));
    assert!(client.password("alice", PASSWORD).await);
    assert_eq!(server.counters.none_probes.value(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_takes_its_time_whoever_is_named() {
    let floor = Duration::from_millis(400);
    let server = TestServer::with(|settings| settings.limits.rejection_time = floor);
    let mut client = TestClient::connect(&server).await;
    for user in ["alice", "nobody"] {
        let before = Instant::now();
        assert!(!client.password(user, "wrong").await);
        assert!(before.elapsed() >= floor);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_log_in_is_sent_away_at_the_deadline() {
    let grace = Duration::from_millis(600);
    let server = TestServer::with(|settings| settings.limits.login_grace_time = grace);
    // One that is silent, one that drips, one that has exchanged keys.
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut dripping = TcpStream::connect(server.address).await.unwrap();
    let client = TestClient::connect(&server).await;
    let before = Instant::now();
    let drip = async {
        let (mut read, mut write) = dripping.split();
        let mut all = Vec::new();
        let dripping = async {
            while write.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let _ = futures::join!(dripping, read.read_to_end(&mut all));
    };
    let mut all = Vec::new();
    in_time(async { futures::join!(drip, silent.read_to_end(&mut all)).1 })
        .await
        .ok();
    assert!(before.elapsed() >= grace / 2);
    assert!(before.elapsed() < grace + Duration::from_secs(8));
    server
        .until("all three are gone", |server| {
            server.counters.login_timeouts.value() == 3
        })
        .await;
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_refuses_the_user_ends_the_connection() {
    let server = TestServer::start();
    let mut client = TestClient::connect(&server).await;
    assert!(client.password("nowhere", PASSWORD).await);
    assert!(client.open().await.is_err());
    server.until("no session", |_| client.0.is_closed()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_ssh_is_counted_and_does_no_harm() {
    let server = TestServer::start();
    for garbage in [
        &b"GET / HTTP/1.0\r\n\r\n"[..],
        &[0; 4096],
        b"SSH-2.0-x\r\n\xff\xff\xff\xff\xff",
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let _ = stream.write_all(garbage).await;
        let _ = stream.shutdown().await;
        let mut all = Vec::new();
        let _ = in_time(stream.read_to_end(&mut all)).await;
    }
    server
        .until("three failures", |server| {
            server.counters.failed_handshakes() == 3
        })
        .await;
    TestClient::login(&server).await;
}
