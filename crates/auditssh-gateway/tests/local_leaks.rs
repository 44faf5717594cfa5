//! A hundred sessions of the backend `local` leave nothing behind. Descriptors and children are
//! counted for the whole process, so that this test has one of its own.

#![expect(clippy::unwrap_used, reason = "a test")]

use auditssh_gateway::auth::Restrictions;
use auditssh_gateway::backend::local::{Local, Settings};
use auditssh_gateway::backend::{Backend, Identity, Program};
use auditssh_log::message::Pty;
use bytes::Bytes;
use std::fs;
use tokio::io::AsyncReadExt as _;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_sessions_leave_no_descriptor_and_no_child() {
    let local = Local::new(Settings {
        allow_root: true,
        shell: Some("/bin/sh".into()),
        ..Settings::default()
    })
    .unwrap();
    one(&local, 0).await;
    let before = descriptors();
    for round in 1..=100 {
        one(&local, round).await;
    }
    local.drained().await;
    assert_eq!(descriptors(), before);
    assert_eq!(children(), Vec::<String>::new());
}

/// A session with or without a terminal, read to its end or dropped in the middle of its work.
async fn one(local: &Local, round: u32) {
    let identity = Identity {
        place: None,
        user: "demo".to_owned(),
        connection_id: "0".repeat(32),
        remote_address: "192.0.2.1:1".parse().unwrap(),
        local_address: "192.0.2.2:22".parse().unwrap(),
        restrictions: Restrictions::default(),
        facts: std::sync::Arc::default(),
        client: std::sync::Arc::new(auditssh_gateway::backend::NoClient),
    };
    let connection = local.connect(identity).await.unwrap();
    let mut session = connection.open_session().await.unwrap();
    if round.is_multiple_of(2) {
        session.pty(&Pty::default()).await.unwrap();
    }
    let to_the_end = round % 4 < 2;
    let command = if to_the_end {
        "echo done"
    } else {
        "sleep 1000"
    };
    let command = Program::Exec(Bytes::from_static(command.as_bytes()));
    let mut process = session.start(command).await.unwrap();
    if to_the_end {
        let mut text = String::new();
        process.stdout.read_to_string(&mut text).await.unwrap();
        assert_eq!(text.trim(), "done");
    } else {
        drop(session);
    }
    process.exit.await;
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn children() -> Vec<String> {
    let mut children = Vec::new();
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let list = fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default();
        children.extend(list.split_whitespace().map(str::to_owned));
    }
    children
}
