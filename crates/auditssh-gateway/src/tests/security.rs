//! The filters as a client meets them: what they refuse reaches no backend, and stands in the log as
//! asked and as refused.

use super::client::{Channel, TestClient, finish, in_time};
use super::record::{Recorded, types};
use crate::russh::{ChannelMsg, Sig};
use crate::security::{Filter, Mode, Security};
use auditssh_log::extension::Forced;
use auditssh_log::message::{Event, Message};
use std::sync::Arc;

fn recorded(security: Security) -> Recorded {
    Recorded::with(|settings| settings.security = Arc::new(security))
}

fn filter(mode: Mode, allow: &[&str], deny: &[&str]) -> Filter {
    let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
    Filter {
        mode,
        allow: texts(allow),
        deny: texts(deny),
    }
}

fn off() -> Filter {
    filter(Mode::Disable, &[], &[])
}

/// Whether the request that was just made is granted.
async fn granted(channel: &mut Channel) -> bool {
    loop {
        match in_time(channel.wait()).await {
            Some(ChannelMsg::Success) => return true,
            Some(ChannelMsg::Failure) => return false,
            Some(_) => {}
            None => panic!("no answer"),
        }
    }
}

fn requests(recorded: &Recorded) -> Vec<String> {
    recorded.server.programs.requests.lock().unwrap().clone()
}

