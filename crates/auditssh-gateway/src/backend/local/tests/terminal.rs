//! Programs under a terminal.

use super::{exec, outcome, session, terminal};
use crate::backend::local::GRACE;
use crate::backend::{Exit, Process, Program};
use auditssh_log::message::Window;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn modes_speeds_and_size_are_those_asked_for() {
    let mut session = session().await;
    let modes = [
        [1, 0, 0, 0, 0x07],      // VINTR ^G
        [2, 0, 0, 0, 255],       // VQUIT off
        [42, 0, 0, 0, 1],        // IUTF8
        [36, 0, 0, 0, 0],        // ICRNL off
        [58, 0, 0, 0, 1],        // TOSTOP
        [72, 0, 0, 0, 0],        // ONLCR off
        [90, 0, 0, 0, 1],        // CS7
        [91, 0, 0, 0, 1],        // CS8
        [128, 0, 0, 0x25, 0x80], // 9600
        [129, 0, 0, 0x96, 0x00], // 38400
    ];
    let modes = [modes.concat(), vec![0, 99]].concat();
    session.pty(&terminal(101, 37, &modes)).await.unwrap();
    let process = session
        .start(exec("stty -a; echo $TERM; tty; echo $SSH_TTY"))
        .await
        .unwrap();
    let outcome = outcome(process).await;
    let text = &outcome.stdout;
    for part in [
        "speed 38400 baud; rows 37; columns 101;",
        "intr = ^G; quit = <undef>;",
        " cs8 ",
        "\niutf8\n",
        " -icrnl",
        " tostop",
        " -onlcr",
        "xterm-256color",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let lines: Vec<_> = text.trim().lines().collect();
    let (tty, variable) = (lines[lines.len() - 2], lines[lines.len() - 1]);
    assert_eq!(tty.trim(), variable.trim());
    assert!(tty.starts_with("/dev/pts/"), "{tty}");
    assert_eq!(outcome.exit, Exit::Status(0));
}

#[tokio::test]
async fn a_new_size_is_told() {
    let mut session = session().await;
    session.pty(&terminal(80, 24, &[])).await.unwrap();
    let command = "trap 'stty size; exit 0' WINCH; echo ready; while :; do read -t 1 x; done";
    let mut process = session.start(exec(command)).await.unwrap();
    until(&mut process, "ready\r\n").await;
    session
        .window(&Window {
            columns: 132,
            rows: 50,
            width: 1 << 40,
            ..Window::default()
        })
        .await
        .unwrap();
    until(&mut process, "50 132\r\n").await;
}

#[tokio::test]
async fn a_shell_is_a_login_shell_with_job_control() {
    let mut session = session().await;
    session.pty(&terminal(80, 24, &[])).await.unwrap();
    let mut process = session.start(Program::Shell).await.unwrap();
    type_in(&mut process, "PS1=; echo \"$0:$-\"; exit 9\n").await;
    let outcome = outcome(process).await;
    let flags = outcome
        .stdout
        .split(['\r', '\n'])
        .find(|line| line.starts_with("-bash:"));
    let flags = flags.unwrap_or_else(|| panic!("{outcome:?}"));
    assert!(flags.contains('i') && flags.contains('m'), "{flags}");
    assert!(!outcome.stdout.contains("no job control"), "{outcome:?}");
    assert_eq!(outcome.exit, Exit::Status(9));
}

#[tokio::test]
async fn control_c_interrupts_the_foreground() {
    let mut session = session().await;
    session.pty(&terminal(80, 24, &[])).await.unwrap();
    let mut process = session.start(exec("echo ready; sleep 1000")).await.unwrap();
    until(&mut process, "ready\r\n").await;
    type_in(&mut process, "\u{3}").await;
    let Process {
        exit, mut stdout, ..
    } = process;
    assert!(matches!(exit.await, Exit::Signal(s) if s.signal == "INT"));
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "^C");
}

#[tokio::test]
async fn text_of_every_script_goes_both_ways() {
    const TEXT: &str = "Grüße, Ελλάδα, 日本語, 🦀";
    let mut session = session().await;
    session.pty(&terminal(80, 24, &[])).await.unwrap();
    let mut process = session
        .start(exec("read x; echo \"got <$x>\""))
        .await
        .unwrap();
    type_in(&mut process, &format!("{TEXT}\n")).await;
    let outcome = outcome(process).await;
    assert_eq!(outcome.stdout, format!("{TEXT}\r\ngot <{TEXT}>\r\n"));
}

#[tokio::test]
async fn the_end_of_file_of_a_terminal_is_typed() {
    let mut session = session().await;
    session.pty(&terminal(80, 24, &[])).await.unwrap();
    let mut process = session.start(exec("cat; echo end")).await.unwrap();
    type_in(&mut process, "one\n").await;
    until(&mut process, "one\r\none\r\n").await;
    let (mut reader, mut stdin) = (process.stdout, process.stdin);
    stdin.write_all(b"\x04").await.unwrap();
    stdin.shutdown().await.unwrap();
    let mut rest = String::new();
    reader.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "end\r\n");
}

#[tokio::test]
async fn shutting_the_input_down_leaves_the_terminal_alone() {
    let mut session = session().await;
    session.pty(&terminal(80, 24, &[])).await.unwrap();
    let mut process = session.start(exec("sleep 0.5; stty size")).await.unwrap();
    process.stdin.shutdown().await.unwrap();
    let outcome = outcome(process).await;
    assert_eq!(
        (&*outcome.stdout, outcome.exit),
        ("24 80\r\n", Exit::Status(0))
    );
}

