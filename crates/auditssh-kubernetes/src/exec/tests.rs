use super::*;
use auditssh_gateway::backend::Exit;
use futures::{FutureExt as _, SinkExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

type Socket = WebSocketStream<DuplexStream>;

struct Pair {
    exec: Exec,
    far: Socket,
    tasks: TaskTracker,
    _kill: CancellationToken,
}

/// A program's streams, and the API server's end of its socket.
async fn pair(half_close: bool, terminal: bool) -> Pair {
    let (near, far) = duplex(1024 * 1024);
    let near = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
    let far = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
    let (tasks, kill) = (TaskTracker::new(), CancellationToken::new());
    let explain = async {
        Lost {
            reason: "pod x is gone".to_owned(),
            notice: "gone",
        }
    };
    let exec = Exec::over(near, half_close, terminal, &tasks, &kill, explain.boxed());
    Pair {
        exec,
        far,
        tasks,
        _kill: kill,
    }
}

async fn say(far: &mut Socket, bytes: &[u8]) {
    far.send(Message::Binary(bytes.to_vec().into()))
        .await
        .unwrap();
}

async fn hear(far: &mut Socket) -> Vec<u8> {
    loop {
        if let Message::Binary(bytes) = far.next().await.unwrap().unwrap() {
            return bytes.into();
        }
    }
}

async fn rest(stream: &mut DuplexStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn streams_are_told_apart_and_the_end_comes_last() {
    let Pair {
        mut exec, mut far, ..
    } = pair(true, false).await;
    for message in [
        b"\x01" as &[u8],
        b"\x02",
        b"\x03",
        b"\x01out",
        b"\x02err",
        b"",
        b"\x07?",
        b"\xff\x01",
    ] {
        say(&mut far, message).await;
    }
    say(&mut far, br#"{"status":"Success"}"#).await;
    say(&mut far, b"\x03{\"status\":\"Success\"}").await;
    assert_eq!(rest(&mut exec.stdout).await, "out");
    assert_eq!(rest(&mut exec.stderr.take().unwrap()).await, "err");
    assert_eq!(exec.end.await.unwrap().exit(), Exit::Status(0));
}

#[tokio::test]
async fn input_and_its_end_are_sent() {
    let Pair {
        mut exec, mut far, ..
    } = pair(true, false).await;
    exec.stdin.write_all(b"in").await.unwrap();
    assert_eq!(hear(&mut far).await, b"\x00in");
    exec.stdin.shutdown().await.unwrap();
    assert_eq!(hear(&mut far).await, b"\xff\x00");
    exec.orders
        .send(Order::Resize {
            columns: 80,
            rows: 24,
        })
        .await
        .unwrap();
    assert_eq!(hear(&mut far).await, b"\x04{\"Width\":80,\"Height\":24}");
}

/// Closing the socket would tell it, and cut the output.
#[tokio::test]
async fn with_the_old_protocol_the_end_of_the_input_closes_nothing() {
    let Pair {
        mut exec, mut far, ..
    } = pair(false, false).await;
    exec.stdin.write_all(b"in").await.unwrap();
    exec.stdin.shutdown().await.unwrap();
    assert_eq!(hear(&mut far).await, b"\x00in");
    exec.orders
        .send(Order::Resize {
            columns: 1,
            rows: 1,
        })
        .await
        .unwrap();
    assert_eq!(hear(&mut far).await[0], RESIZE);
    say(&mut far, b"\x01late").await;
    say(&mut far, b"\x03{\"status\":\"Success\"}").await;
    assert_eq!(rest(&mut exec.stdout).await, "late");
}

#[tokio::test]
async fn a_socket_that_is_cut_is_explained() {
    for terminal in [false, true] {
        let Pair {
            mut exec, mut far, ..
        } = pair(true, terminal).await;
        say(&mut far, b"\x01out").await;
        drop(far);
        let notice = "\r\ngone\r\n";
        let out = rest(&mut exec.stdout).await;
        if let Some(mut stderr) = exec.stderr.take() {
            assert_eq!(
                (out.as_str(), rest(&mut stderr).await.as_str()),
                ("out", notice)
            );
        } else {
            assert_eq!(out, format!("out{notice}"));
        }
        let Exit::Unknown(reason) = exec.end.await.unwrap().exit() else {
            panic!()
        };
        assert!(reason.starts_with("pod x is gone"), "{reason}");
    }
}

#[tokio::test]
async fn what_is_dropped_closes_the_socket() {
    let Pair {
        exec,
        mut far,
        tasks,
        ..
    } = pair(true, false).await;
    drop(exec);
    while let Some(Ok(_)) = far.next().await {}
    drop(far);
    tasks.close();
    tasks.wait().await;
}

#[tokio::test(start_paused = true)]
async fn an_api_that_falls_silent_is_given_up() {
    let Pair {
        mut exec, mut far, ..
    } = pair(true, false).await;
    // Input that the program does not take excuses silence: nobody reads what is behind it.
    exec.stdin.write_all(b"in").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_mins(5)).await;
    assert!(exec.end.try_recv().is_err());
    // It reads again, and answers all that was asked meanwhile.
    let answered = tokio::time::timeout(std::time::Duration::from_secs(1), async {
        while far.next().await.is_some() {}
    });
    let _ = answered.await;
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    assert!(exec.end.try_recv().is_err());
    tokio::time::sleep(std::time::Duration::from_mins(5)).await;
    assert!(matches!(exec.end.try_recv(), Ok(End::Lost(_))));
}
