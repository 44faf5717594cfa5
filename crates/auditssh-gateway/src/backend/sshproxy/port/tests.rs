use super::*;
use crate::waiting::CROWDED;
use tokio::io::AsyncReadExt;

fn room(limit: usize) -> Arc<Room> {
    Room::new(limit, (Arc::default(), usize::MAX))
}

fn port(limit: usize) -> Arc<Port> {
    Arc::new(Port::new(
        limit,
        room(usize::MAX),
        Arc::default(),
        CancellationToken::new(),
    ))
}

async fn pending(future: impl Future) -> bool {
    tokio::pin!(future);
    futures::poll!(future).is_pending()
}

#[tokio::test]
async fn outputs_stay_apart_and_end_together() {
    let port = port(100);
    port.put(Stream::Stdout, b"out").await;
    port.put(Stream::Stderr, b"err").await;
    port.put(Stream::Stdout, b"put").await;
    port.eof();
    port.put(Stream::Stdout, b"late").await;
    let (mut out, mut err) = (String::new(), String::new());
    let mut stdout = Output::new(&port, Stream::Stdout);
    stdout.read_to_string(&mut out).await.unwrap();
    let mut stderr = Output::new(&port, Stream::Stderr);
    stderr.read_to_string(&mut err).await.unwrap();
    assert_eq!((out.as_str(), err.as_str()), ("output", "err"));
}

#[tokio::test]
async fn a_full_queue_holds_the_server_back_until_it_is_read() {
    let port = port(4);
    port.put(Stream::Stdout, b"12345").await;
    assert!(pending(port.put(Stream::Stderr, b"6")).await);
    let waiting = tokio::spawn({
        let port = Arc::clone(&port);
        async move { port.put(Stream::Stdout, b"6").await }
    });
    let mut two = [0; 2];
    let mut stdout = Output::new(&port, Stream::Stdout);
    stdout.read_exact(&mut two).await.unwrap();
    waiting.await.unwrap();
    port.eof();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "3456");
}

#[tokio::test]
async fn an_answer_that_is_waited_for_is_not_held_up_by_a_full_queue() {
    let (room, asked) = (room(100), Arc::new(Asked::default()));
    let port = Port::new(4, room, Arc::clone(&asked), CancellationToken::new());
    port.put(Stream::Stdout, b"12345").await;
    assert!(pending(port.put(Stream::Stdout, b"6")).await);
    let asking = asked.ask();
    port.put(Stream::Stdout, &[0; 95]).await;
    // All channels together have their bound all the same.
    assert!(pending(port.put(Stream::Stdout, b"6")).await);
    drop(asking);
    assert!(!asked.is_asked() && port.is_full());
}

#[tokio::test]
async fn users_that_take_nothing_leave_others_little_room_and_none_behind() {
    let waiting: Arc<Waiting> = Arc::default();
    let greedy = Room::new(usize::MAX, (Arc::clone(&waiting), 2 * CROWDED));
    let modest = Room::new(usize::MAX, (Arc::clone(&waiting), 2 * CROWDED));
    let port = |room| Port::new(1 << 30, room, Arc::default(), CancellationToken::new());
    let (greedy, modest) = (port(greedy), port(modest));
    greedy.put(Stream::Stdout, &vec![0; 2 * CROWDED]).await;
    assert!(pending(greedy.put(Stream::Stdout, b"1")).await);
    modest.put(Stream::Stdout, &vec![0; CROWDED]).await;
    assert!(modest.is_full() && pending(modest.put(Stream::Stdout, b"1")).await);
    greedy.abandon();
    modest.put(Stream::Stdout, b"1").await;
    drop(modest);
    assert_eq!(waiting.bytes(), 0);
}

#[tokio::test]
async fn nothing_waits_for_a_session_or_a_connection_that_is_gone() {
    let abandoned = port(1);
    abandoned.put(Stream::Stdout, b"12").await;
    assert!(pending(abandoned.put(Stream::Stdout, b"3")).await);
    abandoned.abandon();
    abandoned.put(Stream::Stdout, b"3").await;

    let over = CancellationToken::new();
    let cut = Port::new(1, room(usize::MAX), Arc::default(), over.clone());
    cut.put(Stream::Stdout, b"12").await;
    over.cancel();
    cut.put(Stream::Stdout, b"3").await;
}

#[tokio::test]
async fn an_output_that_nobody_reads_any_more_holds_nothing_up() {
    let port = port(1);
    let stdout = Output::new(&port, Stream::Stdout);
    port.put(Stream::Stdout, b"12").await;
    assert!(pending(port.put(Stream::Stdout, b"3")).await);
    drop(stdout);
    port.put(Stream::Stdout, b"3").await;
    assert!(!port.is_full());
}

fn sent() -> std::future::Ready<Result<(), ()>> {
    std::future::ready(Ok(()))
}

#[tokio::test]
async fn answers_belong_to_requests_in_their_order() {
    let port = port(1);
    port.answer(true);
    {
        let one = port.ask(sent());
        tokio::pin!(one);
        assert!(futures::poll!(one.as_mut()).is_pending());
        // Who asks gives up, the answer comes all the same.
    }
    let two = port.ask(sent());
    tokio::pin!(two);
    assert!(futures::poll!(two.as_mut()).is_pending());
    port.answer(false);
    assert!(futures::poll!(two.as_mut()).is_pending());
    port.answer(true);
    assert!(two.await.unwrap());
}

#[tokio::test]
async fn no_answer_is_expected_to_what_was_not_sent() {
    let port = port(1);
    assert!(pending(port.ask(std::future::pending::<Result<(), ()>>())).await);
    assert!(port.ask(async { Err(()) }).await.is_err());
    let asked = port.ask(sent());
    tokio::pin!(asked);
    assert!(futures::poll!(asked.as_mut()).is_pending());
    port.answer(true);
    assert!(asked.await.unwrap());
}

#[tokio::test]
async fn who_never_answers_is_not_asked_for_ever() {
    let port = port(1);
    for _ in 0..UNANSWERED {
        assert!(pending(port.ask(sent())).await);
    }
    assert!(port.ask(sent()).await.is_err());
}

#[tokio::test]
async fn the_first_word_on_the_end_counts() {
    let told = port(1);
    told.exit(Exit::Status(3));
    told.exit(Exit::Status(4));
    told.close("gone");
    assert_eq!(told.outcome().unwrap().await.unwrap(), Exit::Status(3));
    assert!(told.outcome().is_none());
    assert!(told.ask(sent()).await.is_err());

    let silent = port(1);
    silent.close("gone");
    let outcome = silent.outcome().unwrap().await.unwrap();
    assert_eq!(outcome, Exit::Unknown("gone".to_owned()));
}
