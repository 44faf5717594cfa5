//! Programs without a terminal.

use super::{exec, identity, outcome, restricted, run, session, settings};
use crate::auth::Restrictions;
use crate::backend::local::{KILL_AFTER, Local, Settings};
use crate::backend::{Backend as _, Exit, Process, Program};
use auditssh_log::message::ExitSignal;
use bytes::Bytes;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn output_and_errors_come_apart() {
    let outcome = run(&mut session().await, "echo out; echo err >&2; exit 7").await;
    assert_eq!(outcome.stdout, "out\n");
    assert_eq!(outcome.stderr, "err\n");
    assert_eq!(outcome.exit, Exit::Status(7));
}

#[tokio::test]
async fn every_exit_status_is_told() {
    for status in [0, 1, 127, 128, 200, 255] {
        let outcome = run(&mut session().await, &format!("exit {status}")).await;
        assert_eq!(outcome.exit, Exit::Status(status));
    }
}

#[tokio::test]
async fn death_by_a_signal_is_told_by_its_name() {
    for (name, core) in [
        ("TERM", false),
        ("KILL", false),
        ("USR1", false),
        ("PIPE", false),
    ] {
        let outcome = run(&mut session().await, &format!("kill -{name} $$")).await;
        let expected = ExitSignal {
            signal: name.into(),
            core_dumped: core,
            ..ExitSignal::default()
        };
        assert_eq!(outcome.exit, Exit::Signal(expected));
    }
    let outcome = run(&mut session().await, "kill -XCPU $$").await;
    let Exit::Signal(signal) = outcome.exit else {
        panic!("{outcome:?}")
    };
    assert_eq!(signal.signal, "SIG@openssh.com");
    assert_eq!(signal.error_message, "SIGXCPU");
}

#[tokio::test]
async fn a_shell_without_a_terminal_is_a_login_shell_that_reads_its_input() {
    let mut session = session().await;
    let mut process = session.start(Program::Shell).await.unwrap();
    let script = "echo $0 $- ; shopt -q login_shell && echo login\nexit 3\n";
    process.stdin.write_all(script.as_bytes()).await.unwrap();
    let outcome = outcome(process).await;
    assert!(outcome.stdout.starts_with("-bash"), "{outcome:?}");
    assert!(outcome.stdout.ends_with("login\n"), "{outcome:?}");
    assert_eq!(outcome.exit, Exit::Status(3));
}

#[tokio::test]
async fn input_ends_where_the_client_says() {
    let mut session = session().await;
    let mut process = session.start(exec("cat; echo end")).await.unwrap();
    process.stdin.write_all(b"some text\n").await.unwrap();
    process.stdin.shutdown().await.unwrap();
    assert!(process.stdin.write_all(b"late").await.is_err());
    let outcome = outcome(process).await;
    assert_eq!(outcome.stdout, "some text\nend\n");
}

#[tokio::test]
async fn output_can_end_long_before_the_program() {
    let session = &mut session().await;
    let mut process = session
        .start(exec("exec >&-; read line; exit 5"))
        .await
        .unwrap();
    let mut rest = Vec::new();
    process.stdout.read_to_end(&mut rest).await.unwrap();
    process.stdin.write_all(b"go\n").await.unwrap();
    assert_eq!(process.exit.await, Exit::Status(5));
}

#[tokio::test]
async fn commands_are_bytes() {
    let mut session = session().await;
    let command = Bytes::from_static(b"printf %s 'caf\xe9' | od -An -tx1");
    let outcome = outcome(session.start(Program::Exec(command)).await.unwrap()).await;
    assert_eq!(outcome.stdout.trim(), "63 61 66 e9");
}

#[tokio::test]
async fn a_command_with_a_zero_byte_is_refused() {
    let command = Program::Exec(Bytes::from_static(b"echo a\0b"));
    assert!(session().await.start(command).await.is_err());
}

#[tokio::test]
async fn a_channel_has_one_program() {
    let mut session = session().await;
    assert_eq!(run(&mut session, "true").await.exit, Exit::Status(0));
    assert!(session.start(exec("true")).await.is_err());
}

