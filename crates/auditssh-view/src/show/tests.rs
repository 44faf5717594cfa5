use super::*;
use auditssh_log::message::{
    AuthPubKey, Connect, Exec, ExitStatus, ForwardChannel, HandshakeSuccessful, Io, NewChannel,
    Pty, RequestFailed, Shell,
};

fn message(time: i64, channel: Option<u64>, event: Event) -> Message {
    Message::new("0123", time * 1_000_000_000, channel, event)
}

fn page(messages: &[Message]) -> Connection {
    let mut page = Connection::default();
    for message in messages {
        page.push(message);
    }
    page.finish()
}

fn io(stream: u64, data: &[u8]) -> Event {
    Event::Io(Io {
        stream: stream.into(),
        data: data.to_vec(),
    })
}

fn masked(bytes: u64) -> Message {
    let (event, extra) = MaskedInput { bytes }.record();
    Message {
        extra,
        ..message(5, Some(0), event)
    }
}

fn session() -> Vec<Message> {
    let handshake = Handshake {
        client_version: Some("SSH-2.0-x\x1b[2J".into()),
        kex: Some("curve25519-sha256".into()),
        cipher_client_to_server: Some("aes256-gcm@openssh.com".into()),
        cipher_server_to_client: Some("aes256-gcm@openssh.com".into()),
        auth_method: Some("publickey".into()),
        key_fingerprint: Some("SHA256:abc".into()),
        ..Handshake::default()
    };
    let login = Event::HandshakeSuccessful(HandshakeSuccessful {
        username: "alice".into(),
    });
    let login = Message {
        extra: handshake.to_extra(),
        ..message(1, None, login)
    };
    let key = AuthPubKey {
        username: "alice".into(),
        key: "ssh-ed25519 AAAA".into(),
    };
    let pty = Pty {
        term: "xterm".into(),
        columns: 100,
        rows: 30,
        ..Pty::default()
    };
    let forward = ForwardChannel {
        host_to_connect: "db".into(),
        port_to_connect: 5432,
        originator_host: "::1".into(),
        originator_port: 1,
    };
    let connect = Connect {
        remote_addr: "192.0.2.1".into(),
        country: "CH".into(),
    };
    let session = || {
        Event::NewChannelSuccessful(NewChannel {
            channel_type: "session".into(),
        })
    };
    let exec = Exec {
        request_id: 1,
        program: "scp -t /tmp/f".into(),
    };
    let failed = RequestFailed {
        request_id: 7,
        reason: "no".into(),
    };
    vec![
        message(0, None, Event::Connect(connect)),
        message(1, None, Event::AuthPubKeySuccessful(key)),
        login,
        message(2, Some(0), session()),
        message(2, Some(0), Event::Pty(pty)),
        message(3, Some(0), Event::Shell(Shell { request_id: 1 })),
        message(4, Some(0), io(0, b"ls\r")),
        message(4, Some(0), io(1, b"ls\r\nfile\r\n")),
        masked(7),
        message(6, Some(1), session()),
        message(6, Some(1), Event::Exec(exec)),
        message(6, Some(1), io(1, b"\0")),
        message(6, Some(1), io(0, b"C0644 3 f\nabc\0")),
        message(6, Some(1), io(1, b"\0\0")),
        message(7, Some(1), Event::ExitStatus(ExitStatus { exit_status: 0 })),
        message(7, Some(1), Event::Close),
        message(7, Some(0), Event::RequestFailed(failed)),
        message(8, Some(2), Event::NewChannelDirectTcpip(forward)),
        message(
            64,
            Some(0),
            Event::ExitStatus(ExitStatus { exit_status: 3 }),
        ),
        message(65, Some(0), Event::Close),
        message(66, None, Event::Disconnect),
    ]
}

#[test]
fn a_page_of_a_connection() {
    let mut text = Vec::new();
    page(&session()).write(&mut text).expect("memory");
    let text = String::from_utf8(text).expect("UTF-8");
    let expected = "\
Connection 0123
  from         192.0.2.1 (CH)
  began        1970-01-01 00:00:00.000Z
  ended        1970-01-01 00:01:06.000Z, after 1 min 6 s
  user         alice
  login        by publickey, key SHA256:abc
  client       SSH-2.0-x\\x1b[2J
  key exchange curve25519-sha256
  cipher       aes256-gcm@openssh.com
  recorded     21 messages; 17 bytes from the client, 13 to it

Channel #0
  kind         session
  ran          shell
  terminal     xterm 100x30
  began        1970-01-01 00:00:03.000Z
  ended        with status 3, after 1 min 2 s
  bytes        3 in, 10 out, 0 err
  closed       1970-01-01 00:01:05.000Z

Channel #1
  kind         session
  ran          scp -t /tmp/f
  began        1970-01-01 00:00:06.000Z
  ended        with status 0, after 1.000 s
  bytes        14 in, 3 out, 0 err
  closed       1970-01-01 00:00:07.000Z

Channel #2
  purpose      channel to db:5432 for [::1]:1
  began        1970-01-01 00:00:08.000Z
  bytes        0 in, 0 out, 0 err
  closed       not in the log

Logins
  1970-01-01 00:00:01.000Z  -    key for alice accepted

Forwarding
  1970-01-01 00:00:08.000Z  #2   channel to db:5432 for [::1]:1

Files (1 up, 3 bytes; 0 down, 0 bytes)
  1970-01-01 00:00:06.000Z  #1   scp upload /tmp/f, 3 bytes; sha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad

Odd
  1970-01-01 00:00:07.000Z  #0   request 7 refused: no
  7 bytes were typed without echo, and are not in the log
";
    assert_eq!(text, expected);
}

#[test]
fn a_page_for_programs() {
    let json = page(&session()).json();
    assert_eq!(json["user"], "alice");
    assert_eq!(json["handshake"]["keyFingerprint"], "SHA256:abc");
    assert_eq!(json["channels"][0]["programs"][0]["exit"]["status"], 3);
    assert_eq!(json["uploads"]["bytes"], 3);
    assert_eq!(json["channelCount"], 3);
    assert_eq!(json["maskedBytes"], 7);
}

#[test]
fn a_page_is_held_within_bounds() {
    let failed = |request_id| {
        let reason = "x".repeat(5000).as_str().into();
        Event::RequestFailed(RequestFailed { request_id, reason })
    };
    let messages: Vec<Message> = (0..2000).map(|n| message(1, Some(n), failed(n))).collect();
    let page = page(&messages);
    assert_eq!(page.channels.len(), MOST_CHANNELS);
    assert_eq!(page.odd.kept.len(), MOST_LINES);
    assert_eq!(page.odd.more, 2000 - MOST_LINES as u64);
    assert_eq!(page.channel_count, 2000);
}
