use super::*;
use crate::index::{BadIndex, Index, make};
use crate::pattern::{Case, Syntax};
use crate::place::Writer;
use crate::testing::{BEGIN, Memory, session};
use proptest::prelude::*;

fn query(text: &str) -> Query {
    Query {
        pattern: Some(Pattern::new(text, Syntax::default()).expect("a pattern")),
        ..Query::default()
    }
}

fn all(place: &Memory, query: &Query, options: &Options) -> (Vec<(String, String, u64)>, Outcome) {
    let mut hits = Vec::new();
    let outcome = search(place, query, options, &mut |found| {
        if let Found::Hit(hit) = found {
            let line = hit.line.as_ref();
            hits.push((
                hit.connection.name.clone(),
                line.map_or_else(String::new, |line| line.text.clone()),
                line.map_or(0, |line| line.at / 1_000_000_000),
            ));
        }
        ControlFlow::Continue(())
    });
    (hits, outcome.expect("searched"))
}

fn index_all(place: &Memory) {
    for log in place.list().expect("logs") {
        let made = make(place, &log).expect("made");
        if let Some(bytes) = made.bytes {
            place.keep(&log.name, &bytes).expect("kept");
        }
    }
}

fn hit(name: &str, line: &str, at: u64) -> (String, String, u64) {
    (name.to_owned(), line.to_owned(), at)
}

#[test]
fn lines_are_found_with_and_without_indexes() {
    let place = Memory::default();
    place.put("a", &session("alice", &["one fish", "two fish"], true));
    place.put("b", &session("bob", &["Red FISH", "a boat"], true));
    let expected = [
        hit("b", "Red FISH", 1),
        hit("a", "one fish", 1),
        hit("a", "two fish", 2),
    ];
    for indexed in [false, true] {
        if indexed {
            index_all(&place);
        }
        let (hits, outcome) = all(&place, &query("fish"), &Options::default());
        assert_eq!(hits, expected);
        assert_eq!((outcome.hits, outcome.logs), (3, 2));
        assert_eq!(outcome.read, if indexed { 0 } else { 2 });
        assert!(outcome.complete);
    }
    let (hits, _) = all(&place, &query("FISH"), &Options::default());
    assert_eq!(hits, [hit("b", "Red FISH", 1)]);
}

#[test]
fn a_query_narrows_lines_and_connections() {
    let place = Memory::default();
    place.put("a", &session("alice", &["one fish", "two fish"], true));
    place.put("b", &session("bob", &["one fish"], true));
    index_all(&place);
    let count = |query: &Query| all(&place, query, &Options::default()).0.len();
    let fish = query("fish");
    let with = |change: &dyn Fn(&mut Query)| {
        let mut query = fish.clone();
        change(&mut query);
        count(&query)
    };
    assert_eq!(with(&|_| {}), 3);
    assert_eq!(with(&|query| query.filter.user = Some("bob".into())), 1);
    assert_eq!(with(&|query| query.kinds = vec![Kind::Typed]), 0);
    assert_eq!(
        with(&|query| query.kinds = vec![Kind::Shown, Kind::Typed]),
        3
    );
    assert_eq!(with(&|query| query.channels = vec![1]), 0);
    assert_eq!(with(&|query| query.channels = vec![1, 0]), 3);
    // The second line of alice's.
    assert_eq!(with(&|query| query.from = Some(BEGIN + 5_000_000_000)), 1);
    assert_eq!(with(&|query| query.to = Some(BEGIN + 4_000_000_000)), 2);
    assert_eq!(
        with(&|query| query.file = Some(Pattern::new("x", Syntax::default()).expect("x"))),
        0
    );
    // Without a text connections are found.
    let of_bob = Query {
        filter: Filter {
            user: Some("b*".into()),
            ..Filter::default()
        },
        ..Query::default()
    };
    assert_eq!(
        all(&place, &of_bob, &Options::default()).0,
        [hit("b", "", 0)]
    );
}

