use super::{Keygen, address, granted, now, one, refused, with_lines};
use crate::auth::{
    AuthError, AuthorizedKey, Method, Refusal, Restrictions, User, Users, Verdict,
    signature_allowed,
};
use crate::russh::{Algorithm, HashAlg, PublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

fn judge(users: &Users, key: &PublicKey) -> Result<Verdict, AuthError> {
    users.public_key("alice", key, address(), now())
}

/// Alice with a file of keys, beside the keys themselves.
fn with_file(keygen: &Keygen, text: &str) -> Users {
    let path = keygen.path("keys_alice");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let template = keygen.path("keys_%u").display().to_string();
    one(User {
        authorized_keys_file: Some(template.parse().unwrap()),
        ..User::default()
    })
}

#[test]
fn every_kind_of_key_logs_in_by_line_and_by_file() {
    let keygen = Keygen::new();
    for (name, kind) in [
        ("ed25519", &["ed25519"][..]),
        ("p256", &["ecdsa", "-b", "256"]),
        ("p384", &["ecdsa", "-b", "384"]),
        ("p521", &["ecdsa", "-b", "521"]),
        ("rsa", &["rsa", "-b", "2048"]),
    ] {
        let line = keygen.key(name, kind);
        let grant = granted(judge(
            &with_lines(std::slice::from_ref(&line)),
            &keygen.public(name),
        ));
        assert_eq!(grant.method, Method::PublicKey);
        assert_eq!(grant.restrictions, Restrictions::default());
        let file = with_file(&keygen, &format!("# mine\n\n{line}\n"));
        assert_eq!(granted(judge(&file, &keygen.public(name))), grant);
    }
}

#[test]
fn the_fingerprint_is_that_of_ssh_keygen() {
    let keygen = Keygen::new();
    let line = keygen.ed25519("key");
    let output = std::process::Command::new("ssh-keygen")
        .args(["-l", "-f"])
        .arg(keygen.path("key.pub"))
        .output()
        .unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    let grant = granted(judge(&with_lines(&[line]), &keygen.public("key")));
    assert_eq!(grant.fingerprint.as_deref(), listed.split(' ').nth(1));
}

#[test]
fn other_keys_and_other_users_stay_out() {
    let keygen = Keygen::new();
    let line = keygen.ed25519("one");
    keygen.ed25519("two");
    let users = with_lines(&[line]);
    assert_eq!(
        refused(judge(&users, &keygen.public("two"))),
        Refusal::UnknownKey
    );
    let other = users.public_key("bob", &keygen.public("one"), address(), now());
    assert_eq!(refused(other), Refusal::UnknownUser);
    let none = with_file(&keygen, "");
    assert_eq!(
        refused(judge(&none, &keygen.public("one"))),
        Refusal::UnknownKey
    );
}

#[test]
fn options_come_with_the_grant() {
    let keygen = Keygen::new();
    let line = keygen.ed25519("key");
    let line = format!(r#"restrict,command="echo \"x\"",environment="A=b" {line}"#);
    for users in [
        with_lines(std::slice::from_ref(&line)),
        with_file(&keygen, &line),
    ] {
        let may = granted(judge(&users, &keygen.public("key"))).restrictions;
        assert_eq!(may.command.as_deref(), Some(r#"echo "x""#));
        assert_eq!(may.environment, [("A".to_owned(), "b".to_owned())]);
        assert!(!may.pty && !may.port_forwarding);
    }
}

#[test]
fn the_first_line_that_allows_counts() {
    let keygen = Keygen::new();
    let line = keygen.ed25519("key");
    let text = format!(
        "from=\"10.0.0.1\" {line}\nexpiry-time=\"20200101Z\" {line}\nno-such-option {line}\n\
         command=\"first\" {line}\ncommand=\"second\" {line}\n"
    );
    let grant = granted(judge(&with_file(&keygen, &text), &keygen.public("key")));
    assert_eq!(grant.restrictions.command.as_deref(), Some("first"));
}

#[test]
fn address_and_time_are_asked_for() {
    let keygen = Keygen::new();
    let line = keygen.ed25519("key");
    let key = keygen.public("key");
    let from = with_lines(&[format!("from=\"192.0.2.0/24,!192.0.2.9\" {line}")]);
    granted(judge(&from, &key));
    for address in ["192.0.2.9", "192.0.3.1", "2001:db8::1"] {
        let refusal = refused(from.public_key("alice", &key, address.parse().unwrap(), now()));
        assert!(matches!(&refusal, Refusal::Listed { reason, .. } if reason.contains(address)));
    }
    granted(judge(
        &with_lines(&[format!("expiry-time=\"20260101Z\" {line}")]),
        &key,
    ));
    let expired = with_lines(&[format!("expiry-time=\"20251231235959Z\" {line}")]);
    let refusal = refused(judge(&expired, &key)).to_string();
    assert!(
        refusal.contains("expired") && refusal.contains("alice"),
        "{refusal}"
    );
}

#[test]
fn an_option_that_can_not_be_honoured_refuses_the_key_and_says_where() {
    let keygen = Keygen::new();
    let line = keygen.ed25519("key");
    let text = format!("# one\n# two\nno-such-option {line}\n");
    let error = judge(&with_file(&keygen, &text), &keygen.public("key")).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("keys_alice line 3") && text.contains("no-such-option"),
        "{text}"
    );
}

#[test]
fn garbage_in_a_file_hides_no_key_and_lets_nobody_in() {
    let keygen = Keygen::new();
    let line = keygen.ed25519("key");
    let path = keygen.path("keys_alice");
    let mut text = b"\xff\xfe garbage\nssh-ed25519 AAAA\n\"\n".to_vec();
    text.extend(line.as_bytes());
    text.extend(b" of Jos\xe9\n");
    let users = with_file(&keygen, "");
    fs::write(path, text).unwrap();
    granted(judge(&users, &keygen.public("key")));
}

#[test]
fn a_file_that_others_could_change_lets_nobody_in() {
    let keygen = Keygen::new();
    let line = keygen.ed25519("key");
    let users = with_file(&keygen, &line);
    let path = keygen.path("keys_alice");
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let error = judge(&users, &keygen.public("key")).unwrap_err();
    assert!(matches!(error, AuthError::File(_)), "{error}");
}

#[test]
fn an_authority_is_no_key_to_log_in_with() {
    let keygen = Keygen::new();
    let line = keygen.ed25519("ca");
    let users = with_lines(&[format!("cert-authority {line}")]);
    assert!(matches!(
        refused(judge(&users, &keygen.public("ca"))),
        Refusal::Listed { .. }
    ));
}

#[test]
fn small_large_and_old_keys_are_refused() {
    let keygen = Keygen::new();
    let small = keygen.key("small", &["rsa", "-b", "1024"]);
    let error = small.parse::<AuthorizedKey>().unwrap_err().to_string();
    assert!(error.contains("1024") && error.contains("2048"), "{error}");
    let users = with_file(&keygen, &small);
    let refusal = refused(judge(&users, &keygen.public("small")));
    assert!(matches!(refusal, Refusal::KeyKind(_)), "{refusal}");
    for (bits, good) in [(2047, false), (2048, true), (8192, true), (8193, false)] {
        let outcome = rsa_line(bits).parse::<AuthorizedKey>();
        assert_eq!(outcome.is_ok(), good, "{bits}: {outcome:?}");
    }
}

/// A line with an RSA key whose modulus has so many bits; nobody has its private key.
fn rsa_line(bits: usize) -> String {
    let mut modulus = vec![0xff; bits.div_ceil(8)];
    modulus[0] = 0xff >> (modulus.len() * 8 - bits);
    if bits.is_multiple_of(8) {
        modulus.insert(0, 0);
    }
    let mut blob = Vec::new();
    for part in [&b"ssh-rsa"[..], &[1, 0, 1], &modulus] {
        blob.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
        blob.extend(part);
    }
    format!("ssh-rsa {}", STANDARD.encode(blob))
}

#[test]
fn keys_on_tokens_need_to_say_that_touch_is_not_asked_for() {
    let keygen = Keygen::new();
    let plain = keygen.ed25519("plain");
    let line = token_line(&plain);
    let key = PublicKey::from_openssh(&line).unwrap();
    let error = line.parse::<AuthorizedKey>().unwrap_err().to_string();
    assert!(error.contains("no-touch-required"), "{error}");
    assert!(matches!(
        refused(judge(&with_file(&keygen, &line), &key)),
        Refusal::Listed { .. }
    ));
    granted(judge(
        &with_lines(&[format!("no-touch-required {line}")]),
        &key,
    ));
    assert!(
        format!("verify-required,no-touch-required {line}")
            .parse::<AuthorizedKey>()
            .is_err()
    );
}

/// The line of a key on a security token with the same Ed25519 key in it.
pub(super) fn token_line(plain: &str) -> String {
    const KIND: &[u8] = b"sk-ssh-ed25519@openssh.com";
    let blob = STANDARD.decode(plain.split(' ').nth(1).unwrap()).unwrap();
    let mut token = Vec::new();
    for part in [KIND, &blob[blob.len() - 32..], b"ssh:"] {
        token.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
        token.extend(part);
    }
    format!("sk-ssh-ed25519@openssh.com {}", STANDARD.encode(token))
}

#[test]
fn signatures_with_sha1_prove_nothing() {
    let rsa = |hash| Algorithm::Rsa { hash };
    assert!(!signature_allowed(&rsa(None)));
    assert!(signature_allowed(&rsa(Some(HashAlg::Sha256))));
    assert!(signature_allowed(&rsa(Some(HashAlg::Sha512))));
    assert!(signature_allowed(&Algorithm::Ed25519));
    assert!(!signature_allowed(&Algorithm::Dsa));
}
