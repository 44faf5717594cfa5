//! What is written is what every gzip reader reads, and a chain goes on where it was left.

use super::*;
use flate2::read::MultiGzDecoder;
use std::io::Read;

fn inflate(gzip: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    MultiGzDecoder::new(gzip).read_to_end(&mut out).unwrap();
    out
}

/// Bytes without a pattern.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(length)
    .collect()
}

fn sealed(content: &[u8]) -> Vec<u8> {
    Chain::new(&header(1))
        .seal(content, &Chunk::default(), &mut Deflate::new())
        .unwrap()
}

#[test]
fn version_1_inflates_to_a_closed_array() {
    let log = pieces(1, Ending::Array, &contents(9), true).concat();
    let mut expected = contents(9).concat();
    expected.push(0xff);
    assert_eq!(inflate(&log[40..]), expected);
    let empty = pieces(1, Ending::Array, &[], false).concat();
    assert_eq!(inflate(&empty[40..]), [0x9f, 0xff]);
}

#[test]
fn version_2_inflates_to_a_sequence_and_stays_open() {
    let log = pieces(2, Ending::Sequence, &contents(9), true).concat();
    assert!(log.ends_with(&[0, 0, 0, 0xff, 0xff]));
    let mut out = Vec::new();
    let error = MultiGzDecoder::new(&log[40..])
        .read_to_end(&mut out)
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    assert_eq!(out, contents(9).concat());
}

/// The layout, byte by byte: a change of it is a change of the format.
#[test]
fn the_layout_stands() {
    let log = pieces(2, Ending::Sequence, &[], false).concat();
    let member = &log[40..];
    let hex = member
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    assert_eq!(member.len(), 145);
    assert_eq!(
        &hex[..152],
        "1f8b08040000000000ff800041537c00\
         0103010000000000910000000000000000000000\
         0000000000000000\
         00000000000000000000000000000000\
         00000000000000000000000000000000"
    );
    assert_eq!(&hex[280..], "000000ffff");
}

#[test]
fn what_shrinks_is_compressed_and_what_does_not_is_stored() {
    for length in [100, 5_000, 70_000, 300_000] {
        let noise = noise(length);
        let member = sealed(&noise);
        let blocks = length.div_ceil(0xffff);
        assert_eq!(member.len(), 140 + length + 5 * blocks + 8);
        assert_eq!(inflate(&member), noise);
    }
    for length in [100, 500, 5_000, 70_000, 300_000] {
        let text = b"total 12\r\ndrwx------ 2 demo demo 4096 ".repeat(length / 38 + 2);
        let member = sealed(&text);
        assert!(
            member.len() < 200 + length / 50,
            "{length}: {}",
            member.len()
        );
        assert_eq!(inflate(&member), text);
    }
}

#[test]
fn nothing_inflates_to_nothing() {
    assert_eq!(inflate(&sealed(&[])), Vec::<u8>::new());
}

#[test]
fn a_chain_goes_on_where_it_was_left() {
    let all = pieces(1, Ending::Array, &contents(3), true);
    let written = all[..3].concat();
    let mut members = Members::open(&written[..]).unwrap();
    while let Step::Member(_) = members.step().unwrap() {}
    assert_eq!(members.proven(), written.len() as u64);
    let mut chain = members.chain().clone();
    assert_eq!((chain.number(), chain.messages()), (2, 4));
    let span = Span {
        first_wall: 2_000,
        last_wall: 2_500,
        first_mono: 10,
        last_mono: 20,
    };
    let chunk = Chunk {
        flags: Flags::RECOVERED,
        count: 2,
        span,
    };
    let member = chain
        .seal(&contents(3)[2], &chunk, &mut Deflate::new())
        .unwrap();
    let last = chain
        .finish(Ending::Array, Flags::RECOVERED, Some(&key()))
        .unwrap();
    let (members, end) = walk(&[written, member, last].concat());
    assert_eq!(end, End::Final);
    assert!(members[2].seal.flags.contains(Flags::RECOVERED));
    assert_eq!(members[3].seal.first, 6);
}

#[test]
fn a_member_stands_alone() {
    for pieces in logs() {
        for (at, member) in pieces[1..].iter().enumerate() {
            let seal = Seal::read(member).unwrap();
            assert!(seal.holds(member));
            assert!(!seal.holds(&member[..member.len() - 1]));
            if let Some(content) = contents(9).get(at) {
                assert_eq!(inflated(&seal, member), *content);
                let half = inflated(&seal, &member[..member.len() - 12]);
                assert!(content.starts_with(&half));
                assert!(half.len() + 12 >= content.len() || at == 1);
            }
        }
    }
    let text = b"0123456789".repeat(1 << 20);
    let member = sealed(&text);
    assert_eq!(inflated(&Seal::read(&member).unwrap(), &member), text);
}

fn inflated(seal: &Seal, member: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    let data = &member[seal.data_start()..];
    Inflated::new(data).read_to_end(&mut content).unwrap();
    content
}

#[test]
fn too_much_for_a_member_is_refused() {
    let content = vec![0; MAX_CONTENT as usize + 1];
    let error = Chain::new(&header(1)).seal(&content, &Chunk::default(), &mut Deflate::new());
    assert_eq!(error, Err(SealError::TooLong(content.len())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_content_comes_back(contents in proptest::collection::vec(
        proptest::collection::vec(any::<u8>(), 0..3000), 0..5), signed: bool)
    {
        let log = pieces(2, Ending::Sequence, &contents, signed);
        let (members, end) = walk(&log.concat());
        prop_assert_eq!(end, End::Final);
        prop_assert_eq!(members.len(), contents.len() + 1);
        for (member, content) in log[1..].iter().zip(&contents) {
            prop_assert_eq!(&inflate(member), content);
        }
    }
}
