mod live;

use super::*;
use auditssh_log::message::{Event, Exec, ExitStatus, Io, Subsystem};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

/// A packet: its kind and its fields, after their length.
fn packet(kind: u8, fields: &[&[u8]]) -> Vec<u8> {
    let body = fields.concat();
    let length = u32::try_from(body.len() + 1).expect("short");
    [&length.to_be_bytes()[..], &[kind], &body].concat()
}

fn text(text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).expect("short");
    [&length.to_be_bytes()[..], text].concat()
}

fn n(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

fn at(offset: u64) -> [u8; 8] {
    offset.to_be_bytes()
}

fn status(id: u32, code: u32) -> Vec<u8> {
    packet(101, &[&n(id), &n(code), &text(b""), &text(b"")])
}

fn start(event: Event) -> Message {
    Message::new("c", 1_000, Some(0), event)
}

fn sftp() -> Message {
    start(Event::Subsystem(Subsystem {
        request_id: 0,
        subsystem: "sftp".into(),
    }))
}

fn exec(program: &str) -> Message {
    start(Event::Exec(Exec {
        request_id: 0,
        program: program.into(),
    }))
}

/// Entries, and the contents by number.
fn ledger(
    first: &Message,
    parts: &[(u64, Vec<u8>)],
    size: usize,
) -> (Vec<Entry>, Vec<(u64, Vec<u8>)>) {
    let mut ledger = Ledger::default();
    let (mut entries, mut contents) = (Vec::new(), Vec::<(u64, Vec<u8>)>::new());
    let mut to = |note: Note<'_>| match note {
        Note::Entry(entry) => entries.push(entry.clone()),
        Note::Data(data) => match contents
            .iter_mut()
            .find(|(number, _)| *number == data.transfer)
        {
            Some((_, content)) => content.extend_from_slice(data.bytes),
            None => contents.push((data.transfer, data.bytes.to_vec())),
        },
    };
    ledger.push(first, &mut to);
    for (time, (stream, bytes)) in (2_000..).zip(parts) {
        for piece in bytes.chunks(size.max(1)) {
            let io = Io {
                stream: (*stream).into(),
                data: piece.to_vec(),
            };
            ledger.push(&Message::new("c", time, Some(0), Event::Io(io)), &mut to);
        }
    }
    ledger.finish(&mut to);
    (entries, contents)
}

/// What is told, a line each.
fn lines(entries: &[Entry]) -> Vec<String> {
    let line = |entry: &Entry| {
        let (word, path) = (entry.action.word(), entry.path.escape_ascii());
        let how = match &entry.outcome {
            Outcome::Failed(why) => why.to_string(),
            outcome => outcome.word().to_owned(),
        };
        match &entry.action {
            Action::Transfer { content, .. } => {
                let why = content.incomplete.as_deref().unwrap_or("whole");
                format!("{word} {path} {} {how}: {why}", content.bytes)
            }
            Action::Rename(to) | Action::Symlink(to) | Action::Link(to) => {
                format!("{word} {path} -> {} {how}", to.escape_ascii())
            }
            Action::Permissions(mode) => format!("{word} {path} {mode:o} {how}"),
            Action::Truncate(size) => format!("{word} {path} {size} {how}"),
            Action::Sync { direction, bytes } => {
                format!("{word} {path} {} {bytes:?} {how}", direction.word())
            }
            _ => format!("{word} {path} {how}"),
        }
    };
    entries.iter().map(line).collect()
}

