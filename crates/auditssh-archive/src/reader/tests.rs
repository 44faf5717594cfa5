use super::*;
use crate::directory::tail_name;
use auditssh_log::codec::{Decoder, End, encode};
use auditssh_log::message::{Event, Io, Message, Stream};
use auditssh_log::seal::{Chain, Chunk, Deflate, Ending};
use auditssh_log::tail::{self, Header, Stamp};
use proptest::prelude::*;
use std::ops::Range;

const ID: &str = "00112233445566778899aabbccddeeff";

fn message(number: u64) -> Message {
    let data = format!("{number} ").repeat(100).into_bytes();
    let stream = Stream::Stdout;
    Message::new(ID, 0, Some(0), Event::Io(Io { stream, data }))
}

fn content(prologue: &[u8], messages: Range<u64>) -> Vec<u8> {
    let mut content = prologue.to_vec();
    messages.for_each(|number| encode(&message(number), &mut content));
    content
}

/// A log with these members.
fn log(members: &[Range<u64>]) -> Vec<u8> {
    let header = Format::Audit.header();
    let (mut log, mut chain) = (header.to_vec(), Chain::new(&header));
    for messages in members {
        let prologue = if chain.number() == 0 {
            &[0x9f][..]
        } else {
            &[]
        };
        let chunk = Chunk {
            count: u32::try_from(messages.end - messages.start).unwrap(),
            ..Chunk::default()
        };
        let content = content(prologue, messages.clone());
        log.extend(chain.seal(&content, &chunk, &mut Deflate::new()).unwrap());
    }
    log
}

fn finished(members: &[Range<u64>]) -> Vec<u8> {
    let mut log = log(members);
    let mut chain = Chain::new(log.first_chunk().unwrap());
    let mut at = HEADER_LENGTH;
    while let Some(seal) = Seal::read(&log[at..]) {
        at += seal.length as usize;
        chain = Chain::follow(&seal).unwrap();
    }
    log.extend(chain.finish(Ending::Array, Flags::NONE, None).unwrap());
    log
}

/// A tail that holds these messages of a chunk.
fn frames(chunk: u32, messages: Range<u64>) -> Vec<u8> {
    let header = Header {
        id: *ID.as_bytes().first_chunk().unwrap(),
        version: 1,
        nonce: [5; 8],
    };
    let mut bytes = header.encode().to_vec();
    for number in messages {
        let mut frame = Vec::new();
        tail::open(&mut frame, Stamp::default(), false, |out| {
            encode(&message(number), out);
        });
        tail::place(&mut frame, header.seed(), chunk, number).unwrap();
        bytes.extend(frame);
    }
    bytes
}

fn write(directory: &Path, log: &[u8], tails: [Option<Vec<u8>>; 2]) -> std::path::PathBuf {
    let path = directory.join(ID);
    std::fs::write(&path, log).unwrap();
    for (index, tail) in (0..).zip(tails) {
        let tail_path = directory.join(tail_name(ID, index));
        match tail {
            Some(bytes) => std::fs::write(tail_path, bytes).unwrap(),
            None => drop(std::fs::remove_file(tail_path)),
        }
    }
    path
}

fn read(path: &Path) -> (usize, Option<End>, State) {
    let mut reader = LogReader::open(path, false).unwrap();
    let mut decoder = Decoder::new(&mut reader);
    let messages: Vec<_> = decoder.by_ref().map_while(Result::ok).collect();
    for (number, found) in (0..).zip(&messages) {
        assert_eq!(*found, message(number));
    }
    let end = decoder.end();
    (messages.len(), end, reader.state())
}

#[test]
fn what_stands_in_tails_follows_what_is_sealed() {
    let directory = tempfile::tempdir().unwrap();
    let tails = [Some(frames(2, 9..12)), Some(frames(3, 12..20))];
    let path = write(directory.path(), &log(&[0..4, 4..9]), tails);
    assert_eq!(read(&path), (20, Some(End::Open), State::Open));
    let path = write(directory.path(), &finished(&[0..4, 4..9]), [None, None]);
    assert_eq!(read(&path), (9, Some(End::Recovered), State::Finished));
}

