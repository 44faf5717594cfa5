//! Programs under the account of the login name. These tests make accounts and need root.

use super::{Local, PATIENCE, RunAs, Settings, identity, run, terminal};
use crate::backend::{Backend as _, Exit, Refused, Session};
use std::process::Command;

/// An account of a test, with its home; removed again at the end.
struct TestAccount(String);

impl TestAccount {
    fn create(tag: &str, options: &[&str]) -> Self {
        let name = format!("as{tag}{}", std::process::id());
        tool(
            "useradd",
            &[&["-m", "-s", "/bin/bash"], options, &[&name]].concat(),
        );
        Self(name)
    }
}

impl Drop for TestAccount {
    fn drop(&mut self) {
        tool("userdel", &["-r", "-f", &self.0]);
    }
}

fn tool(program: &str, arguments: &[&str]) {
    // The account tools lock their files and give up when another one runs.
    for _ in 0..50 {
        if Command::new(program)
            .args(arguments)
            .output()
            .unwrap()
            .status
            .success()
        {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("{program} {arguments:?} failed; these tests run as root with the package passwd");
}

fn login() -> Settings {
    Settings {
        run_as: RunAs::Login,
        ..Settings::default()
    }
}

async fn session_of(user: &str) -> Result<Box<dyn Session>, Refused> {
    let connection = Local::new(login()).unwrap().connect(identity(user)).await?;
    connection.open_session().await
}

#[tokio::test]
async fn the_server_becomes_the_account_for_good() {
    let account = TestAccount::create("a", &["-G", "tty,daemon"]);
    let mut session = session_of(&account.0).await.unwrap();
    let command = "id -un; id -Gn; pwd; echo $HOME $USER $LOGNAME $SHELL $MAIL; echo $PATH; \
                   grep -E '^(Uid|Gid|CapEff)' /proc/self/status; cat /etc/shadow";
    let outcome = run(&mut session, command).await;
    let lines: Vec<_> = outcome.stdout.lines().collect();
    let name = &account.0;
    let uid = Command::new("id")
        .args(["-u", name])
        .output()
        .unwrap()
        .stdout;
    let uid = String::from_utf8(uid).unwrap().trim().to_owned();
    assert_eq!(lines[0], name);
    let mut groups: Vec<_> = lines[1].split(' ').collect();
    groups.sort_unstable();
    assert_eq!(groups, [&**name, "daemon", "tty"]);
    assert_eq!(lines[2], format!("/home/{name}"));
    let who = format!("/home/{name} {name} {name} /bin/bash /var/mail/{name}");
    assert_eq!(lines[3], who);
    assert_eq!(lines[4], "/usr/local/bin:/usr/bin:/bin:/usr/games");
    assert_eq!(lines[5], format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}"));
    assert!(
        lines[6].starts_with("Gid:") && !lines[6].contains("\t0"),
        "{}",
        lines[6]
    );
    assert_eq!(lines[7], "CapEff:\t0000000000000000");
    assert!(outcome.stderr.contains("Permission denied"), "{outcome:?}");
    assert_eq!(outcome.exit, Exit::Status(1));
}

#[tokio::test]
async fn the_terminal_belongs_to_the_account() {
    let account = TestAccount::create("t", &[]);
    let mut session = session_of(&account.0).await.unwrap();
    session.pty(&terminal(80, 24, &[])).await.unwrap();
    let outcome = run(
        &mut session,
        "stat -c '%U %G %a' $SSH_TTY; echo x > $SSH_TTY",
    )
    .await;
    assert_eq!(outcome.stdout, format!("{} tty 620\r\nx\r\n", account.0));
}

#[tokio::test]
async fn the_pipes_belong_to_the_account() {
    let account = TestAccount::create("h", &[]);
    let mut session = session_of(&account.0).await.unwrap();
    let command = "echo out > /dev/stdout; echo err > /dev/stderr; : < /dev/stdin; echo $?";
    let outcome = run(&mut session, command).await;
    assert_eq!((&*outcome.stdout, &*outcome.stderr), ("out\n0\n", "err\n"));
}

#[tokio::test]
async fn root_is_let_in_only_where_allowed() {
    let refused = session_of("root").await.err().unwrap();
    assert!(refused.reason().contains("local.allowRoot"), "{refused}");
    assert!(!refused.for_user().contains("allowRoot"), "{refused}");
    let settings = Settings {
        allow_root: true,
        ..login()
    };
    let connection = Local::new(settings)
        .unwrap()
        .connect(identity("root"))
        .await
        .unwrap();
    let mut session = connection.open_session().await.unwrap();
    assert_eq!(run(&mut session, "id -u").await.stdout, "0\n");
}

#[tokio::test]
async fn names_without_an_account_are_refused() {
    for name in ["no-such-account", "", "a\nb", "root:x"] {
        let text = session_of(name).await.err().unwrap().to_string();
        assert!(text.contains("useradd"), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }
}

#[tokio::test]
async fn expired_and_locked_accounts_are_refused() {
    let account = TestAccount::create("e", &["-e", "2001-01-01"]);
    let text = session_of(&account.0).await.err().unwrap().to_string();
    assert!(text.contains("expired"), "{text}");

    let account = TestAccount::create("l", &["-p", "!$6$abc$def"]);
    let text = session_of(&account.0).await.err().unwrap().to_string();
    assert!(text.contains("locked"), "{text}");
}

#[tokio::test]
async fn a_shell_that_says_no_says_it() {
    let account = TestAccount::create("n", &["-s", "/usr/sbin/nologin"]);
    let mut session = session_of(&account.0).await.unwrap();
    let outcome = run(&mut session, "id").await;
    assert!(outcome.stdout.contains("not available"), "{outcome:?}");
    assert_eq!(outcome.exit, Exit::Status(1));
}

#[tokio::test]
async fn signals_and_the_end_reach_other_accounts() {
    let account = TestAccount::create("s", &[]);
    let mut session = session_of(&account.0).await.unwrap();
    let program = super::exec("sleep 1005");
    let process = session.start(program).await.unwrap();
    drop(session);
    let exit = tokio::time::timeout(PATIENCE, process.exit).await.unwrap();
    assert!(matches!(exit, Exit::Signal(s) if s.signal == "HUP"));
}

#[tokio::test]
async fn a_named_account_serves_everyone() {
    let named = |name: &str| {
        Local::new(Settings {
            run_as: RunAs::Named(name.to_owned()),
            shell: Some("/bin/bash".into()),
            ..Settings::default()
        })
    };
    let connection = named("nobody").unwrap().connect(identity("demo")).await;
    let mut session = connection.unwrap().open_session().await.unwrap();
    let command = "id -un; id -Gn; pwd; grep CapEff /proc/self/status; cat /etc/shadow";
    let outcome = run(&mut session, command).await;
    let expected = "nobody\nnogroup\n/\nCapEff:\t0000000000000000\n";
    assert_eq!(outcome.stdout, expected);
    assert!(outcome.stderr.contains("Permission denied"), "{outcome:?}");
    for (name, expected) in [("root", "is root"), ("none such", "no Unix account")] {
        let refused = named(name).err().unwrap().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
}
