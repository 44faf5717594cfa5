use super::*;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

fn keygen(path: &Path, arguments: &[&str]) {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-f"])
        .arg(path)
        .args(arguments)
        .status()
        .expect("ssh-keygen is installed");
    assert!(status.success());
}

#[test]
fn the_first_start_makes_a_key_and_later_ones_keep_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let first = HostKey::load_or_generate(&path).unwrap();
    let second = HostKey::load_or_generate(&path).unwrap();
    assert_eq!(first.fingerprint(), second.fingerprint());
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
    assert_eq!(first.algorithm(), "ssh-ed25519");
}

#[test]
fn starting_several_at_once_gives_one_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let prints: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| HostKey::load_or_generate(&path).unwrap().fingerprint()))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(prints.iter().all(|print| print == prints.first().unwrap()));
    assert_eq!(directory.path().read_dir().unwrap().count(), 1);
}

#[test]
fn a_generated_key_is_read_by_ssh_keygen() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let key = HostKey::load_or_generate(&path).unwrap();
    let output = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(&path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&key.fingerprint()), "{text}");
}

#[test]
fn keys_of_each_kind_load() {
    let directory = tempfile::tempdir().unwrap();
    for (kind, name) in [
        ("ed25519", "ssh-ed25519"),
        ("ecdsa", "ecdsa-sha2-nistp256"),
        ("rsa", "ssh-rsa"),
    ] {
        let path = directory.path().join(kind);
        keygen(&path, &["-t", kind, "-N", ""]);
        assert_eq!(HostKey::load(&path).unwrap().algorithm(), name);
    }
}

#[test]
fn what_is_not_good_is_refused_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let error = |path: &Path| HostKey::load(path).unwrap_err().to_string();

    keygen(&at("small"), &["-t", "rsa", "-b", "1024", "-N", ""]);
    assert!(error(&at("small")).contains("RSA of 1024 bits"));

    keygen(&at("secret"), &["-t", "ed25519", "-N", "long enough"]);
    assert!(error(&at("secret")).contains("passphrase"));

    keygen(&at("open"), &["-t", "ed25519", "-N", ""]);
    std::fs::set_permissions(at("open"), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(error(&at("open")).contains("chmod 600"));

    std::fs::write(at("text"), "no key\n").unwrap();
    std::fs::set_permissions(at("text"), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(error(&at("text")).contains("ssh-keygen"));

    assert!(error(&at("missing")).contains("missing"));
}

#[test]
fn a_key_does_not_show_itself() {
    let key = HostKey::ephemeral().unwrap();
    assert_eq!(
        format!("{key:?}"),
        format!("HostKey({})", key.fingerprint())
    );
}
