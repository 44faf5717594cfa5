//! What must hold for any bytes whatever. Each function is a fuzz target; a panic is a finding.

mod archive;
mod case;
mod index;
mod view;

pub use archive::{recovery, verify};
pub use case::Case;
pub use index::index;
pub use view::{files, screen};

use auditssh_log::Message;
use auditssh_log::codec::{Damage, Decoder, End, Format, Messages, decode_message, encode, json};
use auditssh_log::tail::{self, Header};

/// A log, or the content of one, is read without a panic; its prefix gives a prefix; and whatever
/// is read can be shown.
pub fn decoder(data: &[u8]) {
    let log = match data.split_first() {
        Some((0, content)) => stored(content),
        _ => data.to_vec(),
    };
    let (whole, end) = read(&log);
    let (part, part_end) = read(log.get(..log.len() / 2).unwrap_or_default());
    assert!(
        whole.starts_with(&part) || part_end == End::Damaged,
        "{end:?} {part_end:?}"
    );
}

/// The messages of a log, encoded; each is shown as text, too.
fn read(log: &[u8]) -> (Vec<Vec<u8>>, End) {
    let mut decoder = Decoder::new(log);
    let mut text = auditssh_view::Text::new(Vec::new());
    let mut found = Vec::new();
    for message in decoder.by_ref().map_while(Result::ok) {
        text.push(&message).expect("memory");
        found.push(encoded(&message));
    }
    text.finish().expect("memory");
    assert!(decoder.next().is_none());
    (found, decoder.end().expect("ended"))
}

/// A log with this content, so that a fuzzer need not find out how to compress it.
fn stored(content: &[u8]) -> Vec<u8> {
    let mut log = Format::Binary.header().to_vec();
    log.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
    for block in content.chunks(0xffff) {
        let length = u16::try_from(block.len()).expect("a block");
        log.push(0);
        log.extend(length.to_le_bytes());
        log.extend((!length).to_le_bytes());
        log.extend(block);
    }
    log
}

fn encoded(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(message, &mut bytes);
    bytes
}

/// Every message, as CBOR and as JSON, is read back as it was. Bytes are compared, since NaN
/// differs from itself.
pub fn round_trip(data: &[u8]) {
    for message in Messages::new(data).map_while(Result::ok) {
        let bytes = encoded(&message);
        match decode_message(&bytes) {
            Ok(again) => assert_eq!(encoded(&again), bytes, "{message:?}"),
            // What is not UTF-8 takes more room and depth when it is written again.
            Err(Damage::TooLarge | Damage::TooManyValues | Damage::TooDeep) => {}
            Err(damage) => panic!("{damage}: {message:?}"),
        }
        let shown = shown(&message);
        let again = json::read(&shown).expect("what was written");
        assert_eq!(encoded(&again), bytes, "{message:?}");
    }
}

/// JSON that is read as a message is written as the same again.
pub fn json(data: &[u8]) {
    if let Ok(message) = json::read(data) {
        let first = shown(&message);
        let again = json::read(&first).expect("what was written");
        assert_eq!(shown(&again), first);
    }
}

fn shown(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    json::write(message, json::Style::FULL, &mut out).expect("memory");
    assert!(std::str::from_utf8(&out).is_ok());
    out
}

/// A tail is read without a panic, and a frame that is put into it is found, wherever it stands but
/// inside another.
pub fn tail(data: &[u8]) {
    let header = Header {
        id: *b"00112233445566778899aabbccddeeff",
        version: 1,
        nonce: [7; 8],
    };
    let seed = Header::decode(data).map_or(header.seed(), |header| header.seed());
    let mut rest = data;
    while let Some((frame, length)) = tail::read(rest, seed) {
        assert_eq!(frame.message.len() + tail::FRAME, length);
        rest = rest.get(length..).expect("a whole frame");
    }
    if let Some(found) = tail::stray(rest, seed, 0) {
        assert!(!found.is_empty() && found.end <= rest.len());
    }
    let (before, message) = rest.split_at(rest.len() / 2);
    if !message.is_empty() {
        let mut frame = Vec::new();
        tail::open(&mut frame, tail::Stamp::default(), false, |out| {
            out.extend(message)
        });
        tail::place(&mut frame, seed, 3, 9).expect("a whole frame");
        let (found, _) = tail::read(&frame, seed).expect("a frame");
        assert_eq!((found.chunk, found.number, found.message), (3, 9, message));
        let all = [before, &frame].concat();
        // The bytes of a frame with a right checksum are its own, whatever they look like.
        let covered = |at: usize| {
            let found = all.get(at..).and_then(|bytes| tail::read(bytes, seed));
            found.is_some_and(|(_, length)| at + length > before.len())
        };
        assert!(tail::stray(&all, seed, 9).is_some() || (0..before.len()).any(covered));
    }
}
