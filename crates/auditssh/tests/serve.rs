//! `auditssh serve` as a process: its first words, its signals, its second instance.

#![expect(clippy::unwrap_used, reason = "a test")]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// No step takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server on its embedded default, on a free port; killed with the value.
struct Demo {
    directory: TempDir,
    process: Child,
    /// What it printed on standard output up to the command that reads the log.
    greeting: String,
    address: SocketAddr,
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auditssh"));
    command
        .stdin(Stdio::null())
        .env_remove("AUDITSSH_LOG")
        .env_remove("NOTIFY_SOCKET");
    command
}

impl Demo {
    fn start(configure: impl FnOnce(&mut Command, &Path)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = program();
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(directory.path().join("log")).unwrap());
        configure(&mut command, directory.path());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let mut greeting = String::new();
        while !greeting.contains("ends the server") {
            assert!(lines.read_line(&mut greeting).unwrap() > 0, "{greeting}");
        }
        let (_, after) = greeting.split_once("listens on ").unwrap();
        let address = after.split(' ').next().unwrap().parse().unwrap();
        Self {
            directory,
            process,
            greeting,
            address,
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id().cast_signed()), signal).unwrap();
    }

    fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    fn password(&self) -> &str {
        let (_, after) = self.greeting.split_once("password\n\n").unwrap();
        after.lines().next().unwrap().trim()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_embedded_default_greets_listens_and_ends() {
    let mut demo = Demo::start(|_, _| {});
    let mut banner = [0; 16];
    let mut client = TcpStream::connect(demo.address).unwrap();
    client.read_exact(&mut banner).unwrap();
    assert_eq!(&banner, b"SSH-2.0-AuditSSH");
    drop(client);
    let port = demo.address.port();
    assert!(
        demo.greeting.contains(&format!("    ssh -p {port} ")),
        "{}",
        demo.greeting
    );
    assert!(demo.greeting.contains("decode --text"), "{}", demo.greeting);
    assert_eq!(demo.password().len(), 19);

    let data = demo.directory.path().join("auditssh-data");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("audit")), 0o700);
    assert_eq!(mode(&data.join("ssh_host_ed25519_key")), 0o600);

    demo.signal(Signal::SIGTERM);
    assert_eq!(demo.ended().code(), Some(0));
    let log = demo.log();
    assert!(log.contains("listening") && log.contains("ended"), "{log}");
    assert!(
        !log.contains(demo.password()),
        "the password stands in the log"
    );
    assert!(!log.contains('\u{1b}'), "colours in a file");
}

#[test]
fn the_host_key_stays_and_the_password_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut demo = Demo::start(|command, _| {
            command.arg("--data-dir").arg(&data);
        });
        demo.signal(Signal::SIGINT);
        assert_eq!(demo.ended().code(), Some(0));
        let key = std::fs::read(data.join("ssh_host_ed25519_key")).unwrap();
        seen.push((key, demo.password().to_owned()));
    }
    assert_eq!(seen[0].0, seen[1].0);
    assert_ne!(seen[0].1, seen[1].1);
}

#[test]
fn a_second_instance_is_refused_with_a_status_of_its_own() {
    let demo = Demo::start(|_, _| {});
    let second = program()
        .args(["serve", "--listen", "127.0.0.1:0"])
        .current_dir(demo.directory.path())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(3));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(
        said.starts_with("auditssh: ") && said.contains("auditssh-data/audit"),
        "{said}"
    );
    assert!(second.stdout.is_empty(), "it must not greet");
}

#[test]
fn a_port_in_use_is_named() {
    let demo = Demo::start(|_, _| {});
    let other = tempfile::tempdir().unwrap();
    let address = demo.address.to_string();
    let second = program()
        .args(["serve", "--listen", &address])
        .current_dir(other.path())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains(&address) && said.contains("in use"), "{said}");
    assert!(said.contains("ss -ltnp"), "{said}");
}

#[test]
fn an_address_of_another_machine_is_named_with_a_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let output = program()
        .args(["serve", "--listen", "192.0.2.1:2222"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("192.0.2.1:2222") && said.contains("no such address"),
        "{said}"
    );
}

#[test]
fn what_was_counted_is_told_when_asked_and_at_the_end() {
    let mut demo = Demo::start(|_, _| {});
    drop(TcpStream::connect(demo.address).unwrap());
    let counted = |demo: &Demo| demo.log().matches("counted of connections").count();
    let until = Instant::now() + PATIENCE;
    while counted(&demo) == 0 || !demo.log().contains("connections=1") {
        assert!(Instant::now() < until, "{}", demo.log());
        demo.signal(Signal::SIGUSR1);
        std::thread::sleep(Duration::from_millis(50));
    }
    let before = counted(&demo);
    demo.signal(Signal::SIGTERM);
    assert_eq!(demo.ended().code(), Some(0));
    let log = demo.log();
    assert!(counted(&demo) > before, "{log}");
    assert!(
        log.contains("counted of logs") && log.contains("begun=1"),
        "{log}"
    );
    assert!(
        !log.contains("panics") && !log.contains("counted of uploads"),
        "{log}"
    );
    assert!(log.contains("limits.connections follows from"), "{log}");
}

#[test]
fn the_service_manager_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let received = || {
        let mut buffer = [0; 200];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let mut demo = Demo::start(|command, _| {
        command.env("NOTIFY_SOCKET", &path);
    });
    assert_eq!(received(), "READY=1\n");
    demo.signal(Signal::SIGTERM);
    assert_eq!(received(), "STOPPING=1\n");
    assert_eq!(demo.ended().code(), Some(0));
}

#[test]
fn the_log_can_be_json_without_colours() {
    let directory = tempfile::tempdir().unwrap();
    let made = program()
        .args(["config", "check", "/dev/null"])
        .output()
        .unwrap();
    assert_eq!(made.status.code(), Some(0), "an empty configuration is one");
    let key = directory.path().join("key");
    let keygen = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status()
        .unwrap();
    assert!(keygen.success());
    let file = directory.path().join("config.yaml");
    let text = format!(
        "log: {{format: json}}\nlocal: {{allowRoot: true}}\nssh: {{listen: \"127.0.0.1:0\", hostkeys: [\"{}\"]}}\n",
        key.display()
    );
    std::fs::write(&file, text).unwrap();
    let mut process = program()
        .args(["serve", "--config"])
        .arg(&file)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut next = |wanted: &str| {
        for line in lines.by_ref() {
            let line = line.unwrap();
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            if event["message"].as_str().unwrap().contains(wanted) {
                return event;
            }
        }
        panic!("nothing about {wanted}");
    };
    assert_eq!(next("nothing is recorded")["level"], "WARN");
    next("listening");
    // A broken file changes nothing, and is named; a good one is taken.
    let pid = Pid::from_raw(process.id().cast_signed());
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "usres: {}").unwrap();
    kill(pid, Signal::SIGHUP).unwrap();
    let event = next("not reloaded");
    assert_eq!(event["level"], "ERROR");
    assert!(
        event["message"]
            .as_str()
            .unwrap()
            .contains("config.yaml:1:1: unknown key `usres`")
    );
    std::fs::write(&file, good).unwrap();
    kill(pid, Signal::SIGHUP).unwrap();
    next("reloaded");
    kill(pid, Signal::SIGTERM).unwrap();
    next("ended");
    assert_eq!(process.wait().unwrap().code(), Some(0));
}
