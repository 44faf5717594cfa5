use super::*;
use crate::Server;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
struct Echo;

impl Page for Echo {
    fn answer(&self, path: &str, accepts_json: bool) -> Answer {
        Answer::text(200, format!("{path} {accepts_json}"))
    }
}

/// A server, and where it listens.
fn server(end: &CancellationToken) -> SocketAddr {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = Server::bind(any, None, Arc::new(Echo)).unwrap();
    let address = server.address();
    tokio::spawn(server.run(end.clone()));
    address
}

/// What is answered to these bytes, until the connection ends.
async fn asked(address: SocketAddr, request: &[u8]) -> String {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let _ = tcp.write_all(request).await;
    let mut answer = Vec::new();
    let _ = tcp.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn only_get_and_head_are_answered_once_a_connection() {
    let end = CancellationToken::new();
    let address = server(&end);
    let twice = b"GET /a?b=c HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2);
    let answer = asked(address, &twice).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n/a false"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    let json = b"GET / HTTP/1.1\r\nhost: x\r\naccept: application/json\r\n\r\n";
    assert!(asked(address, json).await.ends_with("\r\n\r\n/ true"));
    let head = asked(address, b"HEAD /a HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(head.contains("content-length: 8"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let request = format!("{method} / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
        let answer = asked(address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
        assert!(answer.contains("allow: GET, HEAD"), "{answer}");
    }
    end.cancel();
}

#[tokio::test]
async fn what_is_no_request_ends_the_connection_and_nothing_else() {
    let end = CancellationToken::new();
    let address = server(&end);
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(HEAD_BYTES));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(FIELDS + 1));
    for bad in [
        "\0\0\0\0\r\n\r\n",
        "SSH-2.0-x\r\n",
        "GET\r\n\r\n",
        &long,
        &many,
    ] {
        let answer = asked(address, bad.as_bytes()).await;
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    let good = asked(address, b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(good.starts_with("HTTP/1.0 200 OK"), "{good}");
    end.cancel();
}

#[tokio::test]
async fn those_who_only_hold_connections_keep_nobody_out() {
    let end = CancellationToken::new();
    let address = server(&end);
    let mut idle = Vec::new();
    for _ in 0..100 {
        let mut tcp = TcpStream::connect(address).await.unwrap();
        tcp.write_all(b"GET / HT").await.unwrap();
        idle.push(tcp);
        let answer = asked(address, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    // The first ones had to give way.
    let mut byte = [0];
    let read = idle.first_mut().unwrap().read(&mut byte).await;
    assert!(matches!(read, Ok(0) | Err(_)));
    end.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_come_is_not_waited_for() {
    let (mut client, far) = tokio::io::duplex(1024);
    let begun = tokio::time::Instant::now();
    let served = tokio::spawn(exchange(far, Arc::new(Echo)));
    client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    served.await.unwrap();
    assert!(begun.elapsed() <= HEAD_TIME + Duration::from_secs(1));
}
