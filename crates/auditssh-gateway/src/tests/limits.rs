use super::client::{TestClient, in_time};
use super::server::TestServer;
use crate::russh::LibraryError;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

async fn refusal(server: &TestServer) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut all = Vec::new();
    let _ = in_time(stream.read_to_end(&mut all)).await;
    String::from_utf8_lossy(&all).into_owned()
}

/// A connection that has been let in: it hears the server's version, and says nothing.
///
/// A connection that is merely accepted may still be overtaken by a later one.
async fn inside(server: &TestServer) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut heard = [0; 8];
    in_time(stream.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"SSH-2.0-");
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn those_not_logged_in_are_limited_and_those_logged_in_are_not() {
    let server = TestServer::with(|settings| {
        settings.limits.unauthenticated = 2;
        settings.limits.unauthenticated_wait = Duration::from_secs(1);
    });
    let mut logged_in = Vec::new();
    for _ in 0..5 {
        logged_in.push(TestClient::login(&server).await);
    }
    let both = (inside(&server).await, inside(&server).await);
    assert_eq!(server.counters.refused_unauthenticated.value(), 0);
    let text = refusal(&server).await;
    assert!(text.contains("too many connections"), "{text}");
    assert_eq!(server.counters.refused_unauthenticated.value(), 1);
    drop(both);
    TestClient::login(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_limited_overall() {
    let server = TestServer::with(|settings| settings.limits.connections = 2);
    let first = TestClient::login(&server).await;
    let _second = TestClient::login(&server).await;
    assert!(refusal(&server).await.contains("too many connections"));
    assert_eq!(server.counters.refused_connections.value(), 1);
    drop(first);
    for _ in 0..100 {
        // Who is let in hears nothing more for a while.
        let trying = tokio::time::timeout(Duration::from_millis(200), refusal(&server)).await;
        if trying.is_err() {
            return;
        }
    }
    panic!("no room came free");
}

#[tokio::test(flavor = "multi_thread")]
async fn session_channels_are_limited_and_come_free() {
    let server = TestServer::with(|settings| settings.limits.session_channels = 3);
    let client = TestClient::login(&server).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(client.open().await.unwrap());
    }
    assert!(matches!(
        client.open().await,
        Err(LibraryError::ChannelOpenFailure(_))
    ));
    open.pop().unwrap().close().await.unwrap();
    server
        .until("one is closed", |server| {
            server.programs.sessions.load(Ordering::SeqCst) == 2
        })
        .await;
    client.open().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_limited() {
    let server = TestServer::with(|settings| {
        settings.limits.environment_variables = 2;
        settings.limits.name_bytes = 10;
        settings.limits.environment_bytes = 100;
    });
    let client = TestClient::login(&server).await;
    let channel = client.open().await.unwrap();
    for (name, value) in [
        ("A", "1".to_owned()),
        ("LONGER_THAN_TEN", "2".to_owned()),
        ("BIG", "x".repeat(200)),
        ("B", "3".to_owned()),
        ("C", "4".to_owned()),
    ] {
        channel.set_env(true, name, value).await.unwrap();
    }
    channel.exec(true, "exit 0").await.unwrap();
    server
        .until("the program ran", |server| {
            server.programs.requests.lock().unwrap().len() == 3
        })
        .await;
    let seen = server.programs.requests.lock().unwrap().clone();
    assert_eq!(seen, ["env A=1", "env B=3", "exec exit 0"]);
    assert_eq!(server.counters.refused_requests.value(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_come_in_the_order_of_the_wire() {
    let server = TestServer::start();
    let client = TestClient::login(&server).await;
    let channel = client.open().await.unwrap();
    channel
        .request_pty(true, "xterm", 80, 24, 0, 0, &[])
        .await
        .unwrap();
    for columns in 81..100 {
        channel.window_change(columns, 24, 0, 0).await.unwrap();
    }
    channel.exec(true, "stall").await.unwrap();
    channel.window_change(100, 70_000, 0, 0).await.unwrap();
    let mut expected = vec!["pty 80x24".to_owned()];
    expected.extend((81..100).map(|columns| format!("window {columns}x24")));
    expected.extend(["exec stall", "window 100x65535"].map(str::to_owned));
    server
        .until("all requests", |server| {
            *server.programs.requests.lock().unwrap() == expected
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_opens_no_more_channels_than_it_may() {
    let server = TestServer::with(|settings| settings.limits.channels = 5);
    let client = TestClient::login(&server).await;
    for _ in 0..5 {
        assert_eq!(client.run("exit 0").await.exit, Some(0));
    }
    assert!(client.open().await.is_err());
    assert_eq!(server.counters.refused_channels.value(), 1);
}
