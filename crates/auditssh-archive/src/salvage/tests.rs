//! Whatever is damaged, the rest is had, and the new log tells what is not.

use super::*;
use crate::verify::{Verdict, verify};
use auditssh_log::codec::encode;
use auditssh_log::message::{Event, Exec};
use auditssh_log::seal::{Chain, Chunk, Deflate, Ending, Span};
use auditssh_log::tail;

const ID: &str = "00112233445566778899aabbccddeeff";
const PER_MEMBER: u64 = 3;
const MEMBERS: u64 = 4;
const ALL: u64 = PER_MEMBER * MEMBERS;

fn message(id: &str, number: u64) -> Message {
    let event = match number {
        0 => Event::Exec(Exec {
            request_id: 0,
            program: "ls -l /srv".into(),
        }),
        _ if number == ALL - 1 => Event::Disconnect,
        _ => Event::Exec(Exec {
            request_id: number,
            program: format!("echo {number}").into(),
        }),
    };
    Message {
        connection_id: id.into(),
        timestamp: 1_000 + i64::try_from(number).unwrap(),
        channel_id: Some(0),
        event,
        extra: Vec::new(),
        envelope_extra: Vec::new(),
    }
}

/// Header and members of a finished log; the final member is the last piece.
fn pieces(format: Format, id: &str) -> Vec<Vec<u8>> {
    let header = format.header();
    let mut chain = Chain::new(&header);
    let mut pieces = vec![header.to_vec()];
    let mut content = format.prologue().to_vec();
    for number in 0..ALL {
        encode(&message(id, number), &mut content);
        if (number + 1) % PER_MEMBER == 0 {
            let span = Span {
                last_wall: 1_000 + i64::try_from(number).unwrap(),
                ..Span::default()
            };
            let chunk = Chunk {
                flags: Flags::NONE,
                count: 3,
                span,
            };
            pieces.push(chain.seal(&content, &chunk, &mut Deflate::new()).unwrap());
            content.clear();
        }
    }
    let ending = match format {
        Format::Audit => Ending::Array,
        Format::Binary => Ending::Sequence,
    };
    pieces.push(chain.finish(ending, Flags::NONE, None).unwrap());
    pieces
}

struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory }
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.directory.path().join(name), bytes).unwrap();
    }

    /// Salvages `log`; what was had, and the messages of the new log that are not notices.
    fn salvage(&self, log: &[u8]) -> (Salvaged, Vec<Message>) {
        self.write(ID, log);
        let old = self.directory.path().join(ID);
        let new = self.directory.path().join("new");
        let done = salvage(&old, &new).unwrap();
        assert_eq!(std::fs::read(&old).unwrap(), log, "the damaged log stays");
        let bytes = std::fs::read(&new).unwrap();
        std::fs::remove_file(&new).unwrap();
        assert_eq!(verify(&bytes[..]).unwrap().verdict, Verdict::Recovered);
        let messages: Result<Vec<_>, _> = Decoder::new(&bytes[..]).collect();
        let (notices, messages): (Vec<_>, Vec<_>) = messages
            .unwrap()
            .into_iter()
            .partition(|message| Gap::read(message).is_some());
        let missing: u64 = notices
            .iter()
            .filter_map(Gap::read)
            .map(|gap| gap.messages)
            .sum();
        assert_eq!(missing, done.missing);
        assert_eq!(
            messages.len() as u64,
            done.proven + done.framed + done.unproven
        );
        (done, messages)
    }
}

/// Numbers of messages, as their times tell; damaged ones may have any.
fn numbers(messages: &[Message]) -> Vec<u64> {
    let number = |message: &Message| u64::try_from(message.timestamp - 1_000);
    messages
        .iter()
        .map(number)
        .map(|number| number.unwrap_or(u64::MAX))
        .collect()
}

#[test]
fn a_whole_log_is_had_whole() {
    for format in [Format::Audit, Format::Binary] {
        let (done, messages) = Bench::new().salvage(&pieces(format, ID).concat());
        let expected: Vec<_> = (0..ALL).map(|number| message(ID, number)).collect();
        assert_eq!(messages, expected);
        assert_eq!((done.proven, done.unproven, done.missing), (ALL, 0, 0));
        assert!(done.ended);
    }
}

#[test]
fn any_damaged_byte_costs_one_member_at_most() {
    let bench = Bench::new();
    for format in [Format::Audit, Format::Binary] {
        let log = pieces(format, ID).concat();
        for at in (0..log.len()).step_by(7) {
            let mut damaged = log.clone();
            damaged[at] ^= 0x55;
            let (done, messages) = bench.salvage(&damaged);
            let had = numbers(&messages);
            assert!(done.proven >= ALL - PER_MEMBER, "byte {at}: {done:?}");
            let all: Vec<_> = (0..ALL).map(|number| message(ID, number)).collect();
            let exact = messages
                .iter()
                .filter(|message| all.contains(message))
                .count() as u64;
            assert!(exact >= done.proven, "byte {at}: {had:?}");
        }
    }
}

