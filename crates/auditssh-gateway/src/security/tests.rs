use super::*;
use crate::auth::Restrictions;
use crate::backend::{Program, Refused};
use auditssh_log::extension::Forced;
use bytes::Bytes;
use std::sync::Arc;

const MODES: [Mode; 3] = [Mode::Enable, Mode::Filter, Mode::Disable];

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|&text| text.to_owned()).collect()
}

fn filter(mode: Mode, allow: &[&str], deny: &[&str]) -> Filter {
    Filter {
        mode,
        allow: texts(allow),
        deny: texts(deny),
    }
}

fn guard(security: Security, key: &Restrictions) -> Guard {
    Guard::new(Arc::new(security), key)
}

fn open(security: Security) -> Guard {
    guard(security, &Restrictions::default())
}

fn by_key(command: &str) -> Restrictions {
    Restrictions {
        command: Some(command.to_owned()),
        ..Restrictions::default()
    }
}

fn exec(line: &str) -> Program {
    Program::Exec(Bytes::copy_from_slice(line.as_bytes()))
}

fn subsystem(name: &str) -> Program {
    Program::Subsystem(name.to_owned())
}

fn said<T: std::fmt::Debug>(result: Result<T, Refused>) -> String {
    result.unwrap_err().reason().to_owned()
}

/// What each mode makes of a name: in no list, allowed, denied, both.
#[test]
fn every_mode_judges_names_as_documented() {
    let (none, allowed, denied) = (Ok(()), Err(Barred::NotAllowed), Err(Barred::Denied));
    for (mode, expected) in [
        (Mode::Enable, [none, none, denied, denied]),
        (Mode::Filter, [allowed, none, allowed, denied]),
        (Mode::Disable, [Err(Barred::Disabled); 4]),
    ] {
        let filter = filter(mode, &["ALLOWED", "BOTH"], &["DENIED", "BOTH"]);
        let judged =
            ["OTHER", "ALLOWED", "DENIED", "BOTH"].map(|name| filter.judge(name.as_bytes()));
        assert_eq!(judged, expected, "{mode:?}");
    }
}

#[test]
fn a_filter_without_an_allow_list_is_as_strict_as_disable() {
    for name in [&b""[..], b"x", b"\xff"] {
        assert!(filter(Mode::Filter, &[], &[]).judge(name).is_err());
    }
}

#[test]
fn names_are_compared_exactly() {
    let allow = filter(Mode::Filter, &["LC_*", "git pull"], &[]);
    for name in [
        "LC_ALL",
        "lc_*",
        "LC_* ",
        "git  pull",
        "git pull; sh",
        "git pull\n",
        "git",
        "",
    ] {
        assert!(allow.judge(name.as_bytes()).is_err(), "{name:?}");
    }
    assert!(allow.judge(b"git pull").is_ok());
    let deny = filter(Mode::Enable, &[], &["LD_PRELOAD"]);
    assert!(deny.judge(b"LD_PRELOAD").is_err() && deny.judge(b"LD_PRELOAD\0").is_ok());
}

#[test]
fn by_default_everything_is_allowed() {
    let guard = open(Security::default());
    assert!(guard.env(b"ANY", b"x").is_ok() && guard.pty().is_ok() && guard.signal("KILL").is_ok());
    for program in [Program::Shell, exec("x"), subsystem("sftp")] {
        assert!(guard.program(&program).unwrap().is_none());
    }
}

#[test]
fn shell_and_terminal_have_nothing_to_filter_by() {
    for mode in MODES {
        let guard = open(Security {
            shell: mode,
            tty: mode,
            ..Security::default()
        });
        let allowed = mode == Mode::Enable;
        assert_eq!(guard.program(&Program::Shell).is_ok(), allowed, "{mode:?}");
        assert_eq!(guard.pty().is_ok(), allowed, "{mode:?}");
    }
}

