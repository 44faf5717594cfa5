//! Logs of which a byte was changed or an end was lost: what stands before that is read, as it was
//! written.

use super::*;
use crate::message::{Io, Stream};
use crate::seal::{Chain, Chunk, Deflate, Ending, Flags};
use proptest::collection::vec;
use proptest::sample::Index;

/// A log as we write it.
fn sealed(format: Format, messages: &[Message], per_member: usize) -> Vec<u8> {
    let mut file = format.header().to_vec();
    let mut chain = Chain::new(&format.header());
    let mut content = format.prologue().to_vec();
    for chunk in messages.chunks(per_member) {
        for message in chunk {
            encode(message, &mut content);
        }
        let chunk = Chunk {
            count: u32::try_from(chunk.len()).expect("few"),
            ..Chunk::default()
        };
        let member = chain.seal(&content, &chunk, &mut Deflate::new());
        file.extend(member.expect("room"));
        content.clear();
    }
    let ending = match format {
        Format::Audit => Ending::Array,
        Format::Binary => Ending::Sequence,
    };
    file.extend(chain.finish(ending, Flags::NONE, None).expect("room"));
    file
}

/// A log as ContainerSSH writes it: one stream that nothing closes.
fn endless(format: Format, messages: &[Message]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(format.header().to_vec(), Compression::fast());
    encoder.write_all(format.prologue()).expect("memory");
    for message in messages {
        encoder.write_all(&encoded(message)).expect("memory");
        encoder.flush().expect("memory");
    }
    encoder.write_all(format.epilogue()).expect("memory");
    encoder.flush().expect("memory");
    encoder.get_ref().clone()
}

/// Messages whose data neither shrinks to nothing nor stays as it is.
fn messages() -> impl Strategy<Value = Vec<Message>> {
    let piece = prop_oneof![
        3 => vec(any::<u8>(), 0..300),
        2 => vec(b'a'..b'f', 0..3000),
        1 => vec(any::<u8>(), 5000..5001),
    ];
    let io = |(number, data)| {
        let stream = Stream::Stdout;
        Message::new("c", number, Some(0), Event::Io(Io { stream, data }))
    };
    vec(piece, 1..60).prop_map(move |pieces| {
        let end = Message::new("c", 1 << 40, None, Event::Disconnect);
        (0..).zip(pieces).map(io).chain([end]).collect()
    })
}

fn format() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::Audit), Just(Format::Binary)]
}

/// What of `file` stands before `at` is read, whatever follows.
fn keeps_what_precedes(file: &[u8], changed: &[u8], at: usize) -> Vec<Message> {
    let (before, error, _) = read(&file[..at]);
    assert!(error.is_none(), "cut at {at}: {error:?}");
    let (found, ..) = read(changed);
    assert!(found.len() >= before.len(), "lost messages before {at}");
    assert_eq!(found[..before.len()], before, "changed before {at}");
    before
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_changed_byte_costs_nothing_that_precedes_it(
        messages in messages(),
        format in format(),
        per_member in 1usize..80,
        places in vec((any::<Index>(), 1u8..), 12),
    ) {
        let file = sealed(format, &messages, per_member);
        for (place, change) in places {
            let at = place.index(file.len());
            let mut changed = file.clone();
            changed[at] ^= change;
            let before = keeps_what_precedes(&file, &changed, at);
            prop_assert_eq!(&messages[..before.len()], &before);
            let (found, error, end) = read(&changed);
            if found != messages {
                prop_assert!(error.is_some() || end == End::Cut, "{:?} at {}", end, at);
            }
        }
    }

    #[test]
    fn a_changed_byte_of_a_stream_without_end_costs_nothing_that_precedes_it(
        messages in messages(),
        format in format(),
        places in vec((any::<Index>(), 1u8..), 12),
    ) {
        let file = endless(format, &messages);
        for (place, change) in places {
            let at = place.index(file.len());
            let mut changed = file.clone();
            changed[at] ^= change;
            keeps_what_precedes(&file, &changed, at);
        }
    }

    #[test]
    fn every_prefix_decodes_to_a_prefix_and_says_so(
        messages in messages(),
        format in format(),
        per_member in 1usize..80,
        places in vec(any::<Index>(), 12),
    ) {
        for file in [sealed(format, &messages, per_member), endless(format, &messages)] {
            prop_assert_eq!(read(&file).0, &messages[..]);
            for place in &places {
                let (found, error, end) = read(&file[..place.index(file.len())]);
                prop_assert!(error.is_none());
                prop_assert_eq!(&found, &messages[..found.len()]);
                prop_assert_eq!(end == End::Complete, found.len() == messages.len());
            }
        }
    }
}

#[test]
fn each_byte_of_a_small_log_may_be_any_other() {
    let messages = session();
    for format in [Format::Audit, Format::Binary] {
        let file = sealed(format, &messages, 3);
        for at in 0..file.len() {
            for change in [1, 0x80, 0xff] {
                let mut changed = file.clone();
                changed[at] ^= change;
                keeps_what_precedes(&file, &changed, at);
            }
        }
    }
}

#[test]
fn an_error_names_member_and_offset() {
    let messages = session();
    let file = sealed(Format::Audit, &messages, 5);
    // A block of the type that does not exist, where the data of member 1 begins.
    let mut members = (0..file.len()).filter(|&at| file[at..].starts_with(&[0x1f, 0x8b, 8, 4]));
    let start = members.nth(1).expect("member 1");
    let mut changed = file.clone();
    changed[start + 140] = 0x07;
    match read(&changed).1 {
        Some(DecodeError::Damaged {
            damage,
            offset,
            member,
        }) => {
            assert_eq!((damage, member), (Damage::Deflate, 1));
            assert!(
                offset.abs_diff(start as u64 + 140) <= 8,
                "{offset}, not {start}"
            );
        }
        other => panic!("{other:?}"),
    }
}
