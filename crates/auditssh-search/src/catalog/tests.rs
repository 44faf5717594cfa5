use super::*;
use crate::pattern::Syntax;
use crate::testing::{BEGIN, Memory, session};
use proptest::prelude::*;

fn catalog(logs: &[(&str, &str, &[&str])]) -> (Arc<Memory>, Catalog) {
    let place = Arc::new(Memory::default());
    for (name, user, lines) in logs {
        place.put(name, &session(user, lines, true));
    }
    let catalog = Catalog::new(Arc::clone(&place) as Arc<dyn Place>);
    (place, catalog)
}

fn refresh(catalog: &Catalog, missing: Missing) -> Changes {
    let changes = catalog.refresh(missing, &AtomicBool::new(false));
    changes.expect("refreshed")
}

fn names(selected: &Selected) -> Vec<&str> {
    let entries = selected.entries.iter();
    entries.map(|entry| entry.log.name.as_str()).collect()
}

fn pattern(text: &str) -> Pattern {
    Pattern::new(text, Syntax::default()).expect("a pattern")
}

#[test]
fn a_catalog_learns_what_is_new_changed_and_gone() {
    let (place, catalog) = catalog(&[("a", "alice", &[]), ("b", "bob", &[])]);
    for missing in [Missing::Read, Missing::Make] {
        let changes = refresh(&catalog, missing);
        assert_eq!(
            changes.new.len() + changes.changed.len(),
            2 * usize::from(missing == Missing::Read)
        );
    }
    assert_eq!(refresh(&catalog, Missing::Make), Changes::default());
    place.put("b", &session("bob", &["more"], true));
    place.put("c", &session("carol", &[], true));
    place.remove("a");
    let changes = refresh(&catalog, Missing::Make);
    assert_eq!(changes.gone, ["a"]);
    assert_eq!(
        (&*changes.new, &*changes.changed),
        (&["c".to_owned()][..], &["b".to_owned()][..])
    );
    assert_eq!((catalog.len(), catalog.get("a")), (2, None));
    let entry = catalog.get("c").expect("known");
    assert_eq!(
        (entry.state, entry.facts.user.as_deref()),
        (State::Complete, Some("carol"))
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of filters")]
fn connections_are_filtered_sorted_and_paged() {
    let (_, catalog) = catalog(&[
        ("a", "alice", &["one"]),
        ("b", "bob", &["one", "two"]),
        ("c", "carol", &["three"]),
    ]);
    refresh(&catalog, Missing::Make);
    let select = |select: &Select| catalog.select(select, &Options::default());
    let by = |sort, descending| Select {
        sort,
        descending,
        ..Select::default()
    };
    assert_eq!(names(&select(&by(Sort::User, false))), ["a", "b", "c"]);
    assert_eq!(names(&select(&by(Sort::User, true))), ["c", "b", "a"]);
    assert_eq!(names(&select(&by(Sort::Duration, true)))[0], "b");
    let of = |filter| Select {
        filter,
        ..Select::default()
    };
    for (filter, expected) in [
        (
            Filter {
                user: Some("*o*".into()),
                ..Filter::default()
            },
            2,
        ),
        (
            Filter {
                command: Some(pattern("OF BOB").clone()),
                ..Filter::default()
            },
            0,
        ),
        (
            Filter {
                command: Some(pattern("of bob")),
                ..Filter::default()
            },
            1,
        ),
        (
            Filter {
                address: "192.0.2.0/24".parse().ok(),
                ..Filter::default()
            },
            3,
        ),
        (
            Filter {
                address: "192.0.3.0/24".parse().ok(),
                ..Filter::default()
            },
            0,
        ),
        (
            Filter {
                to: Some(BEGIN - 1),
                ..Filter::default()
            },
            0,
        ),
        (
            Filter {
                from: Some(BEGIN),
                ..Filter::default()
            },
            3,
        ),
        (
            Filter {
                files: true,
                ..Filter::default()
            },
            0,
        ),
        (
            Filter {
                live: Some(true),
                ..Filter::default()
            },
            0,
        ),
        (
            Filter {
                exit: Some(auditssh_view::survey::Exit::Status(3)),
                ..Filter::default()
            },
            3,
        ),
    ] {
        assert_eq!(select(&of(filter.clone())).total, expected, "{filter:?}");
    }
    let text = Select {
        text: Some(pattern("one")),
        ..Select::default()
    };
    let selected = select(&text);
    assert!(selected.complete);
    assert_eq!(selected.total, 2);
    let page = select(&Select {
        offset: 1,
        limit: 1,
        ..by(Sort::User, false)
    });
    assert_eq!((page.total, names(&page)), (3, vec!["b"]));
}

#[test]
fn what_cannot_be_read_is_listed() {
    let (place, catalog) = catalog(&[]);
    place.put("a", b"nothing");
    refresh(&catalog, Missing::Make);
    assert_eq!(catalog.get("a").expect("listed").state, State::Damaged);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// However a place changes, a catalog that is refreshed equals one that is made anew.
    #[test]
    fn a_catalog_that_grew_equals_a_new_one(
        steps in proptest::collection::vec((0u8..6, 0u8..3, any::<bool>()), 0..30),
    ) {
        let place = Arc::new(Memory::default());
        let grown = Catalog::new(Arc::clone(&place) as Arc<dyn Place>);
        for (log, what, refreshes) in steps {
            let name = format!("log {log}");
            match what {
                0 => place.remove(&name),
                lines => place.put(&name, &session(&name, &["line"].repeat(lines.into()), true)),
            }
            if refreshes {
                refresh(&grown, Missing::Make);
            }
        }
        refresh(&grown, Missing::Read);
        let new = Catalog::new(place as Arc<dyn Place>);
        refresh(&new, Missing::Read);
        let all = |catalog: &Catalog| catalog.select(&Select::default(), &Options::default()).entries;
        prop_assert_eq!(all(&grown), all(&new));
    }
}