#[tokio::test]
async fn twenty_megabytes_arrive_whole_and_are_read_only_when_asked_for() {
    const BYTES: usize = 20 * 1024 * 1024;
    let command = format!("head -c {BYTES} /dev/zero");
    let mut session = session().await;
    let process = session.start(exec(&command)).await.unwrap();
    // Nobody reads: the program stands still and is not ended.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let Process {
        mut stdout, exit, ..
    } = process;
    let mut exit = exit;
    assert!(futures::poll!(&mut exit).is_pending());
    let mut buffer = vec![1; 64 * 1024];
    let mut total = 0;
    loop {
        match stdout.read(&mut buffer).await.unwrap() {
            0 => break,
            count => total += count,
        }
    }
    assert_eq!((total, exit.await), (BYTES, Exit::Status(0)));
}

#[tokio::test]
async fn what_was_written_before_the_end_is_delivered_to_a_slow_reader() {
    let mut session = session().await;
    let command = "head -c 60000 /dev/zero; sleep 1 & exit 4";
    let Process {
        mut stdout, exit, ..
    } = session.start(exec(command)).await.unwrap();
    assert_eq!(exit.await, Exit::Status(4));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest.len(), 60000);
}

#[tokio::test]
async fn children_that_outlive_the_program_are_listened_to() {
    let outcome = run(&mut session().await, "(sleep 1; echo late) & echo early").await;
    assert_eq!(outcome.stdout, "early\nlate\n");
    assert_eq!(outcome.exit, Exit::Status(0));
}

#[tokio::test]
async fn who_no_longer_listens_is_told_by_a_closed_pipe() {
    let mut session = session().await;
    let mut process = session.start(exec("yes & echo $!")).await.unwrap();
    let child = first_line(&mut process).await;
    drop((session, process));
    gone(&child).await;
}

#[tokio::test]
async fn signals_reach_the_whole_group() {
    let mut session = session().await;
    let command = "trap 'exit 42' USR1; sleep 1000 & echo $!; wait";
    let mut process = session.start(exec(command)).await.unwrap();
    let child = first_line(&mut process).await;
    let name = Path::new("/proc").join(&child).join("comm");
    while fs::read_to_string(&name).unwrap() != "sleep\n" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(
        session.signal("WINCH").await.is_err(),
        "not in the protocol"
    );
    session.signal("USR1").await.unwrap();
    assert_eq!(outcome(process).await.exit, Exit::Status(42));
    gone(&child).await;
    assert!(session.signal("TERM").await.is_err(), "it has ended");
}

#[tokio::test]
async fn a_dropped_session_ends_what_it_started() {
    let begin = Instant::now();
    let local = Local::new(settings()).unwrap();
    let connection = local.connect(identity("demo")).await.unwrap();
    let mut session = connection.open_session().await.unwrap();
    let mut process = session
        .start(exec("sleep 1001 & echo $!; wait"))
        .await
        .unwrap();
    let child = first_line(&mut process).await;
    drop(session);
    local.drained().await;
    assert!(matches!(process.exit.await, Exit::Signal(s) if s.signal == "HUP"));
    assert!(begin.elapsed() < KILL_AFTER);
    gone(&child).await;
}

#[tokio::test]
async fn what_ignores_the_hangup_is_killed() {
    let local = Local::new(settings()).unwrap();
    let connection = local.connect(identity("demo")).await.unwrap();
    let mut session = connection.open_session().await.unwrap();
    let command = "trap '' HUP TERM; sleep 1002 & echo $!; wait";
    let mut process = session.start(exec(command)).await.unwrap();
    let child = first_line(&mut process).await;
    drop(session);
    local.drained().await;
    assert!(matches!(process.exit.await, Exit::Signal(s) if s.signal == "KILL"));
    gone(&child).await;
}

