//! Each verdict, from bytes and from files.

use super::*;
use auditssh_log::codec::encode;
use auditssh_log::message::{Event, Message};
use auditssh_log::seal::{Chain, Chunk, Deflate, Ending, SigningKey, Span};
use std::path::Path;

const ID: &str = "00112233445566778899aabbccddeeff";

fn key() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

struct Log {
    bytes: Vec<u8>,
    chain: Chain,
    deflate: Deflate,
}

impl Log {
    fn new(format: Format) -> Self {
        let header = format.header();
        Self {
            bytes: header.to_vec(),
            chain: Chain::new(&header),
            deflate: Deflate::new(),
        }
    }

    fn member(self, flags: Flags, count: u32) -> Self {
        self.holding(&[b'm'; 200], flags, count)
    }

    fn holding(mut self, content: &[u8], flags: Flags, count: u32) -> Self {
        let wall = 1_000 * i64::from(self.chain.number());
        let chunk = Chunk {
            flags,
            count,
            span: Span {
                first_wall: wall,
                last_wall: wall + 10,
                ..Span::default()
            },
        };
        let member = self.chain.seal(content, &chunk, &mut self.deflate);
        self.bytes.extend(member.unwrap());
        self
    }

    fn finish(mut self, flags: Flags, key: Option<&SigningKey>) -> Vec<u8> {
        let ending = match self.bytes[32] {
            1 => Ending::Array,
            _ => Ending::Sequence,
        };
        let member = self.chain.finish(ending, flags, key).unwrap();
        self.bytes.extend(member);
        self.bytes
    }
}

fn intact() -> Vec<u8> {
    Log::new(Format::Audit)
        .member(Flags::NONE, 3)
        .member(Flags::NONE, 4)
        .finish(Flags::NONE, None)
}

fn foreign() -> Vec<u8> {
    // A header, and one stored block without an end.
    let mut bytes = Format::Binary.header().to_vec();
    bytes.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
    bytes.extend([0, 2, 0, 0xfd, 0xff, b'h', b'i']);
    bytes
}

fn report(bytes: &[u8]) -> Report {
    verify(bytes).unwrap()
}

fn code(bytes: &[u8]) -> u8 {
    report(bytes).exit_code(&Demand::default())
}

#[test]
fn an_intact_log_is_proven_whole() {
    let log = intact();
    let report = report(&log);
    assert_eq!(report.verdict, Verdict::Intact);
    assert_eq!(report.format, Some(Format::Audit));
    assert_eq!(
        (report.bytes, report.proven),
        (log.len() as u64, log.len() as u64)
    );
    assert_eq!((report.members, report.messages), (3, 7));
    assert_eq!(report.content, 401);
    assert_eq!(report.range, Some((0, 1_010)));
    assert_eq!(report.signer, None);
    assert_eq!(code(&log), 0);
}

#[test]
fn a_recovered_log_says_how_much_of_it_was_recovered() {
    let log = Log::new(Format::Binary)
        .member(Flags::NONE, 5)
        .member(Flags::RECOVERED | Flags::GAP, 2)
        .finish(Flags::RECOVERED, None);
    let report = report(&log);
    assert_eq!(report.verdict, Verdict::Recovered);
    assert_eq!(
        (report.recovered.messages, report.recovered.content),
        (2, 200)
    );
    assert_eq!(report.gaps, 1);
    assert_eq!(code(&log), 1);
}

#[test]
fn a_cut_log_is_proven_as_far_as_it_goes() {
    let log = intact();
    let report = report(&log[..log.len() - 1]);
    assert_eq!(report.verdict, Verdict::Cut);
    assert_eq!((report.members, report.messages), (2, 7));
    assert!(report.proven < report.bytes);
    for length in 0..log.len() {
        assert_eq!(code(&log[..length]), 2, "{length}");
    }
}

#[test]
fn an_altered_log_is_told_by_member_and_offset() {
    let mut log = intact();
    let second = log.len() - 154 - 1;
    log[second] ^= 1;
    let found = report(&log);
    let Verdict::Altered(damage) = found.verdict else {
        panic!("{found:?}")
    };
    assert_eq!((damage.member, damage.kind.word()), (1, "hash"));
    assert_eq!(damage.offset, found.proven);
    assert_eq!(found.messages, 3);
    assert_eq!(code(&log), 2);
}

#[test]
fn a_header_is_proven_by_the_first_member_alone() {
    let mut log = intact();
    log[32] = 2; // the other version
    assert_eq!(report(&log).proven, 0);
    assert_eq!(report(&log[..40]).proven, 0);
}

#[test]
fn a_foreign_log_is_told_apart() {
    assert_eq!(report(&foreign()).verdict, Verdict::Foreign);
    assert_eq!(code(&foreign()), 1);
}

#[test]
fn genuine_logs_of_containerssh_are_foreign() {
    let genuine = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/containerssh");
    let mut seen = 0;
    check::<()>(&genuine, |log| {
        assert_eq!(
            log.report.unwrap().verdict,
            Verdict::Foreign,
            "{:?}",
            log.path
        );
        seen += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, 3);
}

#[test]
fn less_than_is_demanded_is_2() {
    // Of a log that is signed, unsigned, foreign, open.
    type Case<'a> = (Level, &'a [[u8; 32]], [u8; 4]);
    let signed = Log::new(Format::Audit)
        .member(Flags::NONE, 1)
        .finish(Flags::NONE, Some(&key()));
    let ours = key().verifying_key().to_bytes();
    let mut open = report(&intact()[..40]);
    open.verdict = Verdict::Open;
    let cases: [Case<'_>; 6] = [
        (Level::Any, &[], [0, 0, 1, 1]),
        (Level::Chain, &[], [0, 0, 2, 1]),
        (Level::Signature, &[], [0, 2, 2, 2]),
        (Level::Any, &[[9; 32], ours], [0, 2, 2, 1]),
        (Level::Any, &[[9; 32]], [2, 2, 2, 1]),
        (Level::Signature, &[ours], [0, 2, 2, 2]),
    ];
    for (level, keys, codes) in cases {
        let demand = Demand {
            level,
            keys: keys.to_vec(),
        };
        let found = [
            report(&signed),
            report(&intact()),
            report(&foreign()),
            open.clone(),
        ]
        .map(|report| report.exit_code(&demand));
        assert_eq!(found, codes, "{demand:?}");
    }
}

