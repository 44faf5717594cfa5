use super::*;
use std::os::unix::fs::PermissionsExt;

#[test]
fn passwords_are_long_and_never_the_same() {
    let (one, two) = (password(), password());
    assert_eq!(one.len(), 19);
    assert_ne!(*one, *two);
}

#[test]
fn a_word_of_the_shell_is_quoted() {
    for (text, expected) in [
        ("/a/b-c.d", "/a/b-c.d"),
        ("/a b", "'/a b'"),
        ("it's", "'it'\\''s'"),
        ("$(x)", "'$(x)'"),
        ("", "''"),
    ] {
        assert_eq!(quoted(text), expected);
    }
}

#[test]
fn the_client_is_told_the_file_of_known_hosts_whatever_it_is_called() {
    for (path, expected) in [
        ("/a/b", " -o UserKnownHostsFile=/a/b"),
        ("/a b", " -o 'UserKnownHostsFile=\"/a b\"'"),
        ("/it's", " -o 'UserKnownHostsFile=\"/it'\\''s\"'"),
        (r#"/a"\b"#, r#" -o 'UserKnownHostsFile="/a\"\\b"'"#),
        ("/100%", " -o 'UserKnownHostsFile=/100%%'"),
        ("/$a", " -o 'UserKnownHostsFile=/$a'"),
        ("/${a}", ""),
        ("/a\nb", ""),
    ] {
        assert_eq!(known_hosts_option(Path::new(path)), expected, "{path}");
    }
}

#[test]
fn an_address_that_means_all_is_not_one_to_connect_to() {
    for (listened, reached) in [
        ("0.0.0.0", "127.0.0.1"),
        ("::", "::1"),
        ("10.0.0.1", "10.0.0.1"),
    ] {
        assert_eq!(
            reachable(listened.parse().unwrap()),
            reached.parse::<IpAddr>().unwrap()
        );
    }
}

#[test]
fn the_password_is_in_the_greeting_only() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let demo = Demo::new(&data, &[], false).unwrap();
    let key = HostKey::ephemeral().unwrap();
    let text = demo.greeting.text(LISTEN, &key).unwrap();
    let password = demo.greeting.password.as_str();
    assert_eq!(text.matches(password).count(), 1);
    assert!(text.contains("ssh -p 2222"), "{}", *text);
    assert!(text.contains(" demo@127.0.0.1\n"), "{}", *text);
    assert!(!format!("{:?}", demo.config).contains(password));
    for entry in fs::read_dir(&data).unwrap() {
        let content = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!content.contains(password));
    }
    assert_eq!(
        fs::metadata(&data).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let known = fs::read_to_string(data.join("known_hosts")).unwrap();
    assert_eq!(known, format!("[127.0.0.1]:2222 {}\n", key.public()));
}

#[test]
fn a_directory_that_was_there_keeps_its_mode() {
    let directory = tempfile::tempdir().unwrap();
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&directory, open).unwrap();
    Demo::new(directory.path(), &[], false).unwrap();
    let mode = fs::metadata(&directory).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
}

#[test]
fn root_runs_nothing_as_root_unless_told() {
    assert!(Uid::effective().is_root(), "these tests run as root");
    assert_eq!(local(false).run_as, RunAs::Named("nobody".into()));
    assert!(!local(false).allow_root);
    assert_eq!(local(true).run_as, RunAs::Own);
    assert!(local(true).allow_root);
}
