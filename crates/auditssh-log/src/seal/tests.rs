//! No change of a finished log goes unnoticed, and each is told for what it is.

mod writing;

use super::*;
use proptest::prelude::*;

const HEADERS: [(u8, Ending); 2] = [(1, Ending::Array), (2, Ending::Sequence)];

fn header(version: u8) -> [u8; 40] {
    let mut header = [0; 40];
    header[..21].copy_from_slice(b"ContainerSSH-Auditlog");
    header[32] = version;
    header
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// The pieces of a log: header, members of the contents given, final member.
fn pieces(version: u8, ending: Ending, contents: &[Vec<u8>], signed: bool) -> Vec<Vec<u8>> {
    let header = header(version);
    let mut deflate = Deflate::new();
    let mut chain = Chain::new(&header);
    let mut pieces = vec![header.to_vec()];
    for (at, content) in contents.iter().enumerate() {
        let wall = 1_000 * i64::try_from(at).unwrap();
        let chunk = Chunk {
            flags: Flags::NONE,
            count: 2,
            span: Span {
                first_wall: wall,
                last_wall: wall + 500,
                first_mono: 10,
                last_mono: 20,
            },
        };
        pieces.push(chain.seal(content, &chunk, &mut deflate).unwrap());
    }
    let key = key();
    pieces.push(
        chain
            .finish(ending, Flags::NONE, signed.then_some(&key))
            .unwrap(),
    );
    pieces
}

fn contents(tag: u8) -> Vec<Vec<u8>> {
    vec![
        vec![0x9f, tag, 1, 2, 3],
        vec![tag; 300],
        (0..120).map(|n: u8| n.wrapping_mul(37) ^ tag).collect(),
    ]
}

/// Every log the tests take apart: both versions, unsigned and signed.
fn logs() -> impl Iterator<Item = Vec<Vec<u8>>> {
    HEADERS.into_iter().flat_map(|(version, ending)| {
        [false, true].map(|signed| pieces(version, ending, &contents(9), signed))
    })
}

fn walk(log: &[u8]) -> (Vec<Member>, End) {
    let mut members = Members::open(log).unwrap();
    let mut found = Vec::new();
    loop {
        match members.step().unwrap() {
            Step::Member(member) => found.push(*member),
            Step::End(end) => {
                assert_eq!(members.step().unwrap(), Step::End(end));
                return (found, end);
            }
        }
    }
}

fn kind(log: &[u8]) -> (u32, u64, &'static str) {
    match walk(log).1 {
        End::Altered(damage) => (damage.member, damage.offset, damage.kind.word()),
        end => panic!("not found altered: {end:?}"),
    }
}

#[test]
fn an_untouched_log_holds() {
    for pieces in logs() {
        let (members, end) = walk(&pieces.concat());
        assert_eq!(end, End::Final);
        assert_eq!(members.len(), 4);
        assert!(members[0].seal.flags.contains(Flags::FIRST));
        assert!(members[3].seal.flags.contains(Flags::FINAL));
        assert_eq!(members[3].seal.first, 6);
        assert_eq!(members[3].seal.span.first_wall, 2_500);
    }
}

#[test]
fn a_log_without_messages_holds() {
    for (version, ending) in HEADERS {
        let log = pieces(version, ending, &[], true).concat();
        let (members, end) = walk(&log);
        assert_eq!((members.len(), end), (1, End::Final));
    }
}

#[test]
fn every_bit_counts() {
    for pieces in logs() {
        let log = pieces.concat();
        for bit in 0..log.len() * 8 {
            let mut flipped = log.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let (members, end) = walk(&flipped);
            assert!(
                matches!(end, End::Altered(_)),
                "bit {bit} of {}: {} members, {end:?}",
                log.len(),
                members.len()
            );
        }
    }
}

#[test]
fn every_truncation_is_a_cut() {
    for pieces in logs() {
        let log = pieces.concat();
        let mut border = 0;
        let borders: Vec<usize> = pieces
            .iter()
            .map(|piece| {
                border += piece.len();
                border
            })
            .collect();
        for length in 0..log.len() {
            let (members, end) = walk(&log[..length]);
            let whole = borders.iter().filter(|&&border| border <= length).count();
            let begun = length - borders[..whole].last().unwrap_or(&0);
            assert_eq!(members.len(), whole.saturating_sub(1), "cut at {length}");
            let begun = begun as u64;
            assert_eq!(end, End::Prefix { begun }, "cut at {length}");
        }
    }
}

#[test]
fn every_dropped_member_is_missed() {
    for pieces in logs() {
        for at in 1..pieces.len() - 1 {
            let mut fewer = pieces.clone();
            fewer.remove(at);
            assert_eq!(kind(&fewer.concat()).2, "number", "without {at}");
        }
        let (last, rest) = pieces.split_last().unwrap();
        assert_eq!(walk(&rest.concat()).1, End::Prefix { begun: 0 });
        assert_eq!(kind(&pieces[1..].concat()).2, "header");
        assert_eq!(
            kind(&[&pieces[0], last].map(Clone::clone).concat()).2,
            "number"
        );
    }
}

#[test]
fn every_doubled_or_swapped_member_is_seen() {
    for pieces in logs() {
        for at in 1..pieces.len() {
            let mut more = pieces.clone();
            more.insert(at, pieces[at].clone());
            let expected = if at + 1 == pieces.len() {
                "trailing"
            } else {
                "number"
            };
            assert_eq!(kind(&more.concat()).2, expected, "{at} twice");
            for other in at + 1..pieces.len() {
                let mut swapped = pieces.clone();
                swapped.swap(at, other);
                assert_eq!(kind(&swapped.concat()).2, "number", "{at} for {other}");
            }
        }
    }
}

#[test]
fn a_member_of_another_log_is_seen() {
    for (version, ending) in HEADERS {
        let ours = pieces(version, ending, &contents(9), true);
        let theirs = pieces(version, ending, &contents(5), true);
        for at in 1..ours.len() {
            let mut mixed = ours.clone();
            mixed[at].clone_from(&theirs[at]);
            let (member, _, kind) = kind(&mixed.concat());
            // Member 0 follows from the header, which both share: the next one tells.
            let expected = if at == 1 { 1 } else { at - 1 };
            assert_eq!((member as usize, kind), (expected, "previous"));
        }
    }
}

#[test]
fn a_header_of_another_version_is_seen() {
    let ours = pieces(1, Ending::Array, &contents(9), false).concat();
    let mut other = ours.clone();
    other[32] = 2;
    assert_eq!(kind(&other), (0, 40, "previous"));
    other[32] = 3;
    assert_eq!(kind(&other), (0, 0, "header"));
}

#[test]
fn nothing_may_follow_the_end() {
    for pieces in logs() {
        for more in [&b"\0"[..], b"garbage", &pieces[1]] {
            let log = [&pieces.concat(), more].concat();
            let end = (log.len() - more.len()) as u64;
            assert_eq!(kind(&log), (4, end, "trailing"));
        }
    }
}

#[test]
fn a_final_member_with_content_is_altered() {
    for (version, ending) in HEADERS {
        let content = &contents(9)[..1];
        let honest = pieces(version, ending, content, false);
        let mut deflate = Deflate::new();
        let mut chain = Chain::new(&header(version));
        let chunk = Chunk {
            count: 1,
            ..Chunk::default()
        };
        let first = chain.seal(&content[0], &chunk, &mut deflate).unwrap();
        let chunk = Chunk {
            flags: Flags::FINAL,
            ..chunk
        };
        let last = chain.seal(&content[0], &chunk, &mut deflate);
        let forged = last.unwrap_or_default();
        let log = [honest[0].clone(), first, forged].concat();
        assert_ne!(walk(&log).1, End::Final);
    }
}

#[test]
fn a_stream_of_another_writer_is_foreign_only_if_it_never_ends() {
    use std::io::Write;
    let open = header(2).to_vec();
    let mut gzip = flate2::GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(open, flate2::Compression::default());
    gzip.write_all(b"what was said").unwrap();
    gzip.flush().unwrap();
    let endless = gzip.get_ref().clone();
    let open = gzip.finish().unwrap();
    for length in 44..=endless.len() {
        assert_eq!(walk(&endless[..length]).1, End::Foreign, "{length}");
    }
    assert_eq!(kind(&open), (0, 40, "chainless"));
    let mut broken = endless;
    broken[50] = 0xff;
    assert_eq!(kind(&broken), (0, 40, "chainless"));
}

#[test]
fn a_log_without_its_extra_flag_is_not_foreign() {
    for pieces in logs() {
        let mut log = pieces.concat();
        log[43] = 0;
        assert_eq!(kind(&log), (0, 40, "chainless"));
    }
}

#[test]
fn a_signature_by_another_key_is_told_apart() {
    let log = pieces(2, Ending::Sequence, &contents(1), true).concat();
    let (members, _) = walk(&log);
    let signed = members.last().unwrap().seal.signed.unwrap();
    assert_eq!(signed.key, key().verifying_key().to_bytes());
    assert!(signed.holds(&members.last().unwrap().seal.this));
    assert!(!signed.holds(&[0; 32]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is done to the bytes, a walk ends, and only the log itself is final.
    #[test]
    fn no_other_bytes_pass(
        at in 0..900_usize,
        with in proptest::collection::vec(any::<u8>(), 0..40),
        cut in 0..40_usize,
    ) {
        let log = pieces(1, Ending::Array, &contents(9), true).concat();
        let at = at.min(log.len());
        let end = (at + cut).min(log.len());
        let mut other = log.clone();
        other.splice(at..end, with);
        prop_assert_eq!(walk(&other).1 == End::Final, other == log);
    }
}
