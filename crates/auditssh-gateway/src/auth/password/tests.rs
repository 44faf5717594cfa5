use super::{HashError, PASSWORD_BYTES, PasswordHash, hash};
use proptest::prelude::*;

/// Made by others: the reference implementation of Argon2, `openssl passwd -6`, crypt(3).
const FOREIGN: [(&str, &str); 5] = [
    (
        "password",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    ),
    (
        "correct horse",
        "$6$saltsaltsaltsalt$GkzgkzVbauGAKXpOTbypQEKy/9yJWVjcvXvDw7CxoJjnJ1.w.g1rV8bhCVTpHrRrO/h6b3DAwPN3y5qmHXZ1R1",
    ),
    (
        "correct horse",
        "$6$rounds=1000$pepper$EnkrBs6uWQ5ez3dTmIjb8FYxO4Pm2qcA7r4ta.IZeb4f.imBNzhEFwacQpwsyMA2ZLrFU8ud0tH62D8ZFlbtO0",
    ),
    (
        "correct horse",
        "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
    ),
    (
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "$2b$04$abcdefghijklmnopqrstuu.gc7UY/21CSNJGJg21jJzx9QiOpJ9bO",
    ),
];

fn parse(text: &str) -> PasswordHash {
    text.parse().unwrap()
}

#[test]
fn hashes_of_others_are_verified() {
    for (password, text) in FOREIGN {
        let hash = parse(text);
        assert!(hash.verify(password.as_bytes()), "{text}");
        for wrong in [
            &password[1..],
            &format!("{password} "),
            &password.to_uppercase(),
            "x",
        ] {
            assert!(!hash.verify(wrong.as_bytes()), "{wrong} for {text}");
        }
    }
}

#[test]
fn what_is_cut_off_or_changed_is_no_hash() {
    for (password, text) in FOREIGN {
        for end in 0..text.len() {
            // An argon2 digest may be shorter, but then it is another one.
            if let Ok(hash) = text[..end].parse::<PasswordHash>() {
                assert!(!hash.verify(password.as_bytes()), "{}", &text[..end]);
            }
        }
        assert!(
            format!("{text}A").parse::<PasswordHash>().is_err()
                || !parse(&format!("{text}A")).verify(password.as_bytes())
        );
    }
}

#[test]
fn other_kinds_are_refused_with_the_remedy() {
    let others = [
        "",
        "secret",
        "*",
        "!",
        "$1$salt$digest",
        "$5$salt$digest",
        "$y$j9T$abc$def",
        "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
    ];
    for text in others {
        let error = text.parse::<PasswordHash>().unwrap_err();
        assert_eq!(error, HashError::Unknown);
        assert!(error.to_string().contains("hash-password"));
    }
}

#[test]
fn hashes_that_would_stop_the_server_are_refused() {
    for text in [
        "$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=65536,t=4294967295,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$2b$31$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
        "$6$rounds=999999999$pepper$EnkrBs6uWQ5ez3dTmIjb8FYxO4Pm2qcA7r4ta.IZeb4f.imBNzhEFwacQpwsyMA2ZLrFU8ud0tH62D8ZFlbtO0",
    ] {
        assert!(text.parse::<PasswordHash>().is_err(), "{text}");
    }
}

#[test]
fn bcrypt_never_looks_at_only_a_part() {
    let of_71 = parse(FOREIGN[4].1);
    let of_72 = parse("$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i");
    for length in 0..200 {
        let password = vec![b'x'; length];
        assert_eq!(of_71.verify(&password), length == 71, "{length}");
        assert!(!of_72.verify(&password), "{length}");
    }
}

#[test]
fn nothing_secret_is_shown() {
    for (_, text) in FOREIGN {
        let shown = format!("{:?}", parse(text));
        let digest = text.rsplit('$').next().unwrap();
        assert!(
            !shown.contains(digest) && !shown.contains("pepper"),
            "{shown}"
        );
        let broken = format!("{text}$");
        let error = broken
            .parse::<PasswordHash>()
            .err()
            .map(|e| format!("{e} {e:?}"));
        assert!(!error.unwrap_or_default().contains(digest));
    }
}

#[test]
fn a_password_hashes_to_what_verifies_it() {
    let text = hash(b"correct horse").unwrap();
    assert!(
        text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{text}"
    );
    assert_ne!(text, hash(b"correct horse").unwrap(), "the salt is random");
    assert!(parse(&text).verify(b"correct horse"));
    assert!(!parse(&text).verify(b"wrong"));
}

#[test]
fn what_can_not_log_in_is_not_hashed() {
    for password in [&b""[..], b"a\0b", &[b'x'; PASSWORD_BYTES]] {
        assert_eq!(hash(password), Err(HashError::Password));
    }
    assert!(hash(&[b'x'; PASSWORD_BYTES - 1]).is_ok());
}

proptest! {
    #[test]
    fn any_text_is_parsed_without_a_panic(text in r"(\$argon2id\$|\$2b\$|\$6\$)?\PC{0,90}") {
        _ = text.parse::<PasswordHash>();
    }

    #[test]
    fn only_the_password_itself_verifies(
        password in proptest::collection::vec(1_u8.., 1..64),
        other in proptest::collection::vec(1_u8.., 1..64),
    ) {
        let text = ::bcrypt::hash(&password, 4).unwrap();
        prop_assert!(parse(&text).verify(&password));
        prop_assert_eq!(parse(&text).verify(&other), password == other);
    }
}