#[tokio::test]
async fn the_environment_is_the_one_of_sshd() {
    // Not bash, which reads the account's own files under SSH.
    let settings = Settings {
        shell: Some("/bin/sh".into()),
        ..settings()
    };
    let connection = super::connect(settings, identity("demo")).await;
    let mut session = connection.open_session().await.unwrap();
    session.env(b"LC_ALL", b"C.UTF-8").await.unwrap();
    session.env(b"LANG", b"caf\xe9").await.unwrap();
    for name in [
        &b"PATH"[..],
        b"LD_PRELOAD",
        b"BASH_ENV",
        b"",
        b"LC_=X",
        b"LC_\0",
    ] {
        assert!(session.env(name, b"x").await.is_err(), "{name:?}");
    }
    assert!(session.env(b"LC_TIME", b"a\0b").await.is_err());
    let process = session.start(exec("env -0")).await.unwrap();
    let Process { mut stdout, .. } = process;
    let mut bytes = Vec::new();
    stdout.read_to_end(&mut bytes).await.unwrap();
    let mut variables: Vec<_> = bytes
        .split(|byte| *byte == 0)
        .filter(|v| !v.is_empty() && !v.starts_with(b"TZ=") && !v.starts_with(b"_="))
        .filter(|v| !v.starts_with(b"SHLVL=") && !v.starts_with(b"PWD="))
        .map(|v| v.escape_ascii().to_string())
        .collect();
    variables.sort();
    let expected = [
        "HOME=/root",
        "LANG=caf\\xe9",
        "LC_ALL=C.UTF-8",
        "LOGNAME=root",
        "MAIL=/var/mail/root",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "SHELL=/bin/sh",
        "SSH_CLIENT=192.0.2.7 40000 2222",
        "SSH_CONNECTION=192.0.2.7 40000 198.51.100.1 2222",
        "USER=root",
    ];
    assert_eq!(variables, expected);
}

#[tokio::test]
async fn a_forced_command_takes_the_place_of_every_other() {
    let restrictions = || Restrictions {
        command: Some("echo \"forced: $SSH_ORIGINAL_COMMAND $COLOUR\"".to_owned()),
        environment: vec![("COLOUR".to_owned(), "blue".to_owned())],
        ..Restrictions::default()
    };
    let mut one = restricted(restrictions()).await;
    assert_eq!(
        run(&mut one, "rm -rf *").await.stdout,
        "forced: rm -rf * blue\n"
    );
    let mut two = restricted(restrictions()).await;
    let shell = outcome(two.start(Program::Shell).await.unwrap()).await;
    assert_eq!(shell.stdout, "forced:  blue\n");
}

#[tokio::test]
async fn children_start_clean() {
    // A signal that is blocked and one that is ignored here, and a descriptor without CLOEXEC.
    use nix::sys::signal::{SigSet, Signal};
    SigSet::from(Signal::SIGUSR2).thread_block().unwrap();
    let leak = fs::File::open("/etc/hostname").unwrap();
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    let outcome = run(
        &mut session().await,
        "ls /proc/self/fd; grep -E '^Sig(Blk|Ign)' /proc/self/status; umask",
    )
    .await;
    let lines: Vec<_> = outcome.stdout.lines().collect();
    // 3 is the directory that `ls` reads.
    assert_eq!(lines[..4], ["0", "1", "2", "3"], "{lines:?}");
    assert_eq!(lines[4], "SigBlk:\t0000000000000000");
    let ignored = lines[5].strip_prefix("SigIgn:\t").unwrap();
    let ignored = u64::from_str_radix(ignored, 16).unwrap();
    // The C library keeps 32 and 33 for itself and changes them for nobody.
    assert_eq!(ignored & !(0b11 << 31), 0, "{lines:?}");
    assert_eq!(lines[6], "0022");
    drop(leak);
}

#[tokio::test]
async fn the_limit_on_files_is_the_one_told() {
    let mut settings = settings();
    settings.open_files = Some(321);
    let connection = super::connect(settings, identity("demo")).await;
    let mut session = connection.open_session().await.unwrap();
    assert_eq!(run(&mut session, "ulimit -Sn").await.stdout, "321\n");
    let hard = run(&mut super::session().await, "ulimit -Hn").await.stdout;
    assert_ne!(hard, "321\n");
}

#[tokio::test]
async fn the_subsystem_sftp_answers() {
    let mut session = session().await;
    let program = Program::Subsystem("sftp".to_owned());
    speaks_sftp(session.start(program).await.unwrap()).await;
}

