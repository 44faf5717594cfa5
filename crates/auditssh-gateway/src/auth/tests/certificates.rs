use super::{Keygen, address, granted, now, refused};
use crate::auth::{AuthError, Method, Refusal, User, Users, UsersError, Verdict};
use crate::russh::Certificate;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use std::time::{Duration, UNIX_EPOCH};

/// An authority `ca` and a key `key` of alice.
fn keygen() -> Keygen {
    let keygen = Keygen::new();
    keygen.ed25519("ca");
    keygen.ed25519("key");
    keygen
}

fn trusting(keygen: &Keygen, user: User) -> Users {
    let users = [
        ("alice".to_owned(), user),
        ("bob".to_owned(), User::default()),
    ];
    Users::new(users, vec![keygen.public("ca")]).unwrap()
}

/// Alice with one line of authorized keys and no trusted authority.
fn listing(options: &str, keygen: &Keygen) -> Users {
    let line = format!("{options} {}", keygen.line("ca"));
    super::with_lines(&[line])
}

fn judge(users: &Users, certificate: &Certificate) -> Result<Verdict, AuthError> {
    users.certificate("alice", certificate, address(), now())
}

#[track_caller]
fn reason(verdict: Result<Verdict, AuthError>) -> String {
    refused(verdict).to_string()
}

#[test]
fn a_certificate_logs_in_with_all_it_says() {
    let keygen = keygen();
    let certificate = keygen.certificate("ca", "key", &["-n", "alice,admin", "-z", "42"]);
    let users = trusting(&keygen, User::default());
    let grant = granted(judge(&users, &certificate));
    assert_eq!(grant.method, Method::Certificate);
    assert_eq!(
        grant.fingerprint,
        Some(crate::auth::fingerprint(&keygen.public("key")))
    );
    let details = grant.certificate.unwrap();
    assert_eq!((details.serial, &*details.key_id), (42, "an id"));
    assert_eq!(
        details.authority,
        crate::auth::fingerprint(&keygen.public("ca"))
    );
    assert_eq!(details.principals, ["alice", "admin"]);
    // What ssh-keygen permits unless told otherwise.
    assert_eq!(grant.restrictions, crate::auth::Restrictions::default());
}

#[test]
fn authorities_and_keys_of_every_kind_are_served() {
    let keygen = Keygen::new();
    keygen.ed25519("key");
    keygen.key("rsa-key", &["rsa", "-b", "2048"]);
    for (name, kind) in [
        ("e", &["ed25519"][..]),
        ("p", &["ecdsa", "-b", "384"]),
        ("r", &["rsa", "-b", "2048"]),
    ] {
        keygen.key(name, kind);
        let users = [("alice".to_owned(), User::default())];
        let users = Users::new(users, vec![keygen.public(name)]).unwrap();
        for key in ["key", "rsa-key"] {
            let certificate = keygen.certificate(name, key, &["-n", "alice"]);
            granted(judge(&users, &certificate));
        }
    }
}

#[test]
fn names_decide() {
    let keygen = keygen();
    let alice = keygen.certificate("ca", "key", &["-n", "alice"]);
    let staff = keygen.certificate("ca", "key", &["-n", "staff"]);
    let none = keygen.certificate("ca", "key", &[]);
    let plain = trusting(&keygen, User::default());
    let named = User {
        principals: vec!["staff".to_owned(), "ops".to_owned()],
        ..User::default()
    };
    let named = trusting(&keygen, named);
    granted(judge(&plain, &alice));
    granted(judge(&named, &staff));
    for (users, certificate) in [(&plain, &staff), (&named, &alice)] {
        let reason = reason(judge(users, certificate));
        assert!(reason.contains("needs one of"), "{reason}");
    }
    assert!(reason(judge(&plain, &none)).contains("principals"));
    let other = |user| plain.certificate(user, &alice, address(), now());
    assert!(reason(other("bob")).contains("bob"));
    assert_eq!(refused(other("mallory")), Refusal::UnknownUser);
}

#[test]
fn only_trusted_authorities_count() {
    let keygen = keygen();
    keygen.ed25519("other");
    let users = trusting(&keygen, User::default());
    let certificate = keygen.certificate("other", "key", &["-n", "alice"]);
    let reason = reason(judge(&users, &certificate));
    let fingerprint = crate::auth::fingerprint(&keygen.public("other"));
    assert!(reason.contains(&fingerprint), "{reason}");
}

#[test]
fn host_certificates_are_refused() {
    let keygen = keygen();
    let certificate = keygen.certificate("ca", "key", &["-h", "-n", "alice"]);
    let reason = reason(judge(&trusting(&keygen, User::default()), &certificate));
    assert!(reason.contains("not a user certificate"), "{reason}");
}

#[test]
fn the_time_counts_from_its_first_second_to_before_its_last() {
    let keygen = keygen();
    let validity = "20200101000000Z:20210101000000Z";
    let certificate = keygen.certificate("ca", "key", &["-n", "alice", "-V", validity]);
    let users = trusting(&keygen, User::default());
    let at = |seconds| {
        let time = UNIX_EPOCH + Duration::from_secs(seconds);
        users.certificate("alice", &certificate, address(), time)
    };
    let (from, to) = (1_577_836_800, 1_609_459_200);
    granted(at(from));
    granted(at(to - 1));
    assert!(reason(at(from - 1)).contains("not valid yet"));
    assert!(reason(at(to)).contains("expired"));
    let before = users.certificate(
        "alice",
        &certificate,
        address(),
        UNIX_EPOCH - Duration::from_secs(9),
    );
    assert!(reason(before).contains("not valid yet"));
}

