use super::*;

fn fact<T: Zeroize>(value: T, sensitive: bool) -> Fact<T> {
    Fact {
        value: Zeroizing::new(value),
        sensitive,
    }
}

fn variable(name: &str, value: &str) -> Facts {
    Facts {
        environment: [(name.to_owned(), fact(value.to_owned(), false))].into(),
        ..Facts::default()
    }
}

#[test]
fn what_comes_later_replaces_what_has_the_same_name() {
    let mut facts = variable("A", "1");
    facts.merge(variable("B", "2")).unwrap();
    facts.merge(variable("A", "3")).unwrap();
    let values: Vec<_> = facts
        .environment
        .iter()
        .map(|(name, fact)| format!("{name}={}", *fact.value))
        .collect();
    assert_eq!(values, ["A=3", "B=2"]);
}

#[test]
fn an_answer_without_a_name_leaves_the_name() {
    let mut facts = Facts {
        authenticated_username: Some("alice".to_owned()),
        ..Facts::default()
    };
    facts.merge(Facts::default()).unwrap();
    assert_eq!(facts.authenticated_username.as_deref(), Some("alice"));
}

#[test]
fn facts_have_a_size_and_a_number() {
    let mut facts = Facts::default();
    let large = vec![0; FACTS_BYTES / 2];
    for (name, taken) in [("/a", true), ("/b", false)] {
        let more = Facts {
            files: [(name.to_owned(), fact(large.clone(), false))].into(),
            ..Facts::default()
        };
        assert_eq!(facts.merge(more).is_ok(), taken);
    }
    let mut facts = Facts::default();
    let metadata = (0..=FACTS).map(|number| (number.to_string(), fact(String::new(), false)));
    let many = Facts {
        metadata: metadata.collect(),
        ..Facts::default()
    };
    assert_eq!(facts.merge(many), Err(FactsError::Number));
}

#[test]
fn a_variable_that_none_can_be_is_an_error() {
    for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "x\0y")] {
        let merged = Facts::default().merge(variable(name, value));
        assert!(matches!(merged, Err(FactsError::Variable(_))), "{name:?}");
    }
}

#[test]
fn no_value_is_shown_and_no_sensitive_one_is_told() {
    let mut facts = variable("OPEN", "seen");
    facts.files = [("/secret".to_owned(), fact(b"hunter2".to_vec(), true))].into();
    facts.metadata = [("token".to_owned(), fact("hunter2".to_owned(), true))].into();
    let shown = format!("{facts:?} {:?} {:?}", facts.metadata, facts.environment);
    assert!(
        !shown.contains("hunter2") && !shown.contains("seen"),
        "{shown}"
    );
    assert_eq!(facts.told(), variable("OPEN", "seen"));
}
