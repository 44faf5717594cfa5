use super::{FileError, KeysFile, TemplateError};
use proptest::prelude::*;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};
use tempfile::TempDir;

fn template(text: &str) -> KeysFile {
    text.parse().unwrap()
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A directory with the file `alice`, and the template for it.
fn directory(content: &[u8]) -> (TempDir, PathBuf, KeysFile) {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("alice");
    fs::write(&file, content).unwrap();
    mode(&file, 0o644);
    let keys = template(&format!("{}/%u", directory.path().display()));
    (directory, file, keys)
}

fn error(keys: &KeysFile) -> FileError {
    keys.read("alice").unwrap_err()
}

#[test]
fn names_are_put_in() {
    let path = template("/etc/keys/%u/100%%/%u.pub").path("alice").unwrap();
    assert_eq!(path, Path::new("/etc/keys/alice/100%/alice.pub"));
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in ["", ".", "..", "a/b", "../root", "/etc/shadow", "a\0b"] {
        let error = template("/etc/keys/%u").path(name).unwrap_err();
        assert!(matches!(error, FileError::Name(_)), "{name:?}");
    }
    assert!(template("/etc/keys/all").path("a/b").is_ok());
}

#[test]
fn templates_are_checked() {
    let relative = "keys/%u".parse::<KeysFile>().unwrap_err();
    assert_eq!(relative, TemplateError::Relative("keys/%u".to_owned()));
    for text in ["/keys/%", "/keys/%h", "/keys/%U"] {
        assert!(text.parse::<KeysFile>().is_err(), "{text}");
    }
}

#[test]
fn a_file_is_read_and_a_missing_one_is_empty() {
    let (_directory, file, keys) = directory(b"some keys\n");
    assert_eq!(keys.read("alice").unwrap(), (file, b"some keys\n".to_vec()));
    assert_eq!(keys.read("bob").unwrap().1, b"");
}

#[test]
fn files_that_others_could_change_are_refused() {
    for (bits, refused) in [(0o600, false), (0o644, false), (0o664, true), (0o646, true)] {
        let (_directory, file, keys) = directory(b"x");
        mode(&file, bits);
        assert_eq!(keys.read("alice").is_err(), refused, "{bits:o}");
        if refused {
            let text = error(&keys).to_string();
            assert!(
                text.contains("alice") && text.contains("chmod go-w"),
                "{text}"
            );
        }
    }
    let (directory, _file, keys) = directory(b"x");
    mode(directory.path(), 0o770);
    assert!(matches!(error(&keys), FileError::Unsafe { path, .. } if path == directory.path()));
    mode(directory.path(), 0o1777);
    assert!(
        keys.read("alice").is_ok(),
        "others can't replace what is not theirs"
    );
}

#[test]
fn files_of_others_are_refused() {
    let (directory, file, keys) = directory(b"x");
    std::os::unix::fs::chown(&file, Some(12345), None).expect("these tests run as root");
    assert!(error(&keys).to_string().contains("12345"));
    std::os::unix::fs::chown(&file, Some(0), None).unwrap();
    std::os::unix::fs::chown(directory.path(), Some(12345), None).unwrap();
    assert!(error(&keys).to_string().contains("12345"));
}

#[test]
fn links_are_judged_by_where_they_lead() {
    let (_directory, file, keys) = directory(b"x");
    let (other, elsewhere, _) = directory(b"y");
    fs::remove_file(&file).unwrap();
    symlink(&elsewhere, &file).unwrap();
    assert_eq!(keys.read("alice").unwrap().1, b"y");
    mode(other.path(), 0o777);
    assert!(matches!(error(&keys), FileError::Unsafe { .. }));
}

#[test]
fn only_regular_files_of_a_bounded_size_are_read() {
    let (directory, file, keys) = directory(b"x");
    fs::remove_file(&file).unwrap();
    let fifo = rustix::fs::mknodat(
        rustix::fs::CWD,
        &file,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    );
    fifo.unwrap();
    assert!(
        error(&keys).to_string().contains("regular"),
        "and it does not hang"
    );
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    mode(&file, 0o755);
    assert!(error(&keys).to_string().contains("regular"));
    for (content, good) in [
        (vec![b'x'; 1024 * 1024], true),
        (vec![b'x'; 1024 * 1024 + 1], false),
        (b"x\n".repeat(10_000), true),
        (b"x\n".repeat(10_001), false),
    ] {
        let path = directory.path().join("bob");
        fs::write(&path, content).unwrap();
        mode(&path, 0o600);
        assert_eq!(keys.read("bob").is_ok(), good);
    }
}

proptest! {
    #[test]
    fn a_name_never_leaves_its_directory(name in "\\PC{0,20}|[./]{0,5}") {
        if let Ok(path) = template("/etc/keys/%u").path(&name) {
            let components: Vec<_> = path.components().collect();
            prop_assert_eq!(components.len(), 4);
            prop_assert!(components.iter().all(|c| !matches!(c, Component::ParentDir)));
            prop_assert_eq!(path.parent(), Some(Path::new("/etc/keys")));
        }
    }
}