#[test]
fn no_bit_of_a_certificate_can_be_changed() {
    let keygen = keygen();
    let options = ["-n", "alice", "-O", "force-command=id"];
    let certificate = keygen.certificate("ca", "key", &options);
    let users = trusting(&keygen, User::default());
    granted(judge(&users, &certificate));
    let text = fs::read_to_string(keygen.path("key-cert.pub")).unwrap();
    let (kind, rest) = text.split_once(' ').unwrap();
    let blob = STANDARD.decode(rest.split(' ').next().unwrap()).unwrap();
    let mut parsed = 0;
    for bit in 0..blob.len() * 8 {
        let mut changed = blob.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let text = format!("{kind} {}", STANDARD.encode(changed));
        if let Ok(certificate) = Certificate::from_openssh(&text) {
            parsed += 1;
            assert!(
                !matches!(judge(&users, &certificate), Ok(Verdict::Granted(_))),
                "bit {bit}"
            );
        }
    }
    assert!(parsed > 1000, "most still parse: {parsed}");
}

#[test]
fn extensions_permit_and_nothing_else_does() {
    let keygen = keygen();
    let users = trusting(&keygen, User::default());
    let may = |options: &[&str]| {
        let options = [&["-n", "alice", "-O", "clear"], options].concat();
        granted(judge(&users, &keygen.certificate("ca", "key", &options))).restrictions
    };
    let none = may(&[]);
    assert!(!none.pty && !none.port_forwarding && !none.agent_forwarding);
    assert!(!none.x11_forwarding && !none.user_rc);
    assert!(may(&["-O", "permit-pty"]).pty);
    assert!(may(&["-O", "permit-port-forwarding"]).port_forwarding);
    assert!(may(&["-O", "permit-agent-forwarding"]).agent_forwarding);
    assert!(may(&["-O", "permit-x11-forwarding"]).x11_forwarding);
    assert!(may(&["-O", "permit-user-rc"]).user_rc);
    assert_eq!(may(&["-O", "extension:unknown@example.com=x"]), none);
}

#[test]
fn critical_options_are_honoured_or_refuse() {
    let keygen = keygen();
    let users = trusting(&keygen, User::default());
    let with = |option: &str| {
        let certificate = keygen.certificate("ca", "key", &["-n", "alice", "-O", option]);
        judge(&users, &certificate)
    };
    let forced = granted(with("force-command=echo hello")).restrictions;
    assert_eq!(forced.command.as_deref(), Some("echo hello"));
    granted(with("source-address=10.0.0.0/8,192.0.2.0/24"));
    assert!(reason(with("source-address=10.0.0.0/8")).contains("192.0.2.7"));
    for option in ["verify-required", "critical:unknown@example.com=x"] {
        let reason = reason(with(option));
        assert!(reason.contains("can't be honoured"), "{reason}");
    }
}

#[test]
fn lines_for_authorities_add_their_own_conditions() {
    let keygen = keygen();
    let plain = keygen.certificate("ca", "key", &["-n", "alice"]);
    granted(judge(&listing("cert-authority", &keygen), &plain));
    assert!(matches!(
        refused(judge(&listing("no-pty", &keygen), &plain)),
        Refusal::Listed { .. }
    ));
    let staff = keygen.certificate("ca", "key", &["-n", "staff"]);
    let principals = listing("cert-authority,principals=\"ops,staff\"", &keygen);
    granted(judge(&principals, &staff));
    assert!(matches!(
        refused(judge(&principals, &plain)),
        Refusal::Listed { .. }
    ));
    let strict = listing("cert-authority,restrict,command=\"id\"", &keygen);
    let may = granted(judge(&strict, &plain)).restrictions;
    assert_eq!((may.pty, may.command.as_deref()), (false, Some("id")));
    let elsewhere = listing("cert-authority,from=\"10.0.0.1\"", &keygen);
    assert!(matches!(
        refused(judge(&elsewhere, &plain)),
        Refusal::Listed { .. }
    ));
    let forced = keygen.certificate("ca", "key", &["-n", "alice", "-O", "force-command=ls"]);
    assert!(reason(judge(&strict, &forced)).contains("another command"));
}

#[test]
fn weak_keys_and_signatures_are_refused() {
    let keygen = keygen();
    keygen.key("weak", &["rsa", "-b", "1024"]);
    keygen.key("rsa", &["rsa", "-b", "2048"]);
    let users = trusting(&keygen, User::default());
    let certificate = keygen.certificate("ca", "weak", &["-n", "alice"]);
    assert!(reason(judge(&users, &certificate)).contains("1024"));
    let certificate = keygen.certificate("weak", "key", &["-n", "alice"]);
    assert!(reason(judge(&users, &certificate)).contains("authority"));
    let certificate = keygen.certificate("rsa", "key", &["-n", "alice", "-t", "ssh-rsa"]);
    assert!(reason(judge(&users, &certificate)).contains("SHA-1"));
    let weak = Users::new([], vec![keygen.public("weak")]).unwrap_err();
    assert!(matches!(weak, UsersError::Authority { .. }), "{weak}");
}

#[test]
fn keys_on_tokens_need_the_extension() {
    let keygen = keygen();
    let line = super::keys::token_line(&keygen.line("key"));
    fs::write(keygen.path("token.pub"), line).unwrap();
    let users = trusting(&keygen, User::default());
    let certificate = keygen.certificate("ca", "token", &["-n", "alice"]);
    assert!(reason(judge(&users, &certificate)).contains("touched"));
    let options = ["-n", "alice", "-O", "no-touch-required"];
    granted(judge(&users, &keygen.certificate("ca", "token", &options)));
}
