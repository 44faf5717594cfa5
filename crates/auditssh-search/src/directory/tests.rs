use super::*;
use crate::index::{Index, make};
use crate::testing::session;
use std::os::unix::fs::symlink;

const ID: &str = "00112233445566778899aabbccddeeff";
const OTHER: &str = "ffeeddccbbaa99887766554433221100";

fn directory() -> (tempfile::TempDir, Directory) {
    let place = tempfile::tempdir().expect("a directory");
    fs::write(place.path().join(ID), session("alice", &["fish"], true)).expect("written");
    let directory = Directory::new(place.path());
    (place, directory)
}

fn only(directory: &Directory) -> Listed {
    let mut logs = directory.list().expect("logs");
    assert_eq!(logs.len(), 1);
    logs.remove(0)
}

fn index(directory: &Directory) {
    let log = only(directory);
    let made = make(directory, &log).expect("made");
    let bytes = made.bytes.expect("of a log that is complete");
    directory.keep(&log.name, &bytes).expect("kept");
}

fn is_believed(directory: &Directory) -> bool {
    let index = Index::of(directory, &only(directory));
    index.expect("read").is_some()
}

#[test]
fn an_index_may_be_read_by_whoever_may_read_the_log() {
    for (mode, expected) in [
        (0o600, 0o600),
        (0o640, 0o640),
        (0o644, 0o640),
        (0o400, 0o400),
    ] {
        let (place, directory) = directory();
        let log = place.path().join(ID);
        fs::set_permissions(&log, Permissions::from_mode(mode)).expect("set");
        index(&directory);
        let path = place.path().join(format!(".{ID}.index"));
        let status = path.metadata().expect("there");
        assert_eq!(status.mode() & 0o7777, expected, "{mode:o}");
        let log = log.metadata().expect("there");
        assert_eq!((status.uid(), status.gid()), (log.uid(), log.gid()));
        assert!(is_believed(&directory));
        // No other file is left, and none counts as a log.
        assert_eq!(fs::read_dir(place.path()).expect("read").count(), 2);
        only(&directory);
    }
}

#[test]
fn an_index_that_anybody_could_have_written_is_not_believed() {
    let (place, directory) = directory();
    index(&directory);
    let path = place.path().join(format!(".{ID}.index"));
    for mode in [0o660, 0o606, 0o602] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set");
        assert!(!is_believed(&directory), "{mode:o}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("set");
    assert!(is_believed(&directory));
    let elsewhere = place.path().join("elsewhere");
    fs::rename(&path, &elsewhere).expect("moved");
    symlink(&elsewhere, &path).expect("linked");
    assert!(!is_believed(&directory));
    fs::remove_file(&path).expect("removed");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo").success());
    // It is not waited for.
    assert!(!is_believed(&directory));
}

#[test]
fn what_is_left_is_removed_and_nothing_else() {
    let (place, directory) = directory();
    index(&directory);
    let file = |name: &str| place.path().join(name);
    let own = format!(".{ID}.index");
    let index = fs::read(file(&own)).expect("read");
    let alone = format!(".{OTHER}.index");
    let parts = [
        format!(".{ID}.index.12-3.part"),
        format!(".{ID}.index.9-9.part"),
    ];
    for name in [&alone, &parts[0], &parts[1]] {
        fs::write(file(name), &index).expect("written");
    }
    let old = SystemTime::now() - 2 * LEFT;
    let part = File::options()
        .write(true)
        .open(file(&parts[0]))
        .expect("opened");
    part.set_modified(old).expect("set");
    // Of other programs.
    let foreign = [".git.index", ".x.index.part", ".x.index.a-1.part"];
    for name in foreign {
        fs::write(file(name), b"not ours").expect("written");
        let foreign = File::options()
            .write(true)
            .open(file(name))
            .expect("opened");
        foreign.set_modified(old).expect("set");
    }
    directory.tidy().expect("tidied");
    for (name, expected) in [
        (&own, true),
        (&alone, false),
        (&parts[0], false),
        (&parts[1], true),
    ] {
        assert_eq!(file(name).exists(), expected, "{name}");
    }
    assert!(foreign.iter().all(|name| file(name).exists()));
}

#[test]
fn a_log_with_tails_is_one_that_is_written() {
    let (place, directory) = directory();
    fs::write(place.path().join(format!(".{ID}.tail0")), b"").expect("written");
    assert_eq!(only(&directory).writer, Writer::Gone);
    let lock = File::open(place.path()).expect("opened");
    lock.lock().expect("locked");
    assert_eq!(only(&directory).writer, Writer::Live);
}

#[test]
fn a_log_that_changed_since_it_was_listed_has_no_index() {
    let (place, directory) = directory();
    let log = only(&directory);
    fs::write(place.path().join(ID), b"shorter").expect("written");
    assert!(make(&directory, &log).is_err());
}