/// `put` and `get` as OpenSSH does, and some other requests.
fn session() -> Vec<(u64, Vec<u8>)> {
    let none = n(0);
    vec![
        (0, packet(1, &[&n(3)])),
        (1, packet(2, &[&n(3), &text(b"x@y"), &text(b"1")])),
        (0, packet(3, &[&n(1), &text(b"/up"), &n(0x1a), &none])),
        (1, packet(102, &[&n(1), &text(b"h0")])),
        (
            0,
            packet(6, &[&n(2), &text(b"h0"), &at(0), &text(b"hello ")]),
        ),
        (
            0,
            packet(6, &[&n(3), &text(b"h0"), &at(6), &text(b"world")]),
        ),
        (1, [status(2, 0), status(3, 0)].concat()),
        (0, packet(4, &[&n(4), &text(b"h0")])),
        (1, status(4, 0)),
        (0, packet(3, &[&n(5), &text(b"/down"), &n(1), &none])),
        (1, packet(102, &[&n(5), &text(b"h0")])),
        (0, packet(5, &[&n(6), &text(b"h0"), &at(0), &n(4)])),
        (0, packet(5, &[&n(7), &text(b"h0"), &at(4), &n(4)])),
        (0, packet(5, &[&n(8), &text(b"h0"), &at(8), &n(4)])),
        // Answers may come in any order.
        (1, packet(103, &[&n(7), &text(b"67")])),
        (1, packet(103, &[&n(6), &text(b"2345")])),
        (1, status(8, 1)),
        (0, packet(5, &[&n(9), &text(b"h0"), &at(6), &n(4)])),
        (1, status(9, 1)),
        (0, packet(4, &[&n(10), &text(b"h0")])),
        (1, status(10, 0)),
        (0, packet(18, &[&n(11), &text(b"/a"), &text(b"/b")])),
        (0, packet(13, &[&n(12), &text(b"/gone")])),
        (1, [status(12, 2), status(11, 0)].concat()),
        (0, packet(14, &[&n(13), &text(b"/dir"), &none])),
        (0, packet(9, &[&n(14), &text(b"/f"), &n(4), &n(0o644)])),
        (0, packet(20, &[&n(15), &text(b"target"), &text(b"/link")])),
        (
            0,
            packet(
                200,
                &[
                    &n(16),
                    &text(b"hardlink@openssh.com"),
                    &text(b"/b"),
                    &text(b"/c"),
                ],
            ),
        ),
        (1, (13..17).flat_map(|id| status(id, 0)).collect()),
        (0, packet(3, &[&n(17), &text(b"/no"), &n(1), &none])),
        (1, status(17, 3)),
        (0, packet(3, &[&n(18), &text(b"/cut"), &n(0x1a), &none])),
        (1, packet(102, &[&n(18), &text(b"h1")])),
        (0, packet(6, &[&n(19), &text(b"h1"), &at(5), &text(b"x")])),
    ]
}

#[test]
fn what_openssh_does() {
    for size in [1, 3, 7, 1000] {
        let (entries, contents) = ledger(&sftp(), &session(), size);
        let expected = [
            "upload /up 11 ok: whole",
            "download /down 6 ok: whole",
            "remove /gone no such file",
            "rename /a -> /b ok",
            "mkdir /dir ok",
            "chmod /f 644 ok",
            "symlink /link -> target ok",
            "link /c -> /b ok",
            "download /no 0 permission denied: nothing went through",
            "upload /cut 1 unknown: it was not closed",
        ];
        assert_eq!(lines(&entries), expected, "{size}");
        let Action::Transfer {
            number, content, ..
        } = &entries[0].action
        else {
            panic!("no transfer");
        };
        assert_eq!(content.sha256, Some(Sha256::digest(b"hello world").into()));
        let upload = contents
            .iter()
            .find(|(other, _)| other == number)
            .expect("content");
        assert_eq!(upload.1, b"hello world");
        let Action::Transfer { content, .. } = &entries[1].action else {
            panic!("no transfer");
        };
        assert_eq!(content.sha256, Some(Sha256::digest(b"234567").into()));
    }
}

#[test]
fn a_hash_stands_only_where_a_file_is_whole() {
    let open = |flags| {
        vec![
            (0, packet(1, &[&n(3)])),
            (0, packet(3, &[&n(1), &text(b"f"), &n(flags), &n(0)])),
            (1, packet(102, &[&n(1), &text(b"h")])),
        ]
    };
    let write = |offset, data| {
        (
            0,
            packet(6, &[&n(2), &text(b"h"), &at(offset), &text(data)]),
        )
    };
    let length = |size| (0, packet(10, &[&n(4), &text(b"h"), &n(1), &at(size)]));
    let close = || vec![(0, packet(4, &[&n(3), &text(b"h")])), (1, status(3, 0))];
    for (flags, middle, expected) in [
        (
            0x1a,
            vec![write(1, b"b"), write(0, b"a")],
            "upload f 2 ok: whole",
        ),
        (
            0x1a,
            vec![write(1, b"b")],
            "upload f 1 ok: it went through with holes",
        ),
        (
            0x1a,
            vec![write(0, b"ab"), write(1, b"c")],
            "upload f 3 ok: parts were written more than once",
        ),
        (
            0x1a,
            vec![write(0, b"a"), (1, status(2, 14))],
            "upload f 1 no space left: not all of it was written",
        ),
        (
            0x0a,
            vec![write(0, b"a")],
            "upload f 1 ok: it was written into a file that was not emptied",
        ),
        (
            0x1e,
            vec![write(0, b"a")],
            "upload f 1 ok: it was appended to a file",
        ),
        (0x1a, vec![], "upload f 0 ok: whole"),
        // As scp does.
        (
            0x0a,
            vec![write(0, b"a"), length(1), (1, status(4, 0))],
            "upload f 1 ok: whole",
        ),
        (
            0x0a,
            vec![write(0, b"ab"), length(1), (1, status(4, 0))],
            "upload f 2 ok: it was cut or extended meanwhile",
        ),
        (0x01, vec![], "download f 0 ok: it was not read to its end"),
    ] {
        let parts = [open(flags), middle, close()].concat();
        let (entries, _) = ledger(&sftp(), &parts, 1000);
        let shown = lines(&entries);
        assert_eq!(shown.last().map(String::as_str), Some(expected));
    }
}