/// One kind is switched off at a time: nothing else is.
#[test]
fn each_filter_is_about_its_own_kind() {
    let off = || filter(Mode::Disable, &[], &[]);
    let cases: [(&str, Security); 6] = [
        (
            "env",
            Security {
                env: off(),
                ..Security::default()
            },
        ),
        (
            "command",
            Security {
                command: off(),
                ..Security::default()
            },
        ),
        (
            "shell",
            Security {
                shell: Mode::Disable,
                ..Security::default()
            },
        ),
        (
            "subsystem",
            Security {
                subsystem: off(),
                ..Security::default()
            },
        ),
        (
            "tty",
            Security {
                tty: Mode::Disable,
                ..Security::default()
            },
        ),
        (
            "signal",
            Security {
                signal: off(),
                ..Security::default()
            },
        ),
    ];
    for (name, security) in cases {
        let guard = open(security);
        let judged = [
            ("env", guard.env(b"A", b"x").err()),
            ("command", guard.program(&exec("a")).err()),
            ("shell", guard.program(&Program::Shell).err()),
            ("subsystem", guard.program(&subsystem("a")).err()),
            ("tty", guard.pty().err()),
            ("signal", guard.signal("TERM").err()),
        ];
        for (kind, refused) in judged {
            assert_eq!(refused.is_some(), kind == name, "{kind} with {name} off");
            if let Some(refused) = refused {
                let said = refused.reason();
                assert!(said.contains(&format!("`security.{name}`")), "{said}");
            }
        }
    }
}

#[test]
fn refusals_name_the_list_and_repeat_nothing_of_the_client() {
    let lists = || filter(Mode::Filter, &["a"], &["d"]);
    let guard = open(Security {
        env: lists(),
        command: lists(),
        subsystem: lists(),
        signal: filter(Mode::Enable, &[], &["KILL"]),
        ..Security::default()
    });
    assert_eq!(
        said(guard.env(b"secret", b"x")),
        "not in `security.env.allow`"
    );
    assert_eq!(
        said(guard.program(&exec("secret"))),
        "not in `security.command.allow`"
    );
    assert_eq!(
        said(guard.program(&subsystem("x"))),
        "not in `security.subsystem.allow`"
    );
    assert_eq!(said(guard.signal("KILL")), "in `security.signal.deny`");
    let closed = open(Security {
        shell: Mode::Filter,
        ..Security::default()
    });
    assert_eq!(
        said(closed.program(&Program::Shell)),
        "disabled by `security.shell` or `security.defaultMode`"
    );
}

/// What runs, and who forced it, for each program that is asked for.
#[test]
fn a_forced_command_takes_the_place_of_every_program() {
    let configured = || Security {
        force_command: Some("c".to_owned()),
        ..Security::default()
    };
    for (security, key, expected) in [
        (Security::default(), Restrictions::default(), None),
        (
            configured(),
            Restrictions::default(),
            Some(("c", "configuration")),
        ),
        (Security::default(), by_key("k"), Some(("k", "key"))),
        // As with OpenSSH's ForceCommand.
        (configured(), by_key("k"), Some(("c", "configuration"))),
    ] {
        let guard = guard(security, &key);
        for program in [Program::Shell, exec("asked"), subsystem("sftp")] {
            let forced = guard.program(&program).unwrap();
            let expected = expected.map(|(command, by)| Forced {
                command: command.into(),
                by: by.into(),
            });
            assert_eq!(forced, expected, "{program:?}");
        }
        let imposed = guard.imposed(key).command;
        assert_eq!(imposed.as_deref(), expected.map(|(command, _)| command));
    }
}

#[test]
fn what_is_asked_for_is_filtered_even_if_something_else_runs() {
    let guard = open(Security {
        force_command: Some("c".to_owned()),
        command: filter(Mode::Filter, &["yes"], &[]),
        shell: Mode::Disable,
        subsystem: filter(Mode::Enable, &[], &["sftp"]),
        ..Security::default()
    });
    assert!(guard.program(&exec("yes")).unwrap().is_some());
    assert!(guard.program(&subsystem("other")).unwrap().is_some());
    for program in [exec("no"), exec("c"), Program::Shell, subsystem("sftp")] {
        assert!(guard.program(&program).is_err(), "{program:?}");
    }
}