#[test]
fn of_a_member_only_what_is_new_is_read() {
    let directory = tempfile::tempdir().unwrap();
    for known in 0..=5_u64 {
        let path = write(directory.path(), &[], [Some(frames(0, 0..known)), None]);
        std::fs::write(&path, log(&[])).unwrap();
        let mut reader = LogReader::open(&path, true).unwrap();
        let mut stream = vec![0; HEADER_LENGTH];
        reader.read_exact(&mut stream).unwrap();
        if known > 0 {
            stream.push(0);
            reader.read_exact(&mut stream[HEADER_LENGTH..]).unwrap();
        }
        write(directory.path(), &finished(&[0..5, 5..7]), [None, None]);
        reader.read_to_end(&mut stream).unwrap();
        let messages: Vec<_> = Decoder::new(&stream[..]).map(Result::unwrap).collect();
        let expected: Vec<_> = (0..7).map(message).collect();
        assert_eq!(messages, expected, "{known} from the tail");
    }
}

#[test]
fn damage_behind_what_a_tail_held_is_the_decoders_to_report() {
    let directory = tempfile::tempdir().unwrap();
    let whole = finished(&[0..50, 50..60]);
    let first = Seal::read(&whole[HEADER_LENGTH..]).unwrap();
    for at in [150, first.length as usize - 20, first.length as usize - 6] {
        let path = write(directory.path(), &log(&[]), [Some(frames(0, 0..3)), None]);
        let mut reader = LogReader::open(&path, true).unwrap();
        let mut stream = vec![0; HEADER_LENGTH + 1];
        reader.read_exact(&mut stream).unwrap();
        let mut damaged = whole.clone();
        damaged[HEADER_LENGTH + at] ^= 0xff;
        write(directory.path(), &damaged, [None, None]);
        reader.read_to_end(&mut stream).unwrap();
        let mut decoder = Decoder::new(&stream[..]);
        let found = decoder.by_ref().flatten().count();
        assert_eq!(decoder.end(), Some(End::Damaged));
        assert!(found >= 3, "{found}");
    }
}

#[test]
fn a_declared_length_costs_nothing_and_numbers_do_not_overflow() {
    let directory = tempfile::tempdir().unwrap();
    let mut lying = log(&[0..2, 2..3]);
    lying[HEADER_LENGTH + 24..][..4].copy_from_slice(&0x01ff_ffff_u32.to_le_bytes());
    let path = write(directory.path(), &lying, [None, None]);
    assert_eq!(read(&path), (3, Some(End::Open), State::Plain));
    let mut lying = log(&[0..2, 2..3]);
    lying[HEADER_LENGTH + 36..][..8].fill(0xff);
    let path = write(directory.path(), &lying, [Some(frames(1, 3..4)), None]);
    assert_eq!(read(&path).0, 3);
}

#[test]
fn an_early_end_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let whole = finished(&[0..3, 3..6]);
    for length in 0..whole.len() {
        let path = write(directory.path(), &whole[..length], [None, None]);
        let (found, end, state) = read(&path);
        assert_ne!(state, State::Finished, "{length}: {found} {end:?}");
        assert_ne!(end, Some(End::Damaged), "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_becomes_of_the_files_reading_ends(
        harm in proptest::collection::vec((0usize..3, any::<proptest::sample::Index>(), 1u8..), 0..6),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut files = [log(&[0..4, 4..9]), frames(2, 8..12), frames(3, 12..20)];
        for (file, place, change) in harm {
            let at = place.index(files[file].len());
            files[file][at] ^= change;
        }
        let [log, even, odd] = files;
        let path = write(directory.path(), &log, [Some(even), Some(odd)]);
        let reader = LogReader::open(&path, false).unwrap();
        prop_assert!(Decoder::new(reader).count() <= 25);
    }
}

#[test]
fn of_a_long_log_the_beginning_and_the_end_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let members: Vec<_> = (0..40).map(|n| n * 10..(n + 1) * 10).collect();
    let size = content(&[], 100..110).len() as u64;
    let finished = finished(&members);
    let open = log(&members);
    let tail = [Some(frames(40, 400..405)), None];
    for (log, tails, end) in [(finished, [None, None], 400), (open, tail, 405)] {
        let path = write(directory.path(), &log, tails);
        for (first, last) in [
            (0, 2),
            (3 * size, size / 2),
            (3 * size, 5 * size),
            (u64::MAX, 0),
        ] {
            let mut reader = LogReader::open(&path, false).unwrap().skim(first, last);
            let mut decoder = Decoder::new(&mut reader);
            let found: Vec<_> = decoder.by_ref().map(Result::unwrap).collect();
            let ended = decoder.end();
            let left_out = reader.left_out();
            assert_eq!(found.len() as u64 + left_out, end);
            assert_eq!(found.last(), Some(&message(end - 1)), "{first} {last}");
            assert_eq!(found.first(), Some(&message(0)));
            assert_eq!(left_out > 300, first < u64::MAX, "{left_out}");
            assert!(matches!(ended, Some(End::Open | End::Recovered)));
        }
    }
}
