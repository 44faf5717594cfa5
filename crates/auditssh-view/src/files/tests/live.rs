//! The ledger as it is recorded while files pass, and read again.

use super::*;
use auditssh_log::codec;
use auditssh_log::extension::FileEvent;
use auditssh_log::message::Stream;

/// What passes, to the end of the connection.
fn passing(first: &Message, parts: &[(u64, Vec<u8>)], size: usize) -> Vec<Message> {
    let mut messages = vec![first.clone()];
    for (time, (stream, bytes)) in (2_000..).zip(parts) {
        messages.extend(bytes.chunks(size.max(1)).map(|piece| {
            let io = Io {
                stream: (*stream).into(),
                data: piece.to_vec(),
            };
            Message::new("c", time, Some(0), Event::Io(io))
        }));
    }
    messages.push(Message::new("c", 90_000, Some(0), Event::Close));
    messages.push(Message::new("c", 99_000, None, Event::Disconnect));
    messages
}

/// The log of what passes: what is told stands before what told it, of which the policy keeps some.
fn logged(passing: &[Message], keeps: impl Fn(&Event) -> bool) -> Vec<Message> {
    let (mut live, mut log) = (Live::default(), Vec::new());
    for message in passing {
        live.push(message, |channel, event, extra| {
            log.push(Message {
                extra,
                ..Message::new("c", message.timestamp, Some(channel), event)
            });
        });
        if keeps(&message.event) {
            log.push(message.clone());
        }
    }
    log
}

/// Entries of a log, and the contents by number.
fn read(log: &[Message]) -> (Vec<Entry>, Vec<(u64, Vec<u8>)>) {
    let (mut ledger, mut entries, mut contents) = (Ledger::default(), Vec::new(), Vec::new());
    let mut to = |note: Note<'_>| match note {
        Note::Entry(entry) => entries.push(entry.clone()),
        Note::Data(data) => {
            let position = contents
                .iter()
                .position(|(number, _)| *number == data.transfer);
            let at = position.unwrap_or(contents.len());
            if position.is_none() {
                contents.push((data.transfer, Vec::new()));
            }
            contents[at].1.extend_from_slice(data.bytes);
        }
    };
    for message in log {
        ledger.push(message, &mut to);
    }
    ledger.finish(&mut to);
    (entries, contents)
}

/// Entries but for the numbers of transfers.
fn unnumbered(mut entries: Vec<Entry>) -> Vec<Entry> {
    for entry in &mut entries {
        if let Action::Transfer { number, .. } = &mut entry.action {
            *number = 0;
        }
    }
    entries
}

fn is_stream(event: &Event, wanted: &[Stream]) -> bool {
    match event {
        Event::Io(io) => wanted.contains(&io.stream),
        _ => true,
    }
}

