use super::*;
use crate::message::{AuthPassword, AuthPasswordBackendError, KeyboardInteractiveAnswer, X11};

const NOTHING: Intercept = Intercept {
    stdin: Stdin::No,
    stdout: false,
    stderr: false,
    passwords: false,
    forwarding: false,
    files: false,
};

fn io(stream: u64) -> Event {
    Event::Io(Io {
        stream: Stream::from(stream),
        data: b"hunter2".to_vec(),
    })
}

fn is_kept(intercept: Intercept, event: &Event, origin: Origin) -> bool {
    match intercept.apply(event.clone(), origin) {
        Verdict::Kept(kept) => {
            assert_eq!(&kept, event);
            true
        }
        Verdict::Dropped => false,
        Verdict::Redacted { event, .. } => panic!("redacted to {event:?}"),
    }
}

#[test]
fn each_stream_obeys_its_own_switch() {
    let switches: [(Intercept, u64); 3] = [
        (
            Intercept {
                stdin: Stdin::Yes,
                ..NOTHING
            },
            0,
        ),
        (
            Intercept {
                stdout: true,
                ..NOTHING
            },
            1,
        ),
        (
            Intercept {
                stderr: true,
                ..NOTHING
            },
            2,
        ),
    ];
    for (intercept, own) in switches {
        for stream in 0..4 {
            for origin in [Origin::Session, Origin::EchoingSession] {
                assert_eq!(is_kept(intercept, &io(stream), origin), stream == own);
            }
            assert!(!is_kept(intercept, &io(stream), Origin::Forward));
        }
    }
}

#[test]
fn forwarded_bytes_obey_forwarding_alone() {
    let only = Intercept {
        forwarding: true,
        ..NOTHING
    };
    let all_but = Intercept {
        forwarding: false,
        ..Intercept::ALL
    };
    for stream in 0..4 {
        assert!(is_kept(only, &io(stream), Origin::Forward));
        assert!(!is_kept(only, &io(stream), Origin::Session));
        assert!(!is_kept(all_but, &io(stream), Origin::Forward));
        assert!(is_kept(all_but, &io(stream), Origin::Session));
    }
}

#[test]
fn input_that_is_not_echoed_becomes_a_count() {
    let echoed = Intercept {
        stdin: Stdin::Echoed,
        ..NOTHING
    };
    assert!(is_kept(echoed, &io(0), Origin::EchoingSession));
    let Verdict::Redacted { event, extra } = echoed.apply(io(0), Origin::Session) else {
        panic!("not redacted");
    };
    assert!(!format!("{event:?}{extra:?}").contains("hunter2"));
    let mut message = crate::Message::new("x", 0, Some(0), event);
    message.extra = extra;
    assert_eq!(MaskedInput::read(&message), Some(MaskedInput { bytes: 7 }));
}

fn secrets() -> Vec<Event> {
    let auth = || AuthPassword {
        username: "alice".into(),
        password: Some(b"hunter2".to_vec()),
    };
    vec![
        Event::AuthPassword(auth()),
        Event::AuthPasswordSuccessful(auth()),
        Event::AuthPasswordFailed(auth()),
        Event::AuthPasswordBackendError(AuthPasswordBackendError {
            username: "alice".into(),
            password: Some(b"hunter2".to_vec()),
            reason: "down".into(),
        }),
        Event::KeyboardInteractiveAnswer(KeyboardInteractiveAnswers {
            username: "alice".into(),
            answers: Some(vec![KeyboardInteractiveAnswer {
                question: "Password: ".into(),
                answer: "hunter2".into(),
            }]),
        }),
    ]
}

#[test]
fn passwords_are_kept_only_where_they_are_intercepted() {
    let all_but = Intercept {
        passwords: false,
        ..Intercept::ALL
    };
    let only = Intercept {
        passwords: true,
        ..NOTHING
    };
    for event in secrets() {
        assert!(is_kept(only, &event, Origin::Session));
        let (redacted, extra) = all_but
            .apply(event.clone(), Origin::Session)
            .into_event()
            .expect("recorded");
        assert_eq!(
            std::mem::discriminant(&redacted),
            std::mem::discriminant(&event)
        );
        let shown = format!("{redacted:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("104, 117, 110"));
        assert!(shown.contains("alice") && extra.is_empty());
    }
}

#[test]
fn a_redacted_password_is_empty_and_a_missing_one_stays_null() {
    let redact = |password| {
        let event = Event::AuthPassword(AuthPassword {
            username: "a".into(),
            password,
        });
        match NOTHING.apply(event, Origin::Session) {
            Verdict::Redacted {
                event: Event::AuthPassword(auth),
                ..
            } => auth.password,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(redact(Some(b"x".to_vec())), Some(Vec::new()));
    assert_eq!(redact(None), None);
}

#[test]
fn a_cookie_is_kept_only_where_passwords_are() {
    let asked = Event::X11(X11 {
        request_id: 1,
        single_connection: false,
        auth_protocol: "MIT-MAGIC-COOKIE-1".into(),
        cookie: "hunter2".into(),
        screen: 0,
    });
    assert!(is_kept(Intercept::ALL, &asked, Origin::Session));
    let but = Intercept {
        passwords: false,
        ..Intercept::ALL
    };
    let Verdict::Redacted { event, extra } = but.apply(asked, Origin::Session) else {
        panic!("not redacted");
    };
    let shown = format!("{event:?}");
    assert!(!shown.contains("hunter2") && shown.contains("MAGIC") && extra.is_empty());
}

#[test]
fn the_ledger_is_kept_only_where_files_are() {
    let (event, _) = crate::extension::FileEvent::default().record();
    let only = Intercept {
        files: true,
        ..NOTHING
    };
    let but = Intercept {
        files: false,
        ..Intercept::ALL
    };
    assert!(is_kept(only, &event, Origin::Ledger));
    assert!(!is_kept(but, &event, Origin::Ledger));
    assert!(is_kept(NOTHING, &event, Origin::Session));
}