#[test]
fn later_versions_open_in_another_way() {
    let attributes = [&n(0)[..], &[1]].concat();
    let parts = [
        (0, packet(1, &[&n(6)])),
        (1, packet(2, &[&n(6)])),
        (
            0,
            packet(3, &[&n(1), &text(b"f"), &n(2), &n(1), &attributes]),
        ),
        (1, packet(102, &[&n(1), &text(b"h")])),
        (0, packet(6, &[&n(2), &text(b"h"), &at(0), &text(b"abc")])),
        (0, packet(4, &[&n(3), &text(b"h")])),
        (1, [status(2, 0), status(3, 0)].concat()),
        (0, packet(21, &[&n(4), &text(b"l"), &text(b"t"), &[1]])),
        (
            0,
            packet(9, &[&n(5), &text(b"f"), &n(5), &[1], &at(9), &n(0o600)]),
        ),
        (1, [status(4, 0), status(5, 0)].concat()),
    ];
    let (entries, _) = ledger(&sftp(), &parts, 1000);
    let expected = [
        "upload f 3 ok: whole",
        "symlink l -> t ok",
        "truncate f 9 ok",
        "chmod f 600 ok",
    ];
    assert_eq!(lines(&entries), expected);
}

#[test]
fn a_size_that_was_told_ends_a_download() {
    let parts = [
        (0, packet(1, &[&n(3)])),
        (0, packet(17, &[&n(1), &text(b"f")])),
        (1, packet(105, &[&n(1), &n(1), &at(3)])),
        (0, packet(3, &[&n(2), &text(b"f"), &n(1), &n(0)])),
        (1, packet(102, &[&n(2), &text(b"h")])),
        (0, packet(5, &[&n(3), &text(b"h"), &at(0), &n(3)])),
        (1, packet(103, &[&n(3), &text(b"abc")])),
        (0, packet(4, &[&n(4), &text(b"h")])),
        (1, status(4, 0)),
    ];
    let (entries, _) = ledger(&sftp(), &parts, 2);
    assert_eq!(lines(&entries), ["download f 3 ok: whole"]);
    // As lftp does, which has all of it and hangs up.
    let (entries, _) = ledger(&sftp(), &parts[..8], 2);
    assert_eq!(lines(&entries), ["download f 3 ok: whole"]);
    let (entries, _) = ledger(&sftp(), &parts[..6], 2);
    let expected = ["download f 0 unknown: it was not read to its end"];
    assert_eq!(lines(&entries), expected);
}

#[test]
fn scp_takes_files() {
    let parts = [
        (1, b"\0".to_vec()),
        (0, b"C0644 3 a\n".to_vec()),
        (1, b"\0".to_vec()),
        (0, b"abc\0".to_vec()),
        (1, b"\0".to_vec()),
        (0, b"T1 0 2 0\nD0755 0 sub\n".to_vec()),
        (1, b"\0\0".to_vec()),
        (0, b"C0600 9 no\n".to_vec()),
        (1, b"\x01scp: no: Permission denied\n".to_vec()),
        (0, b"C0600 0 empty\n".to_vec()),
        (1, b"\0".to_vec()),
        (0, b"\0".to_vec()),
        (1, b"\0".to_vec()),
        (0, b"E\nC0644 5 short\n".to_vec()),
        (1, b"\0\0".to_vec()),
        (0, b"ab".to_vec()),
    ];
    for size in [1, 4, 1000] {
        let (entries, contents) = ledger(&exec("scp -r -t /tmp/"), &parts, size);
        let expected = [
            "upload /tmp/a 3 ok: whole",
            "mkdir /tmp/sub unknown",
            "upload /tmp/sub/no 0 scp: no: Permission denied: it was refused",
            "upload /tmp/sub/empty 0 ok: whole",
            "upload /tmp/short 2 unknown: it ended early",
        ];
        assert_eq!(lines(&entries), expected, "{size}");
        assert_eq!(contents[0].1, b"abc");
    }
    // Answers are not in the log.
    let asked: Vec<_> = parts[..4]
        .iter()
        .filter(|(stream, _)| *stream == 0)
        .cloned()
        .collect();
    let (entries, _) = ledger(&exec("scp -t name"), &asked, 1000);
    assert_eq!(lines(&entries), ["upload name 3 unknown: whole"]);
}