/// Users may be able to write their own list of keys, by sftp for example.
#[test]
fn what_a_key_forces_must_be_allowed_too() {
    let sftp_only = |command| Security {
        command,
        shell: Mode::Disable,
        subsystem: filter(Mode::Filter, &["sftp"], &[]),
        ..Security::default()
    };
    for (command, allowed) in [
        (filter(Mode::Enable, &[], &[]), true),
        (filter(Mode::Filter, &["k"], &[]), true),
        (filter(Mode::Filter, &["other"], &[]), false),
        (filter(Mode::Disable, &[], &[]), false),
    ] {
        let guard = guard(sftp_only(command.clone()), &by_key("k"));
        assert_eq!(
            guard.program(&subsystem("sftp")).is_ok(),
            allowed,
            "{command:?}"
        );
    }
    // The configuration's own command needs no such leave.
    let guard = open(Security {
        force_command: Some("c".to_owned()),
        ..sftp_only(filter(Mode::Disable, &[], &[]))
    });
    assert!(guard.program(&subsystem("sftp")).is_ok());
}

#[test]
fn the_stricter_of_key_and_configuration_decides_on_terminals() {
    for (tty, pty, allowed) in [
        (Mode::Enable, true, true),
        (Mode::Enable, false, false),
        (Mode::Disable, true, false),
        (Mode::Disable, false, false),
    ] {
        let key = Restrictions {
            pty,
            ..Restrictions::default()
        };
        let guard = guard(
            Security {
                tty,
                ..Security::default()
            },
            &key,
        );
        assert_eq!(guard.pty().is_ok(), allowed, "{tty:?} {pty}");
        assert_eq!(guard.imposed(key.clone()), key);
    }
}

#[test]
fn signals_reach_what_the_configuration_forces_but_not_what_a_key_does() {
    let configured = || Security {
        force_command: Some("c".to_owned()),
        signal: filter(Mode::Filter, &["TERM"], &[]),
        ..Security::default()
    };
    let open = open(configured());
    assert!(open.signal("TERM").is_ok() && open.signal("KILL").is_err());
    assert!(guard(configured(), &by_key("k")).signal("TERM").is_ok());
    assert!(
        guard(Security::default(), &by_key("k"))
            .signal("TERM")
            .is_err()
    );
}

#[test]
fn the_original_command_is_never_the_clients_to_set() {
    let allow = ["SSH_ORIGINAL_COMMAND", "SSH_ORIGINAL_COMMANDS"];
    let guard = open(Security {
        env: filter(Mode::Filter, &allow, &[]),
        ..Security::default()
    });
    assert!(guard.env(b"SSH_ORIGINAL_COMMAND", b"x").is_err());
    assert!(guard.env(b"SSH_ORIGINAL_COMMANDS", b"x").is_ok());
}

/// sshd and C drop a zero byte at the end of a text: it would get past every `deny`.
#[test]
fn nothing_with_a_zero_byte_is_judged_by_what_stands_before_it() {
    let guard = open(Security {
        env: filter(Mode::Enable, &[], &["LD_PRELOAD"]),
        signal: filter(Mode::Enable, &[], &["KILL"]),
        subsystem: filter(Mode::Enable, &[], &["sftp"]),
        ..Security::default()
    });
    for (name, value) in [
        (&b"LD_PRELOAD\0"[..], &b"x"[..]),
        (b"SSH_ORIGINAL_COMMAND\0", b"x"),
        (b"A\0B", b"x"),
        (b"\0", b"x"),
        (b"A", b"x\0"),
        (b"A", b"x\0y"),
        (b"", b"x"),
        (b"LD_PRELOAD=x", b"x"),
        (b"=", b""),
    ] {
        assert!(guard.env(name, value).is_err(), "{name:?} {value:?}");
    }
    assert!(guard.env(b"A", b"").is_ok() && guard.env(b"A", b"=").is_ok());
    for name in ["KILL\0", "\0", "TERM\0KILL"] {
        assert!(said(guard.signal(name)).contains("zero byte"), "{name:?}");
    }
    for name in ["sftp\0", "\0", "x\0sftp"] {
        let told = said(guard.program(&subsystem(name)));
        assert!(told.contains("zero byte"), "{name:?}");
    }
}