#[tokio::test]
async fn echo_is_seen_to_be_on_and_off() {
    let mut session = session().await;
    assert_eq!(session.echoes(), None);
    session.pty(&terminal(80, 24, &[])).await.unwrap();
    assert_eq!(session.echoes(), Some(true));
    let command = "stty -echo; echo hidden; read x; stty echo; echo shown; read y; echo $x$y";
    let mut process = session.start(exec(command)).await.unwrap();
    until(&mut process, "hidden\r\n").await;
    assert_eq!(session.echoes(), Some(false));
    type_in(&mut process, "secret\n").await;
    until(&mut process, "shown\r\n").await;
    assert_eq!(session.echoes(), Some(true));
    type_in(&mut process, "open\n").await;
    assert_eq!(outcome(process).await.stdout, "open\r\nsecretopen\r\n");
}

#[tokio::test]
async fn ten_megabytes_through_a_terminal_arrive_whole() {
    let mut session = session().await;
    session
        .pty(&terminal(80, 24, &[72, 0, 0, 0, 0, 0]))
        .await
        .unwrap();
    let process = session.start(exec("seq 1 1400000")).await.unwrap();
    let outcome = outcome(process).await;
    let expected: Vec<_> = (1..=1_400_000).map(|n| n.to_string()).collect();
    let expected = expected.join("\n") + "\n";
    assert!(outcome.stdout == expected, "{} bytes", outcome.stdout.len());
}

#[tokio::test]
async fn the_last_words_arrive_every_time() {
    for round in 0..50 {
        let mut session = session().await;
        session.pty(&terminal(80, 24, &[])).await.unwrap();
        let process = session.start(exec("seq 1 500")).await.unwrap();
        let outcome = outcome(process).await;
        assert!(outcome.stdout.ends_with("\r\n500\r\n"), "round {round}");
    }
}

#[tokio::test]
async fn a_child_that_keeps_the_terminal_does_not_hold_the_session() {
    let begin = Instant::now();
    let mut session = session().await;
    session.pty(&terminal(80, 24, &[])).await.unwrap();
    let command = "trap '' HUP; (trap '' HUP; sleep 20) & echo started";
    let process = session.start(exec(command)).await.unwrap();
    let outcome = outcome(process).await;
    assert_eq!(outcome.stdout, "started\r\n");
    assert!(begin.elapsed() < GRACE + Duration::from_secs(5));
}

#[tokio::test]
async fn a_vanished_client_hangs_up() {
    let mut session = session().await;
    session.pty(&terminal(80, 24, &[])).await.unwrap();
    let mut process = session.start(Program::Shell).await.unwrap();
    type_in(
        &mut process,
        "stty -echo; sleep 1003 & echo \"<$!>\"; sleep 1004\n",
    )
    .await;
    let text = until(&mut process, ">\r\n").await;
    let pid = text.rsplit(['<', '>']).nth(1).unwrap().to_owned();
    let Process {
        stdin,
        stdout,
        exit,
        ..
    } = process;
    drop((session, stdin, stdout));
    assert!(matches!(exit.await, Exit::Signal(s) if s.signal == "HUP"));
    super::pipes::gone(&pid).await;
}

#[tokio::test]
async fn jobs_that_nobody_told_are_hung_up_and_those_of_nohup_are_not() {
    let mut session = session().await;
    session.pty(&terminal(80, 24, &[])).await.unwrap();
    // A shell that dies without telling its jobs.
    let command = "set -m; sleep 1008 & echo \"<$!>\"; nohup sleep 7 >/dev/null & echo \"[$!]\"; \
                   trap 'kill -9 $$' HUP; while :; do sleep 0.1; done";
    let mut process = session.start(exec(command)).await.unwrap();
    let job = until(&mut process, ">\r\n").await;
    let job = job.rsplit(['<', '>']).nth(1).unwrap().to_owned();
    let kept = until(&mut process, "]\r\n").await;
    let kept = kept.rsplit(['[', ']']).nth(1).unwrap().to_owned();
    // Until it is what it is going to be.
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(session);
    assert!(matches!(process.exit.await, Exit::Signal(s) if s.signal == "KILL"));
    super::pipes::gone(&job).await;
    assert!(std::path::Path::new("/proc").join(kept).exists());
}

#[tokio::test]
async fn nothing_is_resized_without_a_terminal() {
    let mut session = session().await;
    assert!(session.window(&Window::default()).await.is_err());
}

#[tokio::test]
async fn a_second_terminal_is_refused() {
    let mut session = session().await;
    session.pty(&terminal(80, 24, &[])).await.unwrap();
    assert!(session.pty(&terminal(80, 24, &[])).await.is_err());
}

async fn type_in(process: &mut Process, text: &str) {
    process.stdin.write_all(text.as_bytes()).await.unwrap();
}

/// Reads up to and with the end of a text.
pub(super) async fn until(process: &mut Process, end: &str) -> String {
    let mut text = Vec::new();
    let read = async {
        while !text.ends_with(end.as_bytes()) {
            text.push(process.stdout.read_u8().await.unwrap());
        }
    };
    let came = tokio::time::timeout(super::PATIENCE, read).await;
    assert!(
        came.is_ok(),
        "only {:?} came",
        String::from_utf8_lossy(&text)
    );
    String::from_utf8(text).unwrap()
}
