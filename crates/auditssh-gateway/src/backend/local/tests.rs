mod login;
mod pipes;
mod terminal;

use super::{Local, LocalError, RunAs, Settings};
use crate::auth::Restrictions;
use crate::backend::{Backend as _, Connection, Exit, Identity, Process, Program, Session};
use auditssh_log::message::Pty;
use bytes::Bytes;
use nix::unistd::Uid;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// No step of a test takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

fn settings() -> Settings {
    Settings {
        allow_root: true,
        shell: Some("/bin/bash".into()),
        ..Settings::default()
    }
}

fn identity(user: &str) -> Identity {
    Identity {
        place: None,
        user: user.to_owned(),
        connection_id: "0123456789abcdef0123456789abcdef".to_owned(),
        remote_address: "192.0.2.7:40000".parse().unwrap(),
        local_address: "[::ffff:198.51.100.1]:2222".parse().unwrap(),
        restrictions: Restrictions::default(),
        facts: std::sync::Arc::default(),
        client: std::sync::Arc::new(crate::backend::NoClient),
    }
}

async fn connect(settings: Settings, identity: Identity) -> Box<dyn Connection> {
    Local::new(settings)
        .unwrap()
        .connect(identity)
        .await
        .unwrap()
}

async fn session() -> Box<dyn Session> {
    let connection = connect(settings(), identity("demo")).await;
    connection.open_session().await.unwrap()
}

async fn restricted(restrictions: Restrictions) -> Box<dyn Session> {
    let identity = Identity {
        restrictions,
        ..identity("demo")
    };
    connect(settings(), identity)
        .await
        .open_session()
        .await
        .unwrap()
}

fn exec(command: &str) -> Program {
    Program::Exec(Bytes::copy_from_slice(command.as_bytes()))
}

/// What a program did: its output, its errors and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    stdout: String,
    stderr: String,
    exit: Exit,
}

async fn outcome(process: Process) -> Outcome {
    let Process {
        stdin,
        stdout,
        stderr,
        exit,
    } = process;
    let all = async {
        let (stdout, stderr, exit) = tokio::join!(all(stdout), all(stderr), exit);
        Outcome {
            stdout,
            stderr,
            exit,
        }
    };
    let outcome = tokio::time::timeout(PATIENCE, all).await.unwrap();
    drop(stdin);
    outcome
}

async fn all(stream: impl Into<Option<Box<dyn AsyncRead + Send + Unpin>>>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream.into() {
        stream.read_to_end(&mut bytes).await.unwrap();
    }
    String::from_utf8(bytes).unwrap()
}

/// Runs a command without a terminal to its end.
async fn run(session: &mut Box<dyn Session>, command: &str) -> Outcome {
    outcome(session.start(exec(command)).await.unwrap()).await
}

fn terminal(columns: u64, rows: u64, modelist: &[u8]) -> Pty {
    Pty {
        term: "xterm-256color".into(),
        columns,
        rows,
        modelist: modelist.to_vec(),
        ..Pty::default()
    }
}

#[test]
fn root_must_be_allowed() {
    assert!(Uid::effective().is_root(), "these tests run as root");
    let refused = Local::new(Settings::default()).err().unwrap();
    assert!(matches!(refused, LocalError::Root), "{refused}");
    assert!(refused.to_string().contains("local.allowRoot"), "{refused}");
}

#[test]
fn a_shell_and_login_contradict() {
    let settings = Settings {
        run_as: RunAs::Login,
        ..settings()
    };
    let refused = Local::new(settings).err().unwrap();
    assert!(matches!(refused, LocalError::ShellWithLogin), "{refused}");
}

#[test]
fn a_shell_that_is_none_is_refused_at_the_start() {
    for shell in ["/nonexistent/shell", "/etc/passwd", "/bin"] {
        let settings = Settings {
            shell: Some(shell.into()),
            ..settings()
        };
        let refused = Local::new(settings).err().unwrap().to_string();
        assert!(refused.contains(shell), "{refused}");
    }
}

#[tokio::test]
async fn an_unknown_subsystem_is_refused() {
    let mut session = session().await;
    let text = session
        .start(Program::Subsystem("netconf".to_owned()))
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(text.contains("netconf"), "{text}");
}

#[tokio::test]
async fn what_runs_can_be_killed_at_once() {
    let local = Local::new(settings()).unwrap();
    let connection = local.connect(identity("demo")).await.unwrap();
    let mut session = connection.open_session().await.unwrap();
    let program = exec("trap '' HUP TERM; while :; do sleep 1; done");
    let process = session.start(program).await.unwrap();
    local.kill();
    let exit = tokio::time::timeout(PATIENCE, process.exit).await.unwrap();
    assert!(
        matches!(&exit, Exit::Signal(exit) if exit.signal.as_bytes() == b"KILL"),
        "{exit:?}"
    );
}
