use super::*;
use crate::message::{Connect, Event, HandshakeSuccessful, Message};

fn message((event, extra): (Event, Extra)) -> Message {
    Message {
        extra,
        ..Message::new("x", 1, None, event)
    }
}

#[test]
fn notices_are_read_back_and_not_taken_for_each_other() {
    let masked = MaskedInput { bytes: 12 };
    let gap = Gap {
        messages: 3,
        bytes: u64::MAX,
        reason: "disk full".into(),
        from: -1,
        to: i64::MAX,
    };
    let step = ClockStep {
        nanoseconds: -3_600_000_000_000,
    };
    let messages = [
        message(masked.record()),
        message(gap.clone().record()),
        message(step.record()),
    ];
    assert_eq!(
        messages.each_ref().map(MaskedInput::read),
        [Some(masked), None, None]
    );
    assert_eq!(messages.each_ref().map(Gap::read), [None, Some(gap), None]);
    assert_eq!(
        messages.each_ref().map(ClockStep::read),
        [None, None, Some(step)]
    );
}

#[test]
fn an_access_is_read_back() {
    let access = Access {
        user: "alice".into(),
        role: "auditor".into(),
        address: "192.0.2.7".into(),
        action: "files".into(),
        connection: Some("0123456789abcdef0123456789abcdef".into()),
        detail: "3".into(),
        allowed: true,
    };
    let nobody = Access {
        action: "login".into(),
        ..Access::default()
    };
    for access in [access, nobody] {
        let read = Access::read(&message(access.clone().record()));
        assert_eq!(read, Some(access));
    }
    assert_eq!(
        Access::read(&message(ClockStep { nanoseconds: 1 }.record())),
        None
    );
}

#[test]
fn a_gap_tells_where_the_session_began_and_whose_it_is() {
    let mut known = Continued {
        log: "x".into(),
        connected: Some(-7),
        ..Continued::default()
    };
    let gap = Gap {
        messages: 3,
        bytes: 0,
        reason: "r".into(),
        from: 1,
        to: 2,
    };
    let gap_of = |known: &Continued| {
        let (event, mut extra) = gap.clone().record();
        extra.extend(known.to_extra());
        message((event, extra))
    };
    assert_eq!(Continued::read(&gap_of(&known)).as_ref(), Some(&known));
    known.learn(&Event::Connect(Connect {
        remote_addr: "::1".into(),
        country: "CH".into(),
    }));
    known.learn(&Event::HandshakeSuccessful(HandshakeSuccessful {
        username: "alice".into(),
    }));
    known.learn(&Event::Disconnect);
    let told = gap_of(&known);
    assert_eq!(Continued::read(&told), Some(known));
    assert_eq!(Gap::read(&told), Some(gap.clone()));
    assert_eq!(Continued::read(&message(gap.record())), None);
}

#[test]
fn a_request_that_a_client_names_alike_is_no_notice() {
    let (event, _) = MaskedInput { bytes: 1 }.record();
    assert_eq!(MaskedInput::read(&message((event, Extra::new()))), None);
    let (event, _) = FileEvent::default().record();
    assert_eq!(FileEvent::read(&message((event, Extra::new()))), None);
}

#[test]
fn what_happened_to_files_is_read_back() {
    let text = || Some(Text::from(&b"\xff/x"[..]));
    let all = FileEvent {
        protocol: "sftp".into(),
        action: "upload".into(),
        path: text().unwrap_or_default(),
        target: text(),
        result: Some("failed".into()),
        reason: text(),
        start: Some(-1),
        bytes: Some(u64::MAX),
        sha256: Some(std::array::from_fn(|at| {
            7 * u8::try_from(at).expect("small")
        })),
        incomplete: text(),
        mode: Some(0o644),
        size: Some(0),
        direction: text(),
        streams: Some((1, 2)),
    };
    let least = FileEvent {
        protocol: "scp".into(),
        action: FileEvent::LEDGER.into(),
        ..FileEvent::default()
    };
    for event in [all, least] {
        assert_eq!(
            FileEvent::read(&message(event.clone().record())),
            Some(event)
        );
    }
}

#[test]
fn forced_commands_are_read_back() {
    let forced = Forced {
        command: "internal-sftp -R".into(),
        by: "configuration".into(),
    };
    assert_eq!(Forced::from_extra(&forced.to_extra()), Some(forced));
    assert_eq!(Forced::from_extra(&Extra::new()), None);
}

#[test]
fn handshakes_are_read_back() {
    let handshake = Handshake {
        client_version: Some("SSH-2.0-OpenSSH_9.2p1".into()),
        kex: Some("mlkem768x25519-sha256".into()),
        authenticated_username: Some("alice".into()),
        certificate: Some(Certificate {
            serial: 7,
            key_id: "alice@example.org".into(),
            authority: "SHA256:abc".into(),
            principals: vec!["alice".into(), "ops".into()],
        }),
        ..Handshake::default()
    };
    assert_eq!(Handshake::from_extra(&handshake.to_extra()), handshake);
    assert_eq!(Handshake::from_extra(&Extra::new()), Handshake::default());

    let failed = FailedHandshake {
        server_version: Some("SSH-2.0-AuditSSH".into()),
        client_offer: Some(Offer {
            kex: vec!["diffie-hellman-group1-sha1".into()],
            language_server_to_client: vec!["en".into()],
            ..Offer::default()
        }),
        ..FailedHandshake::default()
    };
    assert_eq!(FailedHandshake::from_extra(&failed.to_extra()), failed);
}
