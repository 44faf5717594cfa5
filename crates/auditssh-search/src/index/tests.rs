use super::*;
use crate::place::Writer;
use crate::testing::{Memory, session};
use proptest::prelude::*;
use std::ops::ControlFlow;

fn listed(place: &Memory, name: &str) -> Listed {
    let logs = place.list().expect("logs");
    logs.into_iter()
        .find(|log| log.name == name)
        .expect("the log")
}

/// The lines of a log as a survey tells them.
fn of_the_log(place: &Memory, name: &str) -> (Vec<Stored>, Head) {
    let mut lines = Vec::new();
    let log = place.open(name).expect("opened");
    let head = of_log(log, Reading::Whole, Writer::None, |line| {
        lines.push(Stored::from(line));
        ControlFlow::Continue(())
    });
    (lines, head.expect("read"))
}

fn of_the_index(place: &Memory, name: &str) -> Result<Option<Vec<Stored>>, BadIndex> {
    let Some(index) = Index::of(place, &listed(place, name))? else {
        return Ok(None);
    };
    let mut lines = Vec::new();
    index.lines(None, |line| {
        lines.push(line.clone());
        ControlFlow::Continue(())
    })?;
    Ok(Some(lines))
}

fn index(place: &Memory, name: &str) -> Made {
    let made = make(place, &listed(place, name)).expect("made");
    if let Some(bytes) = &made.bytes {
        place.keep(name, bytes).expect("kept");
    }
    made
}

#[test]
fn an_index_is_bound_to_its_log() {
    let place = Memory::default();
    place.put("a", &session("alice", &["one", "two"], true));
    place.put("b", &session("bob", &["one", "two"], true));
    let made = index(&place, "a");
    assert_eq!(made.head.state, State::Complete);
    let before = of_the_index(&place, "a").expect("believed").expect("there");
    assert!(before.iter().any(|line| line.text == "two"));
    // That of another.
    place.keep("b", &made.bytes.expect("bytes")).expect("kept");
    assert!(matches!(of_the_index(&place, "b"), Err(BadIndex::Stale)));
    // The log is not what it was.
    place.put("a", &session("alice", &["one", "too"], true));
    assert!(matches!(of_the_index(&place, "a"), Err(BadIndex::Stale)));
    place.put("a", &session("alice", &["one", "two", "three"], true));
    assert!(matches!(of_the_index(&place, "a"), Err(BadIndex::Stale)));
    index(&place, "a");
    assert!(of_the_index(&place, "a").expect("believed").is_some());
}

#[test]
fn what_is_still_written_has_no_index() {
    for writer in [Writer::Live, Writer::Gone] {
        let place = Memory::default();
        place.put("a", &session("alice", &["one"], false));
        let expected = match writer {
            Writer::Live => State::Open,
            _ => State::Unfinished,
        };
        place.written_by("a", writer);
        let made = index(&place, "a");
        assert_eq!(made.head.state, expected);
        assert!(made.bytes.is_none());
        // Nor is one believed that somebody put there.
        place.written_by("a", Writer::None);
        let bytes = index(&place, "a").bytes.expect("bytes");
        place.written_by("a", writer);
        place.keep("a", &bytes).expect("kept");
        assert!(of_the_index(&place, "a").expect("read").is_none());
    }
}

#[test]
fn of_too_many_lines_there_are_none() {
    let place = Memory::default();
    let mut seed = 1_u64;
    let mut noise = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        format!("{seed:016x}")
    };
    let mut page = || {
        (0..10_000)
            .map(|_| noise())
            .collect::<Vec<_>>()
            .join("\r\n")
    };
    let lines: Vec<String> = (0..150).map(|_| page()).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    place.put("a", &session("alice", &lines, true));
    let made = index(&place, "a");
    assert!(made.head.cut);
    assert!(made.bytes.expect("bytes").len() < 4096);
    let found = Index::of(&place, &listed(&place, "a")).expect("believed");
    assert!(found.expect("there").head().cut);
}

#[test]
fn a_damaged_log_is_one_in_its_index() {
    let place = Memory::default();
    let mut log = session("alice", &["one", "two"], true);
    let at = log.len() - 30;
    log[at] ^= 0xff;
    place.put("a", &log);
    assert_eq!(index(&place, "a").head.state, State::Damaged);
    place.put("a", &log[..at]);
    assert_eq!(index(&place, "a").head.state, State::Damaged);
    place.put("a", b"no log at all");
    assert_eq!(index(&place, "a").head.state, State::Damaged);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// An index has what its log has, no more and no less.
    #[test]
    fn an_index_has_the_lines_of_its_log(lines in proptest::collection::vec("\\PC{0,60}", 0..60)) {
        let place = Memory::default();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        place.put("a", &session("alice", &lines, true));
        let made = index(&place, "a");
        let (expected, head) = of_the_log(&place, "a");
        prop_assert_eq!(&made.head.facts, &head.facts);
        prop_assert_eq!(of_the_index(&place, "a").expect("believed"), Some(expected));
        let kept = Index::of(&place, &listed(&place, "a")).expect("believed").expect("there");
        prop_assert_eq!(kept.into_head(), made.head);
    }

    /// Whatever becomes of an index, it is not believed, or it is as it was.
    #[test]
    fn a_damaged_index_is_not_believed(
        harm in proptest::collection::vec((any::<proptest::sample::Index>(), 1u8..), 0..3),
        length in proptest::option::of(any::<proptest::sample::Index>()),
        more in proptest::collection::vec(any::<u8>(), 0..3),
    ) {
        let place = Memory::default();
        let lines: Vec<String> = (0..50).map(|number| format!("line {number}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        place.put("a", &session("alice", &lines, true));
        let mut bytes = index(&place, "a").bytes.expect("bytes");
        let expected = of_the_index(&place, "a").expect("believed");
        let whole = bytes.clone();
        for (at, change) in harm {
            let at = at.index(bytes.len());
            bytes[at] ^= change;
        }
        if let Some(length) = length {
            bytes.truncate(length.index(bytes.len()));
        }
        bytes.extend(more);
        place.keep("a", &bytes).expect("kept");
        match of_the_index(&place, "a") {
            Ok(lines) => prop_assert!(bytes == whole && lines == expected),
            Err(_) => prop_assert!(bytes != whole),
        }
    }

    #[test]
    fn bytes_that_are_no_index_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut named = MAGIC.to_vec();
        named.extend(&bytes);
        for bytes in [bytes, named] {
            prop_assert!(Index::read(Box::new(io::Cursor::new(bytes))).is_err());
        }
    }
}
