use super::*;
use crate::config::raw::Format;
use auditssh_view::cast::Version;
use std::fs;
use tempfile::TempDir;

const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuBKC1Ka9OJTQpMStJDGlaSYVcpkZXrqq";
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ alice";

mod containerssh;
mod monitor;
mod s3;
mod security;

fn written(text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.yaml");
    fs::write(&file, text).unwrap();
    (directory, file)
}

/// What is said of a configuration, without the name of its file.
fn faults(text: &str) -> Vec<String> {
    let (_directory, file) = written(text);
    let ConfigError(faults) = Config::load(&file).unwrap_err();
    faults.iter().map(|(_, fault)| fault.to_string()).collect()
}

fn loaded(text: &str) -> Loaded {
    let (_directory, file) = written(text);
    Config::load(&file).unwrap()
}

fn warnings(text: &str) -> String {
    let texts = loaded(text).warnings.into_iter();
    texts
        .map(|(_, fault)| fault.to_string())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_documented_audit_block_is_served() {
    let text = "\
audit:
  format: audit
  storage: file
  intercept: {stdin: echoed, stdout: true, stderr: true, passwords: false}
  file: {directory: /tmp/logs, group: adm, allowInsecureDirectory: true}
  sync: always
  sealInterval: 30s
  onFailure: continue
";
    let audit = loaded(text).config.audit.remove(0);
    assert_eq!(audit.format, crate::config::raw::Format::Audit);
    assert!(audit.intercept.stdout && !audit.intercept.passwords);
    assert_eq!(audit.intercept.stdin, auditssh_log::policy::Stdin::Echoed);
    assert_eq!(audit.directory.path, Path::new("/tmp/logs"));
    assert_eq!(audit.durability, Durability::Always);
    assert_eq!(audit.seal_interval.as_secs(), 30);
}

#[test]
fn type_is_another_name_for_storage() {
    for text in [
        "audit: {format: binary, type: file}",
        "audit: {format: binary, type: file, storage: file}",
    ] {
        assert!(!loaded(text).config.audit.is_empty(), "{text}");
    }
    assert_eq!(
        faults("audit:\n  format: audit\n  storage: file\n  type: none\n"),
        [
            "4:9: `audit.type` and `storage` are two names of one setting but differ; remove one of them"
        ]
    );
}

#[test]
fn nothing_is_kept_unless_both_form_and_place_are_given() {
    for text in [
        "",
        "audit: {format: audit}",
        "audit: {storage: file}",
        "audit: {format: none, storage: file}",
        "audit: {format: audit, storage: none}",
        "audit: {format: audit, storage: file, enable: false}",
        "audit: {format: asciinema, storage: s3, enable: false}",
        "audit: {format: none, storage: s3}",
        "audit: {format: asciinema}",
    ] {
        assert!(loaded(text).config.audit.is_empty(), "{text}");
        assert!(warnings(text).contains("nothing is recorded"), "{text}");
    }
}

#[test]
fn casts_are_written_in_two_versions_and_not_signed() {
    let text = "audit: {format: asciinema, storage: file, intercept: {stdout: true}";
    for (more, version) in [
        ("}", Version::Two),
        (", asciinema: {version: 2}}", Version::Two),
        (", asciinema: {version: 3}}", Version::Three),
    ] {
        let audit = loaded(&format!("{text}{more}")).config.audit.remove(0);
        assert_eq!((audit.format, audit.version), (Format::Asciinema, version));
    }
    assert_eq!(
        faults(&format!("{text}, asciinema: {{version: 1}}}}")),
        ["1:91: `audit.asciinema.version`: 1 is out of bounds: it must lie between 2 and 3"]
    );
    let said = faults(&format!("{text}, signingKey: /none}}"));
    assert!(
        said[0].contains("`audit.signingKey`: casts have no seal"),
        "{said:?}"
    );
    let said = warnings("audit: {format: asciinema, storage: file, intercept: {stdin: true}}");
    assert!(said.contains("casts show nothing"), "{said}");
    let files = "audit: {format: asciinema, storage: file, intercept: {stdout: true, files: true}}";
    assert!(warnings(files).contains("`audit.intercept.files` is on"));
}

#[test]
fn several_outputs_stand_alone_each_in_a_directory_of_its_own() {
    let text = "\
audit:
  outputs:
    - {format: audit, storage: file, file: {directory: /tmp/a}, onFailure: terminate}
    - {format: asciinema, storage: file, file: {directory: /tmp/b}, onFailure: continue,
       intercept: {stdout: true}}
";
    let audit = loaded(text).config.audit;
    let formats: Vec<_> = audit.iter().map(|audit| audit.format).collect();
    assert_eq!(formats, [Format::Audit, Format::Asciinema]);
    assert!(audit[1].intercept.stdout && !audit[0].intercept.stdout);
    assert_eq!(
        faults(&format!("{text}  format: audit\n  sync: always\n")),
        [
            "6:3: `audit.format`: stands beside `outputs`: what it is to be is said in each output; \
             move it there",
            "7:3: `audit.sync`: stands beside `outputs`: what it is to be is said in each output; \
             move it there"
        ]
    );
    let said = faults(&text.replace("/tmp/b", "/tmp/a"));
    assert!(
        said[0].contains("`audit.outputs[2]`: writes to /tmp/a as an output"),
        "{said:?}"
    );
    let said = faults("audit: {outputs: [{format: audit}]}");
    assert!(
        said[0].contains("`audit.outputs[1]`: keeps nothing"),
        "{said:?}"
    );
    let said = faults("audit: {outputs: []}");
    assert!(said[0].contains("`audit.outputs` is empty"), "{said:?}");
    assert!(
        loaded("audit: {enable: false, outputs: []}")
            .config
            .audit
            .is_empty()
    );
}

#[test]
fn a_format_that_intercepts_nothing_is_warned_about() {
    let said = warnings("audit: {format: audit, storage: file}");
    assert!(
        said.contains("1:17: `audit.format`: every `audit.intercept` is off"),
        "{said}"
    );
}

#[test]
fn all_faults_are_named_at_once() {
    let text = "\
audit: {syncInterval: 5}
ssh:
  listen: []
  hostkeys: [\"-----BEGIN OPENSSH PRIVATE KEY-----\"]
  serverVersion: Audit
  clientAliveInterval: 500ms
limits:
  authAttempts: 0
  channelBuffer: 1B
  shutdownGrace: 48h
local: {shell: bash}
users:
  alice:
    password: hunter2
    authorizedKeys: [\"ssh-ed25519 AAAA\"]
    authorizedKeysFile: keys/%u
";
    let said = faults(text).join("\n");
    for expected in [
        "1:23: `audit.syncInterval`: 5ns is out of bounds: it must lie between 10ms and 1h",
        "3:11: `ssh.listen` is an empty list",
        "4:14: `ssh.hostkeys[1]`: a key stands here where the path of a file is wanted",
        "5:18: `ssh.serverVersion` must be",
        "6:24: `ssh.clientAliveInterval`: 500ms is out of bounds: it must lie between 1s and 24h, or be 0s",
        "8:17: `limits.authAttempts`: 0 is out of bounds: it must lie between 1 and 100",
        "9:18: `limits.channelBuffer`: 1B is out of bounds: it must lie between 256KiB and 1GiB",
        "10:18: `limits.shutdownGrace`: 48h is out of bounds: it must lie between 0s and 24h",
        "11:16: `local.shell` must be an absolute path",
        "14:15: `users.alice.password`: ",
        "15:22: `users.alice.authorizedKeys[1]`: ",
        "16:25: `users.alice.authorizedKeysFile`: `keys/%u` is not an absolute path",
    ] {
        assert!(said.contains(expected), "{expected}\nis not in\n{said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn users_may_stand_in_a_file_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users.yaml");
    let file = directory.path().join("config.yaml");
    let text = format!(
        "usersFile: {}\nusers: {{bob: {{authorizedKeys: [\"{KEY}\"]}}}}\n",
        users.display()
    );
    fs::write(&file, text).unwrap();

    fs::write(&users, format!("alice: {{password: \"{HASH}\"}}\n")).unwrap();
    let config = Config::load(&file).unwrap().config;
    assert!(config.users.knows("alice") && config.users.knows("bob"));

    fs::write(&users, "alice:\n  pasword: x\n").unwrap();
    let said = Config::load(&file).unwrap_err().to_string();
    let expected = "users.yaml:2:3: unknown key `alice.pasword`; did you mean `password`?";
    assert!(said.ends_with(expected), "{said}");

    fs::write(&users, "bob: {}\n").unwrap();
    let said = Config::load(&file).unwrap_err().to_string();
    assert!(
        said.ends_with("config.yaml:1:12: `usersFile`: the user `bob` stands in `users` too"),
        "{said}"
    );

    fs::remove_file(&users).unwrap();
    let said = Config::load(&file).unwrap_err().to_string();
    let expected = format!(
        "{}:1:12: `usersFile`: {}: No such file",
        file.display(),
        users.display()
    );
    assert!(said.starts_with(&expected), "{said}");
}

#[test]
fn no_address_is_listened_on_twice() {
    let twice = "`ssh.listen` names [::1]:22 more than once; remove one of them";
    for text in [
        "ssh: {listen: [\"[::1]:22\", \"[::1]:22\"]}",
        "ssh:\n  listen:\n  - '[::1]:22'\n  - '[::1]:22'\n",
    ] {
        let said = faults(text);
        let placed = |said: &String| said.starts_with(|c: char| c.is_ascii_digit());
        assert!(
            said.len() == 1 && said.iter().all(placed) && said[0].ends_with(twice),
            "{said:?}"
        );
    }
    for good in [
        "[\"127.0.0.1:22\", \"127.0.0.1:23\", \"[::1]:22\"]",
        "[\"127.0.0.1:0\", \"127.0.0.1:0\"]",
    ] {
        let listen = loaded(&format!("ssh: {{listen: {good}}}"))
            .config
            .ssh
            .listen;
        assert!(listen.len() > 1, "{good}");
    }
}

#[test]
fn authorities_are_read_from_one_file_or_several() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (
        directory.path().join("one.pub"),
        directory.path().join("two.pub"),
    );
    fs::write(&one, format!("{KEY}\n")).unwrap();
    fs::write(&two, "# nothing\nnonsense\n").unwrap();
    let text = |files: &str| format!("ssh:\n  trustedUserCAKeys: {files}\n");
    loaded(&text(one.to_str().unwrap()));
    loaded(&text(&format!("[{0}, {0}]", one.display())));
    let said = faults(&text(two.to_str().unwrap())).join("");
    assert!(
        said.starts_with("2:22: `ssh.trustedUserCAKeys`: ")
            && said.contains("two.pub:2: not a public key"),
        "{said}"
    );
}

#[test]
fn users_that_cannot_log_in_are_warned_about() {
    assert!(warnings("").contains("nobody can log in"));
    let said = warnings("users: {alice: {}}");
    assert!(
        said.contains("the user `alice` has neither password nor keys"),
        "{said}"
    );
    assert!(
        !warnings(&format!("users: {{a: {{authorizedKeys: [\"{KEY}\"]}}}}")).contains("log in")
    );
}

#[test]
fn hashes_that_everyone_can_read_are_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let (_directory, file) = written(&format!("users: {{alice: {{password: \"{HASH}\"}}}}"));
    let open = |mode| {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let warnings = Config::load(&file).unwrap().warnings;
        warnings
            .iter()
            .any(|(_, warning)| warning.to_string().contains("read by everyone"))
    };
    assert!(open(0o644));
    assert!(!open(0o640));
}

#[test]
fn the_limits_are_those_of_the_gateway() {
    assert_eq!(loaded("").config.limits, Limits::default());
    let limits = loaded("limits: {connections: 7, loginGraceTime: 5s, channelBuffer: 1MiB}")
        .config
        .limits;
    assert_eq!(limits.connections, 7);
    assert_eq!(limits.login_grace_time.as_secs(), 5);
    assert_eq!(limits.channel_buffer, 1 << 20);
}

#[test]
fn what_is_shown_holds_no_secret() {
    let loaded = loaded(&format!("users: {{alice: {{password: \"{HASH}\"}}}}"));
    for shown in [format!("{:?}", loaded.config), loaded.shown.to_string()] {
        assert!(!shown.contains("abcdefghijk"), "{shown}");
    }
    assert!(loaded.shown.pointer("/limits/channelBuffer").is_some());
}

/// The block itself may stand there: it is looked at by a program that has the backend.
#[cfg(not(feature = "kubernetes"))]
#[test]
fn a_program_without_the_backend_kubernetes_says_so() {
    let said = faults("backend: kubernetes\n");
    assert!(
        said[0].contains("1:10: `backend` is kubernetes, without"),
        "{said:?}"
    );
    loaded("backend: local\nkubernetes: {pod: {metadata: {namespace: guests}}}\n");
}