#[tokio::test]
async fn sshds_own_sftp_server_is_the_subsystem() {
    let mut settings = settings();
    let sftp = "internal-sftp -l ERROR".to_owned();
    settings.subsystems.insert("sftp".to_owned(), sftp.clone());
    let mut forced = identity("demo");
    forced.restrictions.command = Some(sftp);
    for identity in [identity("demo"), forced] {
        let connection = super::connect(settings.clone(), identity).await;
        let mut session = connection.open_session().await.unwrap();
        let program = Program::Subsystem("sftp".to_owned());
        speaks_sftp(session.start(program).await.unwrap()).await;
    }
}

#[tokio::test]
async fn sshds_own_sftp_server_needs_no_shell_and_lets_nothing_else_run() {
    let mut forced = identity("demo");
    forced.restrictions.command = Some("internal-sftp".to_owned());
    let settings = Settings {
        shell: Some("/usr/sbin/nologin".into()),
        ..settings()
    };
    let connection = super::connect(settings, forced).await;
    let mut session = connection.open_session().await.unwrap();
    let program = Program::Subsystem("sftp".to_owned());
    speaks_sftp(session.start(program).await.unwrap()).await;
    let mut session = connection.open_session().await.unwrap();
    let refused = outcome(session.start(exec("ls")).await.unwrap()).await;
    assert_eq!(refused.exit, Exit::Status(1));
    assert!(
        refused.stdout.contains("sftp connections only"),
        "{refused:?}"
    );
}

async fn speaks_sftp(mut process: Process) {
    // SSH_FXP_INIT, version 3; the answer is SSH_FXP_VERSION.
    process
        .stdin
        .write_all(&[0, 0, 0, 5, 1, 0, 0, 0, 3])
        .await
        .unwrap();
    let mut answer = [0; 9];
    process.stdout.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer.get(4..).unwrap(), [2, 0, 0, 0, 3]);
    process.stdin.shutdown().await.unwrap();
    assert_eq!(outcome(process).await.exit, Exit::Status(0));
}

#[tokio::test]
async fn a_home_that_is_missing_is_replaced_by_the_root() {
    use crate::backend::local::{account::Account, spawn};
    let mut account = Account::own(None).unwrap();
    account.home = "/nonexistent/home".into();
    let mut command = std::process::Command::new("/bin/pwd");
    let (mut out, stdout) = std::io::pipe().unwrap();
    let (mut err, stderr) = std::io::pipe().unwrap();
    command.stdout(stdout).stderr(stderr);
    let mut child = spawn::spawn(command, &account, false, None).unwrap();
    assert!(child.wait().unwrap().success());
    let read = |from: &mut std::io::PipeReader| std::io::read_to_string(from).unwrap();
    assert_eq!(read(&mut out), "/\n");
    assert!(read(&mut err).contains("/nonexistent/home"));
}

#[tokio::test]
async fn a_start_that_nobody_waits_for_leaves_nothing_running() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let mut session = session().await;
    let command = format!("echo $$ > {}; exec sleep 1007", file.display());
    let mut start = session.start(exec(&command));
    assert!(futures::poll!(&mut start).is_pending());
    drop(start);
    // Meanwhile it has started or is starting. It may be ended before it writes its number.
    tokio::time::sleep(Duration::from_secs(1)).await;
    if let Ok(pid) = fs::read_to_string(file)
        && !pid.is_empty()
    {
        gone(pid.trim()).await;
    }
    let sleeping = run(&mut super::session().await, "pgrep -fx 'sleep 1007'").await;
    assert_eq!(sleeping.stdout, "");
}

async fn first_line(process: &mut Process) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        line.push(process.stdout.read_u8().await.unwrap());
    }
    String::from_utf8(line).unwrap().trim().to_owned()
}

/// Waits until a process is no more.
pub(super) async fn gone(pid: &str) {
    let begin = Instant::now();
    while Path::new("/proc").join(pid).exists() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if stat.contains(") Z ") {
            return; // Its own parent has yet to collect it.
        }
        assert!(begin.elapsed() < super::PATIENCE, "{pid} still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
