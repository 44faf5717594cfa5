use super::arbitrary;
use super::*;
use crate::Message;
use crate::message::{Event, Value};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::Write as _;

mod damage;
mod genuine;
mod hostile;

/// A finished log, with members of the given numbers of messages.
fn log(format: Format, messages: &[Message], per_member: usize) -> Vec<u8> {
    let mut file = format.header().to_vec();
    let mut content = format.prologue().to_vec();
    for chunk in messages.chunks(per_member) {
        for message in chunk {
            encode(message, &mut content);
        }
        file.extend(gzip(&std::mem::take(&mut content)));
    }
    content.extend(format.epilogue());
    file.extend(gzip(&content));
    file
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

/// A log of which everything is given.
fn raw(format: Format, content: &[u8]) -> Vec<u8> {
    [&format.header()[..], &gzip(content)].concat()
}

fn read(file: &[u8]) -> (Vec<Message>, Option<DecodeError>, End) {
    let mut decoder = Decoder::new(file);
    let mut messages = Vec::new();
    let mut error = None;
    for item in decoder.by_ref() {
        match item {
            Ok(message) => messages.push(message),
            Err(found) => error = Some(found),
        }
    }
    let end = decoder.end().expect("known at the end");
    assert_eq!(error.is_some(), end == End::Damaged);
    (messages, error, end)
}

fn encoded(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    encode(message, &mut out);
    out
}

fn session() -> Vec<Message> {
    let io = |n: i64| {
        Message::new(
            "c",
            n,
            Some(0),
            Event::Io(crate::message::Io {
                stream: crate::message::Stream::Stdout,
                data: n.to_le_bytes().repeat(4),
            }),
        )
    };
    let mut messages = vec![Message::new(
        "c",
        0,
        None,
        Event::Connect(crate::message::Connect::default()),
    )];
    messages.extend((1..9).map(io));
    messages.push(Message::new("c", 9, None, Event::Disconnect));
    messages
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(message in arbitrary::message()) {
        prop_assert_eq!(decode_message(&encoded(&message)), Ok(message));
    }

    #[test]
    fn what_is_encoded_is_cbor_with_valid_text(message in arbitrary::message()) {
        let bytes = encoded(&message);
        let mut tokens = minicbor::decode::Tokenizer::new(&bytes);
        prop_assert!(tokens.all(|token| token.is_ok()));
    }

    #[test]
    fn logs_of_either_version_are_read_back(
        messages in proptest::collection::vec(arbitrary::message(), 1..12),
        per_member in 1usize..5,
        version in 1u64..3,
    ) {
        let format = if version == 1 { Format::Audit } else { Format::Binary };
        let (found, error, end) = read(&log(format, &messages, per_member));
        prop_assert!(error.is_none());
        let last = messages.last().expect("one at least").event == Event::Disconnect;
        prop_assert_eq!(end == End::Complete, last);
        prop_assert_eq!(found, messages);
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_message(&bytes);
        let _ = read(&raw(Format::Binary, &bytes));
        let _ = read(&[&Format::Audit.header()[..], &bytes].concat());
        Messages::new(&bytes[..]).count();
    }

    #[test]
    fn what_any_bytes_decode_to_is_stable(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(message) = decode_message(&bytes) && !format!("{message:?}").contains("NaN") {
            prop_assert_eq!(decode_message(&encoded(&message)), Ok(message));
        }
    }
}

#[test]
fn every_prefix_of_a_log_decodes_to_a_prefix_of_its_messages() {
    let messages = session();
    for format in [Format::Audit, Format::Binary] {
        let file = log(format, &messages, 3);
        let (mut count, mut complete) = (0, false);
        for length in 0..=file.len() {
            let (found, error, end) = read(&file[..length]);
            assert!(error.is_none(), "{format} cut at {length}: {error:?}");
            assert_eq!(found, messages[..found.len()]);
            assert!(found.len() >= count, "fewer messages of a longer prefix");
            assert_eq!(end == End::Complete, found.len() == messages.len());
            assert!(length >= HEADER_LENGTH || end == End::Cut);
            count = found.len();
            complete = end == End::Complete;
        }
        assert!(complete);
    }
}

#[test]
fn the_state_of_a_log_is_told() {
    let mut messages = session();
    messages.pop();
    let recovered = log(Format::Audit, &messages, 3);
    assert_eq!(read(&recovered).2, End::Recovered);
    let still_open = log(Format::Binary, &messages, 3);
    assert_eq!(read(&still_open).2, End::Open);
    assert_eq!(read(&Format::Audit.header()).2, End::Open);
    let mut content = encoded(&messages[0]);
    content.extend_from_slice(&encoded(&messages[1])[..10]);
    assert_eq!(read(&raw(Format::Binary, &content)).2, End::Cut);
}

#[test]
fn the_content_of_members_is_read_one_by_one() {
    let messages = session();
    let bytes: Vec<u8> = messages.iter().flat_map(encoded).collect();
    let all = |content: &[u8]| Messages::new(content).collect::<Result<Vec<_>, _>>();
    assert_eq!(all(&bytes), Ok(messages.clone()));
    assert_eq!(all(&[&[0x9f][..], &bytes].concat()), Ok(messages.clone()));
    assert_eq!(
        all(&[&[0x9f][..], &bytes, &[0xff]].concat()),
        Ok(messages.clone())
    );
    assert_eq!(all(&[&bytes[..], &[0xff]].concat()), Ok(messages));
    assert_eq!(all(&[0x9f, 0xff]), Ok(vec![]));
    assert_eq!(all(&[0xff]), Ok(vec![]));
    assert_eq!(all(&bytes[..bytes.len() - 1]), Err(Damage::CutMessage));
    assert_eq!(
        all(&[&[0x9f, 0xff][..], &bytes].concat()),
        Err(Damage::Trailing)
    );
}

#[test]
fn an_extension_is_where_stock_decoders_ignore_it() {
    let mut message = Message::new("c", 1, None, Event::Disconnect);
    message
        .extra
        .push(("clientVersion".into(), Value::from("SSH-2.0-x")));
    let bytes = encoded(&message);
    let tail = b"\x67payload\xa1\x6dclientVersion\x69SSH-2.0-x\x69channelId\xf6";
    assert!(bytes.ends_with(tail), "{}", bytes.escape_ascii());
}

#[test]
fn text_that_is_not_utf8_is_repaired_and_kept() {
    let event = Event::Exec(crate::message::Exec {
        request_id: 1,
        program: b"a\xff\xfeb"[..].into(),
    });
    let bytes = encoded(&Message::new("c", 1, Some(0), event));
    let repaired = "\u{67}program\u{68}a\u{fffd}\u{fffd}b\u{6c}programBytes".as_bytes();
    let written = bytes
        .windows(repaired.len())
        .any(|window| window == repaired);
    assert!(written, "{}", bytes.escape_ascii());
    assert!(bytes.windows(5).any(|window| window == b"\x44a\xff\xfeb"));
}
