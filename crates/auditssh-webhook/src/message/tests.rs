use super::*;
use auditssh_gateway::auth::service::{Answer, Applicant, Proof, Question};
use auditssh_gateway::auth::{Fact, Facts};
use proptest::prelude::*;
use serde_json::{Value, json};
use zeroize::Zeroizing;

fn applicant() -> Applicant {
    Applicant {
        username: "alice".to_owned(),
        remote_address: "192.0.2.7:40000".parse().unwrap(),
        connection_id: "0123456789abcdef0123456789abcdef".to_owned(),
        client_version: "SSH-2.0-OpenSSH_9.2".to_owned(),
    }
}

fn asked(applicant: &Applicant, proof: Proof<'_>) -> Value {
    let question = Question { applicant, proof };
    serde_json::from_slice(&request(question).unwrap()).unwrap()
}

fn fact<T: zeroize::Zeroize>(value: T, sensitive: bool) -> Fact<T> {
    let value = Zeroizing::new(value);
    Fact { value, sensitive }
}

#[test]
fn questions_are_those_of_the_documentation() {
    let mut applicant = applicant();
    assert_eq!(
        asked(&applicant, Proof::Password(b"\xffpass")),
        json!({
            "username": "alice",
            "remoteAddress": "192.0.2.7:40000",
            "connectionId": "0123456789abcdef0123456789abcdef",
            "clientVersion": "SSH-2.0-OpenSSH_9.2",
            "passwordBase64": "/3Bhc3M=",
        })
    );
    applicant.remote_address = "[2001:db8::1]:22".parse().unwrap();
    assert_eq!(
        asked(&applicant, Proof::PublicKey("ssh-ed25519 AAAA")),
        json!({
            "username": "alice",
            "remoteAddress": "[2001:db8::1]:22",
            "connectionId": "0123456789abcdef0123456789abcdef",
            "clientVersion": "SSH-2.0-OpenSSH_9.2",
            "publicKey": "ssh-ed25519 AAAA",
        })
    );
    let facts = Facts {
        authenticated_username: Some("alice@example.com".to_owned()),
        metadata: [("team".to_owned(), fact("red".to_owned(), false))].into(),
        environment: [("A".to_owned(), fact("1".to_owned(), false))].into(),
        files: [("/x".to_owned(), fact(b"\0\xff".to_vec(), false))].into(),
    };
    assert_eq!(
        asked(&applicant, Proof::Proven(&facts)),
        json!({
            "username": "alice",
            "authenticatedUsername": "alice@example.com",
            "remoteAddress": "[2001:db8::1]:22",
            "connectionId": "0123456789abcdef0123456789abcdef",
            "clientVersion": "SSH-2.0-OpenSSH_9.2",
            "metadata": {"team": {"value": "red", "sensitive": false}},
            "environment": {"A": {"value": "1", "sensitive": false}},
            "files": {"/x": {"value": "AP8=", "sensitive": false}},
        })
    );
}

#[test]
fn all_of_an_answer_is_read() {
    let answer = json!({
        "success": true,
        "authenticatedUsername": "alice@example.com",
        "metadata": {"team": {"value": "red"}},
        "environment": {"A": {"value": "1", "sensitive": true}},
        "files": {"/x": {"value": "AP8=", "sensitive": false}, "/empty": {"value": null}},
        "username": "ignored", "remoteAddress": "ignored", "connectionId": 5,
        "clientVersion": null,
    });
    let expected = Facts {
        authenticated_username: Some("alice@example.com".to_owned()),
        metadata: [("team".to_owned(), fact("red".to_owned(), false))].into(),
        environment: [("A".to_owned(), fact("1".to_owned(), true))].into(),
        files: [
            ("/x".to_owned(), fact(b"\0\xff".to_vec(), false)),
            ("/empty".to_owned(), fact(Vec::new(), false)),
        ]
        .into(),
    };
    assert_eq!(
        read(answer.to_string().as_bytes()),
        Ok(Answer {
            success: true,
            facts: expected,
        })
    );
}

#[test]
fn the_least_answer_is_yes_or_no() {
    for success in [true, false] {
        let answer = read(format!("{{\"success\":{success}}}\n").as_bytes()).unwrap();
        assert_eq!((answer.success, answer.facts), (success, Facts::default()));
    }
    let text = br#"{"success":true,"authenticatedUsername":"","metadata":null,"files":null}"#;
    assert_eq!(read(text).unwrap().facts, Facts::default());
}

#[test]
fn anything_else_is_no_answer_and_not_repeated() {
    for (text, expected) in [
        (r"", "no JSON object"),
        (r#"{"success": true"#, "it is cut off"),
        (r"<html>hunter2</html>", "no JSON"),
        (r#"{"success": true} hunter2"#, "no JSON"),
        (r"[true]", "no JSON object"),
        (r"{}", "missing key `success`"),
        (r#"{"success": "hunter2"}"#, "a value of another kind"),
        (r#"{"success": 1}"#, "a value of another kind"),
        (
            r#"{"success": true, "sucess": true}"#,
            "unknown key `sucess`",
        ),
        (r#"{"success": true, "hunter2 ": 1}"#, "unknown key `…`"),
        (
            r#"{"success": false, "success": true}"#,
            "duplicate key `success`",
        ),
        (
            r#"{"success": true, "metadata": {"a": "hunter2"}}"#,
            "a value of another kind",
        ),
        (
            r#"{"success": true, "metadata": {"a": {"value": "x", "secret": true}}}"#,
            "unknown key `secret`",
        ),
        (
            r#"{"success": true, "metadata": {"a": {"value": "x"}, "a": {"value": "y"}}}"#,
            "a value of another kind",
        ),
        (
            r#"{"success": true, "files": {"/x": {"value": "hunter2!"}}}"#,
            "a value of another kind",
        ),
    ] {
        let said = read(text.as_bytes()).unwrap_err();
        assert!(said.contains(expected), "{text}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

proptest! {
    #[test]
    fn what_is_told_is_what_is_read(
        texts in prop::collection::btree_map(".*", (".*", any::<bool>()), 0..4),
        files in prop::collection::btree_map(".*", (prop::collection::vec(any::<u8>(), 0..9), any::<bool>()), 0..4),
    ) {
        let facts = Facts {
            authenticated_username: Some("alice".to_owned()),
            metadata: texts.into_iter().map(|(name, (value, open))| (name, fact(value, open))).collect(),
            environment: std::collections::BTreeMap::new(),
            files: files.into_iter().map(|(name, (value, open))| (name, fact(value, open))).collect(),
        };
        let mut told = asked(&applicant(), Proof::Proven(&facts));
        told["success"] = true.into();
        prop_assert_eq!(read(told.to_string().as_bytes()).unwrap().facts, facts);
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }
}
