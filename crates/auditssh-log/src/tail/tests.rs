use super::*;
use proptest::prelude::*;

fn header() -> Header {
    Header {
        id: *b"0123456789abcdef0123456789abcdef",
        version: 1,
        nonce: [7; 8],
    }
}

/// A tail of `chunk`, numbered from `first`, with these messages.
fn frames(messages: &[Vec<u8>], chunk: u32, first: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages {
        let stamp = Stamp { wall: -5, mono: 9 };
        open(&mut out, stamp, message.len() == 3, |out| {
            out.extend(message);
        });
    }
    let mut at = 0;
    for number in (first..).take(messages.len()) {
        at += place(&mut out[at..], header().seed(), chunk, number).unwrap();
    }
    assert_eq!(at, out.len());
    out
}

fn read_all(mut bytes: &[u8], seed: u32) -> Vec<(u32, u64, bool, Vec<u8>)> {
    let mut found = Vec::new();
    while let Some((frame, length)) = read(bytes, seed) {
        assert_eq!(frame.stamp, Stamp { wall: -5, mono: 9 });
        found.push((frame.chunk, frame.number, frame.gap, frame.message.to_vec()));
        bytes = &bytes[length..];
    }
    found
}

#[test]
fn the_bytes_are_those_of_the_specification() {
    let mut expected = b"auditssh tail 1\0".to_vec();
    expected.extend(b"0123456789abcdef0123456789abcdef");
    expected.extend([1, 0, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7]);
    let seed = crc32c::crc32c(&expected);
    expected.extend(seed.to_le_bytes());
    assert_eq!(header().encode().to_vec(), expected);
    assert_eq!(header().seed(), seed);

    let mut frame = vec![3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0];
    frame.extend((-5i64).to_le_bytes());
    frame.extend(9u64.to_le_bytes());
    frame.extend([1, 0, 0, 0]);
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(seed, &frame), b"abc");
    frame.extend(crc.to_le_bytes());
    frame.extend(b"abc");
    assert_eq!(frames(&[b"abc".to_vec()], 4, 5), frame);
}

#[test]
fn any_flipped_bit_of_a_header_is_found() {
    for bit in 0..HEADER * 8 {
        let mut bytes = header().encode();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Header::decode(&bytes), None, "bit {bit}");
    }
}

#[test]
fn a_frame_of_another_log_is_none() {
    let bytes = frames(&[b"abcd".to_vec()], 0, 0);
    let other = Header {
        nonce: [8; 8],
        ..header()
    };
    assert!(read(&bytes, header().seed()).is_some());
    assert!(read(&bytes, other.seed()).is_none());
}

#[test]
fn bytes_that_look_like_frames_everywhere_cost_no_square() {
    let hostile = vec![0u8; 1 << 20];
    let mut hostile: Vec<u8> = hostile;
    for at in (0..hostile.len() - 4).step_by(41) {
        hostile[at..at + 4].copy_from_slice(&[0, 0, 8, 0]);
        hostile[at + 8] = 9;
    }
    assert!(
        stray(&hostile, 1, 1).is_some(),
        "given up, so called damaged"
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..20),
        chunk: u32,
        first in 0..u64::MAX - 100,
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut bytes = frames(&messages, chunk, first);
        bytes.extend(rest);
        let found = read_all(&bytes, header().seed());
        let expected: Vec<_> = (first..)
            .zip(&messages)
            .map(|(number, message)| (chunk, number, message.len() == 3, message.clone()))
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_frame_behind_a_broken_one_is_found(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 2..20),
        place: prop::sample::Index,
        bit: prop::sample::Index,
    ) {
        let mut bytes = frames(&messages, 3, 100);
        let broken = place.index(messages.len() - 1);
        let start: usize = messages[..broken].iter().map(|message| FRAME + message.len()).sum();
        let bit = bit.index((FRAME + messages[broken].len()) * 8);
        bytes[start + bit / 8] ^= 1 << (bit % 8);
        let found = read_all(&bytes, header().seed());
        prop_assert_eq!(found.len(), broken);
        let next = 100 + broken as u64;
        prop_assert!(stray(&bytes[start..], header().seed(), next).is_some());
        prop_assert!(stray(&bytes, header().seed(), 100 + messages.len() as u64).is_none());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, seed: u32, number: u64) {
        let _ = Header::decode(&bytes);
        let _ = read(&bytes, seed);
        let _ = stray(&bytes, seed, number);
    }
}