#[test]
fn scp_gives_files() {
    let parts = [
        (0, b"\0".to_vec()),
        (1, b"C0644 3 a\n".to_vec()),
        (0, b"\0".to_vec()),
        (1, b"abc\0".to_vec()),
        (0, b"\0".to_vec()),
        (1, b"\x01scp: b: No such file\n".to_vec()),
        (1, b"C0644 3 c\n".to_vec()),
        (0, b"\0".to_vec()),
        (1, b"ab\0\x01c: read error\n".to_vec()),
        (0, b"\0".to_vec()),
    ];
    let (entries, _) = ledger(&exec("scp -f /d/a"), &parts, 1);
    let expected = [
        "download /d/a 3 ok: whole",
        "download /d/a 0 scp: b: No such file: nothing went through",
        "download /d/a 3 c: read error: it could not be read whole",
    ];
    assert_eq!(lines(&entries), expected);
}

#[test]
fn rsync_says_where_it_went() {
    let mut ledger = Ledger::default();
    let mut entries = Vec::new();
    let mut to = |note: Note<'_>| {
        if let Note::Entry(entry) = note {
            entries.push(entry.clone());
        }
    };
    ledger.push(
        &exec("rsync --server --sender -vlogDtpre.iLsfxCIvu . '/a b' /c"),
        &mut to,
    );
    let status = Event::ExitStatus(ExitStatus { exit_status: 0 });
    ledger.push(&Message::new("c", 1, Some(0), status), &mut to);
    ledger.finish(&mut to);
    assert_eq!(lines(&entries), ["sync /a b /c download (0, 0) ok"]);
}

#[test]
fn what_is_not_understood_ends_the_ledger() {
    let (entries, _) = ledger(&sftp(), &[(0, b"GET / HTTP/1.1\r\n\r\n".to_vec())], 5);
    assert_eq!(lines(&entries), ["lost  unknown"]);
    let (entries, _) = ledger(&exec("scp -t x"), &[(0, vec![b'x'; 10_000])], 100);
    assert_eq!(lines(&entries), ["lost  unknown"]);
}

/// Packets that begin like those of a client or a server.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..24);
    prop_oneof![
        (
            prop::sample::select(&[1u8, 3, 4, 5, 6, 9, 10, 18, 101, 102, 103, 105, 200][..]),
            0u32..6,
            bytes()
        )
            .prop_map(|(kind, id, rest)| packet(kind, &[&n(id), &text(b"h"), &rest])),
        (0u32..6, 0u64..40, bytes()).prop_map(|(id, offset, data)| packet(
            6,
            &[&n(id), &text(b"h"), &at(offset), &text(&data)]
        )),
        "[CDET]0[0-7]{3} [0-9]{1,20} [a-z./]{1,5}\n".prop_map(String::into_bytes),
        bytes(),
    ]
}

proptest! {
    #[test]
    fn no_bytes_are_too_hostile(
        parts in proptest::collection::vec((0u64..3, noise()), 0..40), size in 1usize..40, which in 0usize..4
    ) {
        let first = match which {
            0 => sftp(),
            1 => exec("scp -t /x"),
            2 => exec("scp -r -f /x"),
            _ => exec("sftp-server"),
        };
        let (entries, contents) = ledger(&first, &parts, size);
        for (number, content) in contents {
            let found = entries.iter().find_map(|entry| match &entry.action {
                Action::Transfer { number: of, content, .. } if *of == number => Some((content.bytes, content.sha256.is_some())),
                _ => None,
            });
            let (bytes, whole) = found.expect("an entry for each content");
            let given = content.len() as u64;
            prop_assert!(bytes == given || whole && bytes < given);
        }
    }
}

#[test]
fn what_is_read_twice_counts_once() {
    let parts = [
        (0, packet(1, &[&n(3)])),
        (0, packet(3, &[&n(1), &text(b"f"), &n(1), &n(0)])),
        (1, packet(102, &[&n(1), &text(b"h")])),
        (
            0,
            (2..7)
                .flat_map(|id| {
                    packet(
                        5,
                        &[
                            &n(id),
                            &text(b"h"),
                            &at([0, 0, 6, 3, 4, 7][id as usize - 2]),
                            &n(3),
                        ],
                    )
                })
                .collect(),
        ),
        (1, packet(103, &[&n(2), &text(b"abc")])),
        (1, packet(103, &[&n(3), &text(b"abc")])),
        (1, packet(103, &[&n(4), &text(b"g")])),
        (1, packet(103, &[&n(6), &text(b"efg")])),
        (1, packet(103, &[&n(5), &text(b"def")])),
        (0, packet(5, &[&n(7), &text(b"h"), &at(7), &n(3)])),
        (1, status(7, 1)),
        (0, packet(4, &[&n(8), &text(b"h")])),
        (1, status(8, 0)),
    ];
    let (entries, _) = ledger(&sftp(), &parts, 1000);
    assert_eq!(lines(&entries), ["download f 7 ok: whole"]);
    let Action::Transfer { content, .. } = &entries[0].action else {
        panic!("no transfer");
    };
    assert_eq!(content.sha256, Some(Sha256::digest(b"abcdefg").into()));
}