proptest! {
    /// Whatever passes: the log of it tells the same of files, whichever streams it has, and nothing
    /// twice; and contents that it has belong to what is told.
    #[test]
    fn a_log_tells_the_same_whatever_streams_it_has(
        noise in proptest::collection::vec((0u64..3, noise()), 0..30),
        size in 1usize..40,
        which in 0usize..4,
        honest in any::<bool>(),
    ) {
        let first = match which {
            0 => sftp(),
            1 => exec("scp -t /x"),
            2 => exec("scp -r -f /x"),
            _ => exec("rsync --server . /x"),
        };
        let parts = if honest && which == 0 { session() } else { noise };
        let passing = passing(&first, &parts, size);
        let (expected, contents) = read(&passing);
        let expected = unnumbered(expected);
        for kept in [&[][..], &[Stream::Stdin], &[Stream::Stdout], &[Stream::Stdin, Stream::Stdout, Stream::Stderr]] {
            let log = logged(&passing, |event| is_stream(event, kept));
            let (entries, found) = read(&log);
            prop_assert_eq!(&unnumbered(entries.clone()), &expected, "{:?}", kept);
            if kept.len() == 3 {
                prop_assert_eq!(&found, &contents);
                for (number, _) in &found {
                    let told = entries.iter().filter(|entry| matches!(
                        entry.action, Action::Transfer { number: of, .. } if of == *number
                    ));
                    prop_assert_eq!(told.count(), 1);
                }
            }
        }
    }

    /// Contents never get into the log.
    #[test]
    fn a_log_without_streams_has_no_contents(
        contents in proptest::collection::vec("[A-Z]{24}", 1..6), size in 1usize..60
    ) {
        let content = contents.concat().into_bytes();
        let sftp_parts = [
            (0, packet(1, &[&n(3)])),
            (0, packet(3, &[&n(1), &text(b"/up"), &n(0x1a), &n(0)])),
            (1, packet(102, &[&n(1), &text(b"h")])),
            (0, packet(6, &[&n(2), &text(b"h"), &at(0), &text(&content)])),
            (1, status(2, 0)),
            (0, packet(5, &[&n(3), &text(b"h"), &at(0), &n(9999)])),
            (1, packet(103, &[&n(3), &text(&content)])),
            // What is no answer to anything.
            (1, packet(103, &[&n(9), &text(&content)])),
            (0, packet(4, &[&n(4), &text(b"h")])),
            (1, status(4, 0)),
            (0, content.clone()),
        ];
        let line = format!("C0644 {} name\n", content.len()).into_bytes();
        let scp_parts = [
            (1, vec![0]),
            (0, line),
            (1, vec![0]),
            (0, [&content[..], &[0]].concat()),
            (1, vec![0]),
            (0, content.clone()),
        ];
        for (first, parts) in [(sftp(), &sftp_parts[..]), (exec("scp -t /x"), &scp_parts[..])] {
            let log = logged(&passing(&first, parts, size), |event| is_stream(event, &[]));
            let mut bytes = Vec::new();
            for message in &log {
                codec::encode(message, &mut bytes);
            }
            for part in content.windows(8) {
                prop_assert!(!bytes.windows(8).any(|window| window == part));
            }
            let told = log.iter().filter_map(FileEvent::read).count();
            prop_assert!(told > 2);
        }
    }
}

#[test]
fn a_file_is_recorded_before_its_content_and_its_end_before_its_answer() {
    let log = logged(&passing(&sftp(), &session(), 1000), |_| true);
    let records: Vec<(usize, FileEvent)> = (0..)
        .zip(&log)
        .filter_map(|(at, message)| Some((at, FileEvent::read(message)?)))
        .collect();
    let (opened, _) = records
        .iter()
        .find(|(_, record)| record.action == *FileEvent::OPEN && record.path == *"/up")
        .expect("opened");
    let (ended, _) = records
        .iter()
        .find(|(_, record)| record.action == *"upload" && record.path == *"/up")
        .expect("ended");
    let is = |at: usize, kind: u8| matches!(&log[at].event, Event::Io(io) if io.data[4] == kind);
    assert!(is(opened + 1, 102), "before the answer that opens it");
    assert!(is(ended + 1, 101), "before the answer to its close");
    assert_eq!(records[0].1.action, *FileEvent::LEDGER);
}

#[test]
fn a_log_that_ends_early_tells_what_was_open() {
    let passing = passing(&sftp(), &session()[..6], 1000);
    let cut = &passing[..passing.len() - 2];
    let bare = logged(cut, |event| is_stream(event, &[]));
    let (entries, _) = read(&bare);
    let expected = ["upload /up 0 unknown: the log ends before it did"];
    assert_eq!(lines(&entries), expected);
    let (entries, contents) = read(&logged(cut, |_| true));
    let expected = ["upload /up 11 unknown: it was not closed"];
    assert_eq!(lines(&entries), expected);
    assert_eq!(contents.len(), 1);
}

#[test]
fn a_session_that_goes_on_in_another_log_tells_its_files_there() {
    let log = logged(&passing(&sftp(), &session(), 1000), |event| {
        is_stream(event, &[])
    });
    let whole = read(&log).0;
    for cut in 1..log.len() {
        let (one, other) = log.split_at(cut);
        let (before, after) = (read(one).0, read(other).0);
        let open = "the log ends before it did";
        let ended = before.iter().filter(|entry| {
            !matches!(&entry.action, Action::Transfer { content, .. }
                if content.incomplete.as_deref() == Some(open))
        });
        let told: Vec<&Entry> = ended.chain(&after).collect();
        assert_eq!(told, whole.iter().collect::<Vec<_>>(), "cut at {cut}");
    }
}