#[test]
fn an_index_that_is_not_of_the_log_is_not_believed() {
    let place = Memory::default();
    place.put("a", &session("alice", &["one fish"], true));
    index_all(&place);
    place.put("a", &session("alice", &["one boat"], true));
    let found = |text| all(&place, &query(text), &Options::default());
    assert!(found("fish").0.is_empty());
    assert_eq!(found("boat").0.len(), 1);
    assert_eq!(found("boat").1.read, 1);
    // A block that breaks in the middle: what was found before is not told twice.
    let many: Vec<String> = (0..30_000).map(|number| format!("boat {number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    place.put("a", &session("alice", &many, true));
    let log = place.list().expect("logs").remove(0);
    let mut bytes = make(&place, &log).expect("made").bytes.expect("bytes");
    let at = bytes.len() - 20;
    bytes[at] ^= 1;
    place.keep("a", &bytes).expect("kept");
    let index = Index::of(&place, &log)
        .expect("its head is whole")
        .expect("there");
    assert!(matches!(
        index.lines(None, |_| ControlFlow::Continue(())),
        Err(BadIndex::Damaged)
    ));
    let options = Options {
        most: 50_000,
        ..Options::default()
    };
    let (hits, outcome) = all(&place, &query("boat"), &options);
    assert_eq!(
        (hits.len(), outcome.read, outcome.complete),
        (30_000, 1, true)
    );
}

#[test]
fn what_is_left_out_is_said() {
    let place = Memory::default();
    place.put("a", &session("alice", &["fish", "fish", "fish"], true));
    let options = Options {
        most: 2,
        ..Options::default()
    };
    let (hits, outcome) = all(&place, &query("fish"), &options);
    assert_eq!((hits.len(), outcome.complete), (2, false));
    let log = session("alice", &["fish"], true);
    place.put("a", &log[..log.len() - 20]);
    let (hits, outcome) = all(&place, &query("fish"), &Options::default());
    assert_eq!(
        (hits.len(), outcome.damaged, outcome.complete),
        (1, 1, false)
    );
}

#[test]
fn whoever_has_enough_ends_the_search() {
    let place = Memory::default();
    for number in 0..2000 {
        place.put(&format!("log {number}"), &session("alice", &["fish"], true));
    }
    let options = Options {
        threads: 4,
        ..Options::default()
    };
    let mut seen = 0;
    let outcome = search(&place, &query("fish"), &options, &mut |found| {
        seen += u32::from(matches!(found, Found::Hit(_)));
        if seen == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let outcome = outcome.expect("searched");
    assert_eq!((seen, outcome.hits, outcome.complete), (3, 3, false));
    options.stop.store(true, Ordering::Relaxed);
    let (hits, outcome) = all(&place, &query("fish"), &options);
    assert!(hits.is_empty() && !outcome.complete);
}

#[test]
fn a_log_that_is_written_is_read() {
    let place = Memory::default();
    place.put("a", &session("alice", &["fish"], false));
    place.written_by("a", Writer::Live);
    let (hits, outcome) = all(&place, &query("fish"), &Options::default());
    assert_eq!((hits.len(), outcome.read, outcome.complete), (1, 1, true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// An index changes how long a search takes, and nothing else; so does the number of threads.
    #[test]
    fn indexes_and_threads_change_no_hit(
        logs in proptest::collection::vec(proptest::collection::vec("[abAB .]{0,12}", 0..8), 0..12),
        indexed in proptest::collection::vec(any::<bool>(), 12),
        text in "[abA.]{1,3}",
        regex in any::<bool>(),
        threads in 1usize..6,
    ) {
        let place = Memory::default();
        for (number, lines) in logs.iter().enumerate() {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            place.put(&format!("{number}"), &session("alice", &lines, true));
        }
        let syntax = Syntax { regex, case: Case::Smart };
        let query = Query {
            pattern: Some(Pattern::new(&text, syntax).expect("a pattern")),
            ..Query::default()
        };
        let plain = Options { threads: 1, indexes: false, ..Options::default() };
        let (expected, _) = all(&place, &query, &plain);
        for (log, indexed) in place.list().expect("logs").iter().zip(indexed) {
            if indexed {
                let bytes = make(&place, log).expect("made").bytes.expect("bytes");
                place.keep(&log.name, &bytes).expect("kept");
            }
        }
        let (hits, _) = all(&place, &query, &Options { threads, ..Options::default() });
        prop_assert_eq!(hits, expected);
    }
}
