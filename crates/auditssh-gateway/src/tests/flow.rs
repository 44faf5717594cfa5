use super::client::{TestClient, finish, in_time, send};
use super::program::pattern;
use super::server::TestServer;
use crate::russh::{ChannelMsg, LibraryReader};
use crate::waiting::CROWDED;
use bytes::Bytes;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const MIB: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn outputs_come_apart_then_the_status_then_the_close() {
    let server = TestServer::start();
    let client = TestClient::login(&server).await;
    let result = client.run("say hello").await;
    assert_eq!(result.stdout, b"hello");
    assert_eq!(result.stderr, b"error");
    assert_eq!((result.exit, result.closed), (Some(0), true));
    assert_eq!(client.run("slow").await.exit, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn not_a_byte_is_lost_in_either_direction() {
    let server = TestServer::start();
    let client = TestClient::login(&server).await;
    let bytes = pattern(20 * MIB + 12_345);
    let channel = client.exec("cat").await;
    let (mut read, write) = channel.split();
    let sending = {
        let bytes = bytes.clone();
        tokio::spawn(async move {
            write.data_bytes(bytes).await.unwrap();
            write.eof().await.unwrap();
        })
    };
    let mut back = Vec::new();
    while let Some(message) = in_time(read.wait()).await {
        match message {
            ChannelMsg::Data { data } => back.extend(&data),
            ChannelMsg::Close => break,
            _ => {}
        }
    }
    sending.await.unwrap();
    assert!(back == bytes, "{} of {} bytes", back.len(), bytes.len());
    let zeros = client.run("zeros 30000000").await;
    assert_eq!((zeros.stdout.len(), zeros.exit), (30_000_000, Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_refuses_to_start_leaves_the_channel_usable() {
    let server = TestServer::start();
    let client = TestClient::login(&server).await;
    let mut channel = client.exec("unknown").await;
    assert!(matches!(
        in_time(channel.wait()).await,
        Some(ChannelMsg::Failure)
    ));
    channel.exec(true, "exit 4").await.unwrap();
    assert_eq!(finish(&mut channel).await.exit, Some(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_channel_freezes_no_other() {
    let server = TestServer::start();
    let client = TestClient::login(&server).await;
    let stalled = client.exec("stall").await;
    let flood = tokio::spawn(async move {
        let _ = stalled.data_bytes(Bytes::from(vec![0; 64 * MIB])).await;
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = Instant::now();
    for _ in 0..5 {
        assert_eq!(client.run("say hello").await.stdout, b"hello");
    }
    assert!(before.elapsed() < Duration::from_secs(5));
    assert_eq!(server.counters.queue_waits.value(), 0);
    // What goes out beside it is not held up either, nor is a little that comes in.
    assert_eq!(client.run("zeros 5000000").await.stdout.len(), 5_000_000);
    let mut counting = client.exec("count").await;
    send(&counting, Bytes::from(vec![0; MIB])).await;
    assert_eq!(finish(&mut counting).await.stdout, b"1048576");
    flood.abort();
}

/// How many bytes come out of a channel until it is closed.
async fn come_back(read: &mut LibraryReader) -> usize {
    let mut back = 0;
    while let Some(message) = in_time(read.wait()).await {
        match message {
            ChannelMsg::Data { data } => back += data.len(),
            ChannelMsg::Close => break,
            _ => {}
        }
    }
    back
}

/// Four clients send programs that read nothing so much that all together hold `total`.
async fn crowd(server: &TestServer, total: usize) {
    for _ in 0..4 {
        let client = TestClient::login(server).await;
        let stalled = client.exec("stall").await;
        tokio::spawn(async move {
            let _ = stalled.data_bytes(Bytes::from(vec![0; 64 * MIB])).await;
            drop(client);
        });
    }
    server
        .until("too much waits", |server| {
            server.counters.waiting.bytes() >= total
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_was_filled_before_others_held_too_much_is_emptied_all_the_same() {
    let total = 16 * MIB;
    let server = TestServer::with(|settings| settings.limits.total_buffer = total);
    let client = TestClient::login(&server).await;
    let channel = client.exec("cat").await;
    let (mut read, write) = channel.split();
    // More than fits the queue and all windows.
    let size = total;
    tokio::spawn(async move {
        write.data_bytes(Bytes::from(vec![7; size])).await.unwrap();
        write.eof().await.unwrap();
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    crowd(&server, total).await;
    let back = come_back(&mut read).await;
    assert_eq!(back, size);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_on_all_connections_is_bounded_and_others_go_on() {
    let total = 2 * MIB;
    let server = TestServer::with(|settings| {
        settings.limits.total_buffer = total;
        settings.limits.shutdown_grace = Duration::from_millis(10);
    });
    crowd(&server, total).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    // A packet of each connection was on its way, and what each may have all the same.
    assert!(server.counters.waiting.bytes() < total + 4 * 2 * CROWDED);

    let client = TestClient::login(&server).await;
    let mut counting = client.exec("count").await;
    send(&counting, Bytes::from(vec![0; MIB])).await;
    assert_eq!(finish(&mut counting).await.stdout, b"1048576");

    server.shutdown.cancel();
    server.running.await.unwrap();
    assert_eq!(server.counters.waiting.bytes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stalled_for_a_while_goes_on() {
    let server = TestServer::start();
    let client = TestClient::login(&server).await;
    let size = 40 * MIB;
    // Nobody reads what comes back until everything is sent: queues and windows fill up.
    let channel = client.exec("cat").await;
    let (mut read, write) = channel.split();
    let sending = tokio::spawn(async move {
        write.data_bytes(Bytes::from(vec![7; size])).await.unwrap();
        write.eof().await.unwrap();
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    let back = come_back(&mut read).await;
    sending.await.unwrap();
    assert_eq!(back, size);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_killed_while_its_channel_is_stalled_is_noticed() {
    let server = TestServer::start();
    let client = TestClient::login(&server).await;
    let stalled = client.exec("stall").await;
    let flood = tokio::spawn(async move {
        let _ = stalled.data_bytes(Bytes::from(vec![0; 64 * MIB])).await;
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.programs.sessions.load(Ordering::SeqCst), 1);
    let before = Instant::now();
    flood.abort();
    drop(client);
    server
        .until("its session ends", |server| {
            server.programs.sessions.load(Ordering::SeqCst) == 0
        })
        .await;
    assert!(before.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rekey_amid_multiplexed_uploads_breaks_nothing() {
    let server = TestServer::with(|settings| settings.rekey_bytes = 64 * MIB);
    let client = TestClient::login(&server).await;
    let mut channels = Vec::new();
    for _ in 0..10 {
        channels.push(client.exec("count").await);
    }
    // The first windows together are more than an exchange tolerates (docs/limits.md): this
    // client sends all that it may, so they are used up before the first exchange.
    for channel in &channels {
        let first = Bytes::from(vec![1; 5 * MIB + MIB / 2]);
        in_time(channel.data_bytes(first)).await.unwrap();
    }
    let mut all = Vec::new();
    for mut channel in channels {
        all.push(tokio::spawn(async move {
            send(&channel, Bytes::from(vec![1; 20 * MIB])).await;
            finish(&mut channel).await
        }));
    }
    for one in all {
        let result = in_time(one).await.unwrap();
        assert_eq!(result.stdout, (25 * MIB + MIB / 2).to_string().as_bytes());
        assert_eq!(result.exit, Some(0));
    }
    assert_eq!(client.run("zeros 20000000").await.stdout.len(), 20_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_ends_one_connection_only() {
    let server = TestServer::start();
    let other = TestClient::login(&server).await;
    let client = TestClient::login(&server).await;
    let channel = client.open().await.unwrap();
    let _ = channel.exec(true, "panic").await;
    server
        .until("it is counted", |server| {
            server.counters.panics.value() == 1
        })
        .await;
    assert_eq!(other.run("exit 0").await.exit, Some(0));
    server
        .until("its session is gone", |server| {
            server.programs.sessions.load(Ordering::SeqCst) == 0
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_tells_the_sessions_and_ends_them_in_time() {
    let server = TestServer::with(|settings| {
        settings.limits.shutdown_grace = Duration::from_secs(1);
    });
    let client = TestClient::login(&server).await;
    let mut channel = client.exec("stall").await;
    assert!(matches!(
        in_time(channel.wait()).await,
        Some(ChannelMsg::Success)
    ));
    let before = Instant::now();
    server.shutdown.cancel();
    let Some(ChannelMsg::ExtendedData { data, .. }) = in_time(channel.wait()).await else {
        panic!("nothing was said");
    };
    assert!(String::from_utf8_lossy(&data).contains("shutting down"));
    assert!(client.open().await.is_err());
    in_time(server.running).await.unwrap();
    assert!(before.elapsed() >= Duration::from_secs(1));
    assert!(before.elapsed() < Duration::from_secs(8));
    assert_eq!(server.programs.sessions.load(Ordering::SeqCst), 0);
}