fn reasons(log: &[Message]) -> Vec<String> {
    let failed = log.iter().filter_map(|message| match &message.event {
        Event::RequestFailed(failed) => {
            Some(String::from_utf8_lossy(failed.reason.as_bytes()).into_owned())
        }
        _ => None,
    });
    failed.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_switched_off_reaches_no_backend() {
    let recorded = recorded(Security {
        env: off(),
        command: off(),
        shell: Mode::Disable,
        subsystem: off(),
        tty: Mode::Disable,
        signal: off(),
        ..Security::default()
    });
    let client = TestClient::login(&recorded.server).await;
    let mut channel = client.open().await.unwrap();
    channel.set_env(true, "LANG", "C").await.unwrap();
    assert!(!granted(&mut channel).await);
    let pty = channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]);
    pty.await.unwrap();
    assert!(!granted(&mut channel).await);
    channel.exec(true, "exit 0").await.unwrap();
    assert!(!granted(&mut channel).await);
    channel.request_shell(true).await.unwrap();
    assert!(!granted(&mut channel).await);
    channel.request_subsystem(true, "sftp").await.unwrap();
    assert!(!granted(&mut channel).await);
    assert!(requests(&recorded).is_empty());
    drop((channel, client));
    let logs = recorded.logs().await;
    let [log] = logs.as_slice() else {
        panic!("{} logs", logs.len());
    };
    let expected = [
        301, 402, 501, 404, 501, 403, 501, 405, 501, 407, 501, 497, 1,
    ];
    assert_eq!(types(log)[4..], expected);
    let keys = ["env", "tty", "command", "shell", "subsystem"];
    for (said, key) in reasons(log).iter().zip(keys) {
        assert!(said.contains(&format!("`security.{key}`")), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_passes_and_nothing_else() {
    let recorded = recorded(Security {
        env: filter(Mode::Enable, &[], &["LD_PRELOAD"]),
        command: filter(Mode::Filter, &["stall"], &[]),
        signal: filter(Mode::Filter, &["TERM"], &[]),
        ..Security::default()
    });
    let client = TestClient::login(&recorded.server).await;
    let mut channel = client.open().await.unwrap();
    for (name, expected) in [
        ("A", true),
        ("LD_PRELOAD", false),
        ("SSH_ORIGINAL_COMMAND", false),
    ] {
        channel.set_env(true, name, "x").await.unwrap();
        assert_eq!(granted(&mut channel).await, expected, "{name}");
    }
    for (command, expected) in [("stall ", false), ("exit 0", false), ("stall", true)] {
        channel.exec(true, command).await.unwrap();
        assert_eq!(granted(&mut channel).await, expected, "{command}");
    }
    // No answer is wanted to a signal; they come in order.
    channel.signal(Sig::KILL).await.unwrap();
    channel.signal(Sig::TERM).await.unwrap();
    recorded
        .server
        .until("a signal", |server| {
            let requests = server.programs.requests.lock().unwrap();
            requests.iter().any(|request| request.starts_with("signal"))
        })
        .await;
    assert_eq!(
        requests(&recorded),
        ["env A=x", "exec stall", "signal TERM"]
    );
    drop((channel, client));
    let logs = recorded.logs().await;
    let log = logs.first().unwrap();
    let asked = types(log);
    assert_eq!(asked[5..10], [402, 402, 501, 402, 501]);
    assert_eq!(asked[10..18], [403, 501, 403, 501, 403, 406, 501, 406]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_command_runs_and_the_log_has_both() {
    let recorded = recorded(Security {
        force_command: Some("say forced".to_owned()),
        command: filter(Mode::Filter, &["wish"], &[]),
        ..Security::default()
    });
    let client = TestClient::login(&recorded.server).await;
    let mut exec = client.exec("wish").await;
    assert_eq!(finish(&mut exec).await.stdout, b"forced");
    let mut shell = client.open().await.unwrap();
    shell.request_shell(true).await.unwrap();
    assert_eq!(finish(&mut shell).await.stdout, b"forced");
    let mut sftp = client.open().await.unwrap();
    sftp.request_subsystem(true, "sftp").await.unwrap();
    assert_eq!(finish(&mut sftp).await.stdout, b"forced");
    let mut other = client.open().await.unwrap();
    other.exec(true, "other").await.unwrap();
    assert!(!granted(&mut other).await);
    assert_eq!(requests(&recorded), ["exec say forced"; 3]);
    drop((exec, shell, sftp, other, client));

    let logs = recorded.logs().await;
    let started = logs.first().unwrap().iter().filter_map(|message| {
        let asked = match &message.event {
            Event::Exec(exec) => String::from_utf8_lossy(exec.program.as_bytes()).into_owned(),
            Event::Shell(_) => "(shell)".to_owned(),
            Event::Subsystem(_) => "(subsystem)".to_owned(),
            _ => return None,
        };
        Some((asked, Forced::from_extra(&message.extra)))
    });
    let forced = Some(Forced {
        command: "say forced".into(),
        by: "configuration".into(),
    });
    let expected = [
        ("wish", forced.clone()),
        ("(shell)", forced.clone()),
        ("(subsystem)", forced),
        ("other", None),
    ];
    let expected = expected.map(|(asked, forced)| (asked.to_owned(), forced));
    assert_eq!(started.collect::<Vec<_>>(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_program_is_not_said_to_have_been_forced() {
    let recorded = recorded(Security {
        force_command: Some("stall".to_owned()),
        ..Security::default()
    });
    let client = TestClient::login(&recorded.server).await;
    let mut channel = client.open().await.unwrap();
    for expected in [true, false] {
        channel.request_shell(true).await.unwrap();
        assert_eq!(granted(&mut channel).await, expected);
    }
    drop((channel, client));
    let logs = recorded.logs().await;
    let shells = logs.first().unwrap().iter();
    let shells = shells.filter(|message| matches!(message.event, Event::Shell(_)));
    let forced: Vec<bool> = shells
        .map(|message| Forced::from_extra(&message.extra).is_some())
        .collect();
    assert_eq!(forced, [true, false]);
}

/// Sessions that have ended make room, and the smaller of the two limits holds.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_counted_while_they_are_open() {
    for (most, limit, expected) in [
        (Some(2), 10, 2),
        (Some(10), 2, 2),
        (None, 3, 3),
        (Some(0), 9, 0),
    ] {
        let recorded = Recorded::with(|settings| {
            settings.limits.session_channels = limit;
            settings.security = Arc::new(Security {
                max_sessions: most,
                ..Security::default()
            });
        });
        let client = TestClient::login(&recorded.server).await;
        for _ in 0..5 * usize::from(expected > 0) {
            assert_eq!(client.run("exit 0").await.exit, Some(0));
        }
        let mut open = Vec::new();
        while let Ok(channel) = client.open().await {
            open.push(channel);
            assert!(open.len() <= expected, "{most:?} {limit}");
        }
        assert_eq!(open.len(), expected, "{most:?} {limit}");
        drop((open, client));
        let logs = recorded.logs().await;
        let refused = logs
            .first()
            .unwrap()
            .iter()
            .find_map(|message| match &message.event {
                Event::NewChannelFailed(failed) => Some(failed.reason.clone()),
                _ => None,
            });
        let reason = refused.unwrap();
        let reason = String::from_utf8_lossy(reason.as_bytes());
        assert!(reason.contains("security.maxSessions"), "{reason}");
    }
}