fn verdicts(path: &Path) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    check::<()>(path, |log| {
        let name = log.path.file_name().unwrap().to_string_lossy();
        let word = log
            .report
            .map_or("unchecked", |report| report.verdict.word());
        found.push((name.into_owned(), word));
        Ok(())
    })
    .unwrap();
    found
}

#[test]
fn a_directory_is_checked_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(directory.path().join(name), bytes);
    let other = ID.replace('0', "a");
    let third = ID.replace('0', "b");
    write(ID, &intact()[..100]).unwrap();
    write(&other, b"no log at all").unwrap();
    write("renamed", &intact()).unwrap();
    write("notes.txt", b"not a log").unwrap();
    write(&format!(".{third}.tail1"), b"").unwrap();
    std::os::unix::fs::symlink("/nowhere", directory.path().join(ID.replace('0', "c"))).unwrap();
    let found = verdicts(directory.path());
    let words: Vec<_> = found.iter().map(|(_, word)| *word).collect();
    assert_eq!(
        words,
        ["cut", "altered", "cut", "unchecked", "intact"],
        "{found:?}"
    );
    assert_eq!(
        verdicts(&directory.path().join("missing"))[0].1,
        "unchecked"
    );
}

#[test]
fn a_log_is_open_only_with_a_tail_and_a_live_writer() {
    use rustix::fs::{FlockOperation, flock};
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join(ID);
    std::fs::write(&log, &intact()[..100]).unwrap();
    let lock = std::fs::File::open(directory.path()).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    assert_eq!(verdicts(&log)[0].1, "cut", "without a tail");
    std::fs::write(directory.path().join(format!(".{ID}.tail0")), b"").unwrap();
    assert_eq!(verdicts(&log)[0].1, "open");
    assert_eq!(verdicts(directory.path()), [(ID.to_owned(), "open")]);
    flock(&lock, FlockOperation::Unlock).unwrap();
    assert_eq!(verdicts(&log)[0].1, "cut", "without a writer");
}

/// A whole log of the connection [`ID`].
fn owned(format: Format) -> Vec<u8> {
    let mut content = format.prologue().to_vec();
    let message = Message {
        connection_id: ID.into(),
        timestamp: 5,
        channel_id: None,
        event: Event::Disconnect,
        extra: Vec::new(),
        envelope_extra: Vec::new(),
    };
    encode(&message, &mut content);
    Log::new(format)
        .holding(&content, Flags::NONE, 1)
        .finish(Flags::NONE, None)
}

#[test]
fn a_log_under_the_name_of_another_connection_is_altered() {
    let other = ID.replace('0', "a");
    for format in [Format::Audit, Format::Binary] {
        let log = owned(format);
        assert_eq!(verify_as(&*log, ID).unwrap().verdict, Verdict::Intact);
        let report = verify_as(&*log, &other).unwrap();
        let Verdict::Altered(damage) = report.verdict else {
            panic!("{report:?}")
        };
        assert_eq!(damage.kind, Kind::Name);
        assert_eq!((report.messages, report.proven), (0, 40));
        assert_eq!(report.exit_code(&Demand::default()), 2);
        let cut = verify_as(&log[..log.len() - 1], &other).unwrap();
        assert!(matches!(cut.verdict, Verdict::Altered(_)), "cut as well");

        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(&other), &log).unwrap();
        std::fs::write(directory.path().join("evidence"), &log).unwrap();
        let found = verdicts(directory.path());
        let words: Vec<_> = found.iter().map(|(_, word)| *word).collect();
        assert_eq!(words, ["altered", "intact"], "only an id is a claim");

        std::fs::remove_file(directory.path().join(&other)).unwrap();
        std::fs::write(directory.path().join(ID), &log).unwrap();
        let link = |target: &str, name: &str| {
            std::os::unix::fs::symlink(target, directory.path().join(name)).unwrap();
        };
        link("evidence", &other);
        link(ID, &ID.replace('0', "b"));
        link(ID, "seen");
        let words: Vec<_> = verdicts(directory.path())
            .iter()
            .map(|(_, word)| *word)
            .collect();
        // The file, two links under another id, and the file that claims nothing.
        assert_eq!(words, ["intact", "altered", "altered", "intact"]);
        assert_eq!(verdicts(&directory.path().join("seen"))[0].1, "intact");
    }
}

#[test]
fn what_recovery_set_aside_is_told_and_is_2() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(ID);
    let aside = format!(".{ID}.damaged0");
    std::fs::write(&path, owned(Format::Audit)).unwrap();
    assert_eq!(check_log(&path).exit_code(&Demand::default()), 0);
    std::fs::write(directory.path().join(&aside), b"").unwrap();
    let checked = check_log(&path);
    assert_eq!(checked.report.as_ref().unwrap().verdict, Verdict::Intact);
    assert_eq!(checked.damaged, [aside]);
    assert_eq!(checked.exit_code(&Demand::default()), 2);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(verdicts(directory.path()), [(ID.to_owned(), "cut")]);
}
