//! Logs that no writer would write, and what becomes of them.

use super::*;
use crate::message::Connect;
use std::time::{Duration, Instant};

fn damage(content: &[u8]) -> Damage {
    match read(&raw(Format::Binary, content)).1 {
        Some(DecodeError::Damaged { damage, .. }) => damage,
        other => panic!("{other:?}"),
    }
}

#[test]
fn limits_are_kept() {
    assert_eq!(damage(&[0x01]), Damage::NotAMessage);
    assert_eq!(
        damage(&[&[0xa1, 0x60][..], &[0x81; 40]].concat()),
        Damage::TooDeep
    );
    assert_eq!(
        damage(&[&[0xa1, 0x60][..], &[0xc1; 40]].concat()),
        Damage::TooDeep
    );
    assert_eq!(
        damage(&[&[0xa1, 0x60, 0x9f][..], &[0xf6].repeat(70_000)].concat()),
        Damage::TooManyValues
    );
    assert_eq!(
        damage(&[0xa1, 0x60, 0x5a, 0x7f, 0xff, 0xff, 0xff]),
        Damage::TooLarge
    );
    let huge_array = [
        0xa1, 0x60, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    ];
    assert_eq!(read(&raw(Format::Binary, &huge_array)).2, End::Cut);
    let huge_map = [0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(read(&raw(Format::Binary, &huge_map)).2, End::Cut);
}

#[test]
fn the_deepest_and_the_largest_message_still_pass() {
    let mut message = session().remove(1);
    let mut nested = Value::Null;
    for _ in 0..14 {
        nested = Value::Array(vec![nested]);
    }
    message.extra.push(("x".into(), nested));
    assert_eq!(decode_message(&encoded(&message)), Ok(message.clone()));
    let Some((_, nested)) = message.extra.first_mut() else {
        unreachable!()
    };
    *nested = Value::Array(vec![nested.clone()]);
    assert_eq!(decode_message(&encoded(&message)), Err(Damage::TooDeep));

    let io = |length| {
        Message::new(
            "",
            0,
            None,
            Event::Io(crate::message::Io {
                stream: crate::message::Stream::Stdin,
                data: vec![b'x'; length],
            }),
        )
    };
    let overhead = encoded(&io(MAX_MESSAGE)).len() - MAX_MESSAGE;
    let largest = io(MAX_MESSAGE - overhead);
    assert_eq!(decode_message(&encoded(&largest)), Ok(largest));
    assert_eq!(
        decode_message(&encoded(&io(MAX_MESSAGE - overhead + 1))),
        Err(Damage::TooLarge)
    );
}

#[test]
fn a_changed_checksum_length_or_header_is_damage_behind_the_messages() {
    let messages = session();
    let file = log(Format::Audit, &messages, 100);
    let member = file.len() - gzip(&[0xff]).len();
    for (offset, expected) in [
        (member - 8, Damage::Checksum),
        (member - 4, Damage::Length),
        (member, Damage::GzipHeader),
    ] {
        let mut changed = file.clone();
        changed[offset] ^= 1;
        let (found, error, end) = read(&changed);
        assert_eq!((found.len(), end), (messages.len(), End::Damaged));
        match error {
            Some(DecodeError::Damaged {
                damage,
                member,
                offset: at,
            }) => {
                assert_eq!(damage, expected);
                assert_eq!(member, u64::from(expected == Damage::GzipHeader));
                assert!(at.abs_diff(offset as u64) <= 8, "{at} for {offset}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn other_headers_are_refused() {
    let mut other = Format::Audit.header();
    other[0] = b'x';
    assert!(matches!(
        read(&other).1,
        Some(DecodeError::Header(HeaderError::Magic(_)))
    ));
    assert!(matches!(
        read(&other[..5]).1,
        Some(DecodeError::Header(HeaderError::Magic(_)))
    ));
    for version in [0, 3] {
        let mut other = Format::Audit.header();
        other[32] = version;
        let expected = HeaderError::Version(version.into());
        assert!(matches!(read(&other).1, Some(DecodeError::Header(found)) if found == expected));
    }
}

#[test]
fn what_go_tolerates_is_tolerated() {
    let one = |bytes: &[u8]| decode_message(bytes).expect("a message");
    let zero = Message::new("", 0, None, Event::Connect(Connect::default()));
    assert_eq!(one(b"\xf6"), zero);
    assert_eq!(one(b"\xa0"), zero);
    assert_eq!(one(b"\xd9\xd9\xf7\xa0"), zero);
    assert_eq!(one(b"\xbf\xff"), zero);
    assert_eq!(one(b"\xa1\x69channelId\x20"), zero);
    assert_eq!(one(b"\xa1\x69CHANNELID\x05").channel_id, Some(5));
    let twice = one(b"\xa2\x69timestamp\x01\x69timestamp\x02");
    assert_eq!((twice.timestamp, twice.envelope_extra.len()), (1, 1));
    assert_eq!(
        one(b"\xa1\x05\x06").envelope_extra,
        [("5".into(), Value::Integer(6))]
    );
    let wrong = one(b"\xa1\x67payload\xa1\x67country\x07");
    assert_eq!(wrong.event, zero.event);
    assert_eq!(wrong.extra, [("country".into(), Value::Integer(7))]);
    let alike = one(b"\xa1\x67payload\xa1\x67COUNTRY\x62DE");
    assert_eq!(
        alike.event,
        Event::Connect(Connect {
            country: "DE".into(),
            ..Connect::default()
        })
    );
    let unknown = one(b"\xa2\x64type\x19\x03\x09\x67payload\xf5").event;
    assert_eq!(
        unknown,
        Event::Unknown {
            id: 777,
            payload: Value::Bool(true)
        }
    );
}

#[test]
fn arrays_and_sequences_are_read_under_either_version() {
    let messages = session();
    let bytes: Vec<u8> = messages.iter().flat_map(encoded).collect();
    let definite = [&[0x80 + 10][..], &bytes].concat();
    let described = [b"\xd9\xd9\xf7\x9f", &bytes[..], b"\xff"].concat();
    for format in [Format::Audit, Format::Binary] {
        for content in [&bytes, &definite, &described] {
            let (found, error, end) = read(&raw(format, content));
            assert!(error.is_none() && end == End::Complete);
            assert_eq!(found, messages);
        }
    }
    assert_eq!(damage(&[&definite[..], &[0xf6]].concat()), Damage::Trailing);
}

/// Release builds take a tenth of this; what matters is that nothing grows without bound.
const PER_MEGABYTE: Duration = Duration::from_secs(4);

fn timed(file: &[u8]) -> (usize, End) {
    let start = Instant::now();
    let mut decoder = Decoder::new(file);
    let count = decoder.by_ref().flatten().count();
    let megabytes = u32::try_from(file.len() >> 20).expect("small") + 1;
    assert!(
        start.elapsed() < PER_MEGABYTE * megabytes,
        "{:?} for {} bytes",
        start.elapsed(),
        file.len()
    );
    (count, decoder.end().expect("ended"))
}

/// A message with a further key of that much text.
fn texts(length: u32, byte: u8) -> Vec<u8> {
    let mut message = b"\xa1\x60\x7a".to_vec();
    message.extend(length.to_be_bytes());
    message.resize(
        message.len() + usize::try_from(length).expect("small"),
        byte,
    );
    message
}

#[test]
fn text_is_bounded_and_output_is_not() {
    let mut encoder = GzEncoder::new(Format::Binary.header().to_vec(), Compression::best());
    let content = texts(1 << 20, b'x').repeat(200);
    encoder.write_all(&content).expect("memory");
    let text = encoder.finish().expect("memory");
    let (found, error, _) = read(&text);
    assert!((120..200).contains(&found.len()), "{}", found.len());
    let damage = error.map(|error| error.to_string()).unwrap_or_default();
    assert!(damage.contains("expands"), "{damage}");
    let zeros = [b"\xa1\x60\x5a\x00\x10\x00\x00".to_vec(), vec![0; 1 << 20]].concat();
    assert_eq!(read(&raw(Format::Binary, &zeros.repeat(200))).0.len(), 200);
}

#[test]
fn there_is_one_nan() {
    for nan in [
        &b"\xf9\xfc\xf9"[..],
        b"\xfa\xff\xff\xff\xff",
        b"\xfb\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let message = decode_message(&[b"\xa1\x60", nan].concat()).expect("a message");
        assert!(encoded(&message).ends_with(b"\x60\xfb\x7f\xf8\0\0\0\0\0\0"));
    }
}

#[test]
fn keys_that_are_no_text_are_kept() {
    // {[1, h'02']: 3}
    let message = decode_message(b"\xa1\x82\x01\x41\x02\x03").expect("a message");
    let key = Value::Array(vec![Value::Integer(1), Value::Bytes(vec![2])]);
    let entry = Value::Map(vec![(key, Value::Integer(3))]);
    assert_eq!(message.envelope_extra, [("entry".into(), entry)]);
    assert_eq!(decode_message(&encoded(&message)), Ok(message));
}

#[test]
fn a_million_empty_members_are_passed() {
    let mut file = Format::Audit.header().to_vec();
    file.extend(gzip(&[]).repeat(1_000_000));
    assert_eq!(timed(&file), (0, End::Open));
}

#[test]
fn bombs_are_bounded() {
    for byte in [0xf6, 0xa0, 0x00, 0xa1] {
        let (_, end) = timed(&raw(Format::Binary, &vec![byte; 200 << 20]));
        assert_eq!(end, End::Damaged, "{byte:#x}");
    }
    let strings = [b"\xa1\x60\x5a\x00\xf0\x00\x00".to_vec(), vec![0; 0xf0_0000]].concat();
    assert_eq!(
        timed(&raw(Format::Binary, &strings.repeat(20))),
        (20, End::Open)
    );
}
