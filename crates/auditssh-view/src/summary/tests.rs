use super::*;
use auditssh_log::extension::{Continued, Gap};
use auditssh_log::message::{
    AuthPassword, Connect, Exec, ExitStatus, HandshakeSuccessful, Io, NewChannel, Shell,
};

fn summary(events: Vec<(Option<u64>, Event)>) -> Summary {
    let mut summary = Summary::default();
    for (time, (channel, event)) in (100..).zip(events) {
        summary.push(&Message::new("id", time, channel, event));
    }
    summary.finish()
}

fn exec(program: &str) -> Event {
    Event::Exec(Exec {
        request_id: 0,
        program: program.into(),
    })
}

fn offered(name: &str) -> Event {
    Event::AuthPassword(AuthPassword {
        username: name.into(),
        password: None,
    })
}

#[test]
fn a_session_that_goes_on_in_this_log_is_that_of_its_user() {
    let gap = Gap {
        messages: 1,
        bytes: 0,
        reason: "r".into(),
        from: 1,
        to: 2,
    };
    let known = Continued {
        log: "before".into(),
        remote_addr: Some("::1".into()),
        username: Some("alice".into()),
        ..Continued::default()
    };
    let (event, mut extra) = gap.record();
    extra.extend(known.to_extra());
    let first = Message {
        extra,
        ..Message::new("id", 100, None, event)
    };
    let mut found = Summary::default();
    found.push(&first);
    assert_eq!(
        (found.user, found.authenticated, found.address),
        (Some("alice".into()), true, Some("::1".into()))
    );
}

#[test]
fn a_session_in_a_line() {
    let io = |stream: u64| {
        Event::Io(Io {
            stream: stream.into(),
            data: vec![0; 5],
        })
    };
    let status = |exit_status| Event::ExitStatus(ExitStatus { exit_status });
    let found = summary(vec![
        (
            None,
            Event::Connect(Connect {
                remote_addr: "::1".into(),
                country: "XX".into(),
            }),
        ),
        (None, offered("root")),
        (
            None,
            Event::HandshakeSuccessful(HandshakeSuccessful {
                username: "alice".into(),
            }),
        ),
        (Some(1), exec("make")),
        (Some(2), Event::Shell(Shell::default())),
        (Some(1), io(0)),
        (Some(1), io(1)),
        (Some(1), io(2)),
        (Some(1), status(2)),
        (None, Event::Disconnect),
    ]);
    assert_eq!(found.user, Some("alice".into()));
    assert!(found.authenticated && found.disconnected);
    assert_eq!(found.duration(), Some(9));
    assert_eq!(
        (found.bytes_in, found.bytes_out, found.messages),
        (5, 10, 10)
    );
    let make = Program {
        channel: Some(1),
        what: What::Exec("make".into()),
        exit: Some(Exit::Status(2)),
    };
    let shell = Program {
        channel: Some(2),
        what: What::Shell,
        exit: None,
    };
    assert_eq!(found.programs, [make, shell]);
}

#[test]
fn a_name_that_was_only_offered_is_not_proven() {
    let found = summary(vec![(None, offered("root")), (None, offered("admin"))]);
    assert_eq!(
        (found.user, found.authenticated),
        (Some("admin".into()), false)
    );
    assert_eq!((found.disconnected, found.messages), (false, 2));
    assert_eq!(summary(vec![]), Summary::default());
}

#[test]
fn programs_are_held_within_bounds() {
    let long = "x".repeat(5000);
    let found = summary((0..1000).map(|n| (Some(n), exec(&long))).collect());
    assert_eq!(
        (found.programs.len(), found.program_count),
        (MOST_PROGRAMS, 1000)
    );
    assert!(
        found.programs.iter().all(
            |program| program.what == What::Exec(Text::from(&long.as_bytes()[..LONGEST_TEXT]))
        )
    );
}

#[test]
fn forwarded_connections_are_counted_and_sessions_are_not() {
    let opened = |kind: &str| {
        Event::NewChannelSuccessful(NewChannel {
            channel_type: kind.into(),
        })
    };
    let found = summary(vec![
        (Some(0), opened("session")),
        (Some(1), opened("direct-tcpip")),
        (Some(2), opened("x11")),
    ]);
    assert_eq!((found.forwards, found.program_count), (2, 0));
}

#[test]
fn a_connection_without_a_log_is_told_of_by_its_casts() {
    let origin = cast::Origin {
        begun: 100,
        user: Some("alice".into()),
        ..cast::Origin::new("id")
    };
    let mut cast = cast::Facts {
        origin: Some(origin),
        start: Some(200),
        length: std::time::Duration::from_nanos(50),
        command: Some("make".into()),
        exit: Some(2),
    };
    let mut found = Summary::default();
    found.push_cast(0, &cast);
    (cast.start, cast.command, cast.exit) = (Some(150), None, None);
    found.push_cast(3, &cast);
    assert_eq!((found.start, found.duration()), (Some(100), Some(150)));
    assert_eq!(
        (found.user, found.authenticated),
        (Some("alice".into()), true)
    );
    assert_eq!((found.address, found.messages), (None, 0));
    let make = Program {
        channel: Some(0),
        what: What::Exec("make".into()),
        exit: Some(Exit::Status(2)),
    };
    let shell = Program {
        channel: Some(3),
        what: What::Shell,
        exit: None,
    };
    assert_eq!(found.programs, [make, shell]);
}

#[test]
fn casts_of_others_do_not_say_whose_they_are() {
    let mut found = Summary::default();
    let start = Some(7);
    found.push_cast(
        0,
        &cast::Facts {
            start,
            ..cast::Facts::default()
        },
    );
    assert_eq!(
        (found.start, found.user, found.authenticated),
        (Some(7), None, false)
    );
}