#[test]
fn a_cut_log_is_had_up_to_the_cut() {
    let bench = Bench::new();
    let log = pieces(Format::Binary, ID).concat();
    for length in (200..log.len()).step_by(5) {
        let new = bench.directory.path().join("new");
        bench.write(ID, &log[..length]);
        match salvage(&bench.directory.path().join(ID), &new) {
            Ok(done) => {
                assert!(!done.ended);
                std::fs::remove_file(new).unwrap();
                let (_, messages) = bench.salvage(&log[..length]);
                let had: Vec<_> = (0..messages.len() as u64).collect();
                assert_eq!(numbers(&messages), had, "cut at {length}");
            }
            Err(error) => {
                assert!(matches!(error, SalvageError::Nothing(_)), "{error}");
                assert!(!new.exists());
            }
        }
    }
}

#[test]
fn members_that_were_moved_doubled_or_dropped_are_put_in_order() {
    let ours = pieces(Format::Audit, ID);
    let mut swapped = ours.clone();
    swapped.swap(1, 3);
    let (done, messages) = Bench::new().salvage(&swapped.concat());
    assert_eq!(numbers(&messages), (0..ALL).collect::<Vec<_>>());
    assert_eq!(done.proven, ALL);
    let mut doubled = ours.clone();
    doubled.insert(2, ours[2].clone());
    assert_eq!(Bench::new().salvage(&doubled.concat()).0.proven, ALL);
    let mut dropped = ours;
    dropped.remove(2);
    let (done, messages) = Bench::new().salvage(&dropped.concat());
    assert_eq!(done.missing, PER_MEMBER);
    assert_eq!(numbers(&messages), [0, 1, 2, 6, 7, 8, 9, 10, 11]);
}

#[test]
fn messages_of_another_connection_are_left_out() {
    let mut mixed = pieces(Format::Audit, ID);
    mixed[2].clone_from(&pieces(Format::Audit, &ID.replace('0', "a"))[2]);
    let (done, messages) = Bench::new().salvage(&mixed.concat());
    assert_eq!(done.others, PER_MEMBER);
    assert_eq!(numbers(&messages), [0, 1, 2, 6, 7, 8, 9, 10, 11]);
}

/// A tail with messages `from..to` as the chunk that follows the members so far.
fn tail_of(chunk: u32, numbers: std::ops::Range<u64>) -> (Vec<u8>, Vec<usize>) {
    let header = tail::Header {
        id: ID.as_bytes().try_into().unwrap(),
        version: 1,
        nonce: [9; 8],
    };
    let mut bytes = header.encode().to_vec();
    let mut starts = Vec::new();
    for number in numbers {
        let start = bytes.len();
        starts.push(start);
        let stamp = tail::Stamp {
            wall: 1_000 + i64::try_from(number).unwrap(),
            mono: number,
        };
        tail::open(&mut bytes, stamp, false, |out| {
            encode(&message(ID, number), out);
        });
        tail::place(&mut bytes[start..], header.seed(), chunk, number).unwrap();
    }
    (bytes, starts)
}

#[test]
fn frames_of_the_tails_are_had_even_behind_damage() {
    let bench = Bench::new();
    let log = pieces(Format::Audit, ID)[..3].concat();
    let (mut tail, starts) = tail_of(2, 6..ALL);
    bench.write(&format!(".{ID}.tail0"), &tail);
    let (done, messages) = bench.salvage(&log);
    assert_eq!((done.proven, done.framed, done.missing), (6, 6, 0));
    assert_eq!(numbers(&messages), (0..ALL).collect::<Vec<_>>());
    tail[starts[2] + 50] ^= 1;
    bench.write(&format!(".{ID}.tail0"), &tail);
    let (done, messages) = bench.salvage(&log);
    assert_eq!((done.framed, done.missing), (5, 1));
    assert_eq!(numbers(&messages), [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11]);
}

#[test]
fn a_tail_is_better_than_its_damaged_member() {
    let bench = Bench::new();
    let mut torn = pieces(Format::Audit, ID)[..4].concat();
    let length = torn.len();
    torn[length - 9] ^= 0xff;
    bench.write(&format!(".{ID}.tail0"), &tail_of(2, 6..9).0);
    let (done, messages) = bench.salvage(&torn);
    assert_eq!((done.framed, done.unproven), (3, 0));
    assert_eq!(numbers(&messages), (0..9).collect::<Vec<_>>());
}

#[test]
fn a_log_of_containerssh_is_had_as_it_is() {
    let genuine = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata/containerssh/v2-all-types.audit");
    let bytes = std::fs::read(&genuine).unwrap();
    let count = Decoder::new(&bytes[..]).flatten().count() as u64;
    let directory = tempfile::tempdir().unwrap();
    let done = salvage(&genuine, &directory.path().join("new")).unwrap();
    assert_eq!(done.unproven, count);
    assert!(count > 8);
}

#[test]
fn nothing_is_overwritten() {
    let bench = Bench::new();
    bench.write(ID, &pieces(Format::Audit, ID).concat());
    bench.write("new", b"mine");
    let old = bench.directory.path().join(ID);
    let new = bench.directory.path().join("new");
    let error = salvage(&old, &new).unwrap_err();
    assert!(matches!(error, SalvageError::Write { .. }), "{error}");
    assert_eq!(std::fs::read(&new).unwrap(), b"mine");
    bench.write(ID, b"no log at all");
    let other = bench.directory.path().join("other");
    assert!(matches!(
        salvage(&old, &other),
        Err(SalvageError::Nothing(_))
    ));
    assert!(!other.exists());
}
