use super::*;
use crate::url::Url;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const LONG: Duration = Duration::from_secs(100);

/// A server that gives these answers in turn, and none to whom there is none left for.
struct Server {
    client: Client,
    asked: Arc<AtomicUsize>,
}

impl Server {
    async fn start(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<AtomicUsize> = Arc::default();
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut open = Vec::new();
            loop {
                let (mut tcp, _) = listener.accept().await.unwrap();
                let _ = tcp.read(&mut [0; 4096]).await;
                let number = count.fetch_add(1, Ordering::SeqCst);
                match answers.get(number) {
                    Some(answer) => drop(tcp.write_all(answer.as_bytes()).await),
                    None => open.push(tcp),
                }
            }
        });
        Self {
            client: Client {
                url: Url::parse(&format!("http://{address}")).unwrap(),
                trust: None,
                timeout: LONG,
            },
            asked,
        }
    }

    async fn ask(&self, within: Duration, room: &Semaphore) -> Result<usize, Failure> {
        let body = Bytes::from_static(b"{}");
        ask(
            &self.client,
            "/x",
            body,
            within,
            room,
            |json| Ok(json.len()),
        )
        .await
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[test]
fn waits_grow_to_a_limit() {
    for (before, most) in [
        (0, 250),
        (1, 500),
        (3, 2_000),
        (6, 10_000),
        (u32::MAX, 10_000),
    ] {
        for _ in 0..100 {
            let wait = wait(before).as_millis();
            assert!((most / 2..=most).contains(&wait), "{before}: {wait}");
        }
    }
}

#[tokio::test]
async fn what_passes_is_asked_again() {
    let server = Server::start(&[
        "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    ])
    .await;
    assert_eq!(server.ask(LONG, &Semaphore::new(1)).await.unwrap(), 5);
    assert_eq!(server.asked(), 3);
}

#[tokio::test]
async fn what_does_not_pass_is_asked_once() {
    let server = Server::start(&["HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"]).await;
    let failure = server.ask(LONG, &Semaphore::new(1)).await.unwrap_err();
    assert!(matches!(failure, Failure::Status(404)), "{failure}");
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn the_time_ends_the_wait_for_an_answer() {
    let server = Server::start(&[]).await;
    let failure = server
        .ask(Duration::from_millis(300), &Semaphore::new(1))
        .await;
    let failure = failure.unwrap_err();
    assert!(matches!(failure, Failure::Timeout(_)), "{failure}");
}

#[tokio::test]
async fn who_finds_no_room_waits_no_longer_than_it_has_time() {
    let server = Server::start(&[]).await;
    let room = Semaphore::new(1);
    let _taken = room.acquire().await.unwrap();
    let failure = server.ask(Duration::from_millis(200), &room).await;
    assert!(matches!(failure.unwrap_err(), Failure::Busy));
    assert_eq!(server.asked(), 0);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    // Its length is not told, and its body never ends within the limit.
    let body = "x".repeat(crate::ANSWER_BYTES + 1);
    let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}");
    let server = Server::start(vec![&*answer.leak()].leak()).await;
    let failure = server.ask(LONG, &Semaphore::new(1)).await.unwrap_err();
    assert!(matches!(failure, Failure::TooLarge), "{failure}");
}
