use super::{granted, one, refused};
use crate::auth::{HASH_KINDS, Method, PASSWORD_BYTES, Refusal, User, Users, UsersError, hash};
use std::time::{Duration, Instant};

fn user(hash: &str) -> User {
    User {
        password: Some(hash.parse().unwrap()),
        ..User::default()
    }
}

fn bcrypt(password: &str, cost: u32) -> String {
    ::bcrypt::hash(password, cost).unwrap()
}

/// Alice with argon2id, bob with bcrypt, carol without a password.
fn users() -> Users {
    let users = [
        ("alice".to_owned(), user(&hash(b"of alice").unwrap())),
        ("bob".to_owned(), user(&bcrypt("of bob", 8))),
        ("carol".to_owned(), User::default()),
    ];
    Users::new(users, Vec::new()).unwrap()
}

#[test]
fn each_user_has_one_password() {
    let users = users();
    let grant = granted(Ok(users.password("alice", b"of alice")));
    assert_eq!((grant.method, grant.fingerprint), (Method::Password, None));
    granted(Ok(users.password("bob", b"of bob")));
    for (user, password, expected) in [
        ("alice", "of bob", Refusal::WrongPassword),
        ("bob", "of alice", Refusal::WrongPassword),
        ("carol", "of alice", Refusal::NoPassword),
        ("mallory", "of alice", Refusal::UnknownUser),
        ("Alice", "of alice", Refusal::UnknownUser),
        ("", "of alice", Refusal::UnknownUser),
    ] {
        let refusal = refused(Ok(users.password(user, password.as_bytes())));
        assert_eq!(refusal, expected, "{user} {password}");
    }
}

#[test]
fn no_length_of_a_wrong_password_lets_in() {
    let users = one(user(&bcrypt("right", 4)));
    for length in 0..=4096 {
        let refusal = refused(Ok(users.password("alice", &vec![b'x'; length])));
        let looked_at = (1..PASSWORD_BYTES).contains(&length);
        let expected = if looked_at {
            Refusal::WrongPassword
        } else {
            Refusal::PasswordForm
        };
        assert_eq!(refusal, expected, "{length}");
    }
}

#[test]
fn a_zero_byte_is_refused() {
    // bcrypt repeats its key with a zero byte between: these would be the same to it.
    let users = one(user(&bcrypt("a", 4)));
    granted(Ok(users.password("alice", b"a")));
    assert_eq!(
        refused(Ok(users.password("alice", b"a\0a"))),
        Refusal::PasswordForm
    );
}

#[test]
fn users_can_not_be_told_apart_by_time() {
    let users = users();
    let cases: [(&str, &[u8]); 6] = [
        ("alice", b"wrong"),
        ("alice", b"of alice"),
        ("bob", b"wrong"),
        ("bob", b"of bob"),
        ("carol", b"wrong"),
        ("mallory", b"wrong"),
    ];
    // Taken in turns, and of this thread alone, so that what else runs here changes nothing.
    let mut fastest = [Duration::MAX; 6];
    for _ in 0..15 {
        for ((user, password), fastest) in cases.iter().zip(&mut fastest) {
            let begin = thread_time();
            let _ = std::hint::black_box(users.password(user, password));
            *fastest = thread_time().saturating_sub(begin).min(*fastest);
        }
    }
    let wrong = fastest[0];
    assert!(wrong > Duration::from_millis(2), "it computes: {wrong:?}");
    for ((user, _), time) in cases.iter().zip(fastest) {
        let ratio = time.as_secs_f64() / wrong.as_secs_f64();
        assert!(
            (0.7..1.4).contains(&ratio),
            "{user}: {time:?}, not {wrong:?}"
        );
    }
}

/// The processor time of this thread.
fn thread_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap()
}

#[test]
fn without_any_password_nothing_is_computed() {
    let users = one(User::default());
    let begin = Instant::now();
    assert_eq!(
        refused(Ok(users.password("alice", b"x"))),
        Refusal::NoPassword
    );
    assert!(begin.elapsed() < Duration::from_millis(50));
}

#[test]
fn too_many_kinds_of_hashes_are_refused() {
    let users = |count: usize| {
        let hash = |n| format!("$6$rounds={}$salt${}", 1000 + n, "a".repeat(86));
        let users = (0..count).map(move |n| (n.to_string(), user(&hash(n))));
        Users::new(users, Vec::new()).map(|_| ())
    };
    assert_eq!(users(HASH_KINDS), Ok(()));
    let refused = users(HASH_KINDS + 1).unwrap_err();
    assert_eq!(refused, UsersError::HashKinds(HASH_KINDS + 1));
    assert!(refused.to_string().contains("hash-password"));
}

#[test]
fn nothing_secret_is_shown() {
    let text = hash(b"of alice").unwrap();
    let digest = text.rsplit('$').next().unwrap();
    let shown = format!("{:?} {:?}", user(&text), one(user(&text)));
    assert!(!shown.contains(digest), "{shown}");
}
