//! Targets that need a case.

use crate::case::{Case, Files, ID, message};
use auditssh_archive::Recovered;
use auditssh_archive::disk::Disk;
use auditssh_archive::testing::{PowerDisk, recover};
use auditssh_archive::verify::{Verdict, verify as check};
use auditssh_log::codec::{Decoder, End};

/// What is not as it was written does not pass for intact; what is, does.
pub fn verify(case: &Case) {
    let Files {
        written,
        left: [log, ..],
        finished,
        ..
    } = case.files();
    let report = check(log.as_slice()).expect("memory");
    assert!(report.proven <= report.bytes && report.bytes <= log.len() as u64);
    if finished && log == written {
        assert_eq!(report.verdict, Verdict::Intact);
        assert_eq!(
            Decoder::new(log.as_slice()).map(Result::unwrap).count() as u64,
            report.messages
        );
    } else {
        assert_ne!(report.verdict, Verdict::Intact, "{report:?}");
    }
    // A single byte may change nothing else than what the case says; what is proven is right.
    let proven = log
        .get(..usize::try_from(report.proven).expect("small"))
        .expect("what was read");
    assert!(
        written.starts_with(proven) || report.verdict == Verdict::Foreign,
        "{report:?}"
    );
}

/// Recovery ends every log or refuses it, adds nothing, and does nothing more the second time. Of
/// files that nothing was done to it loses nothing.
pub fn recovery(case: &Case) {
    let files = case.files();
    let disk = PowerDisk::default();
    for (name, bytes) in names().iter().zip(&files.left) {
        let file = disk.create(name).expect("memory");
        file.write_at(bytes, 0).expect("memory");
    }
    let outcome = recover(&disk)
        .expect("memory")
        .pop()
        .expect("one log")
        .expect("memory");
    let log = disk.bytes(ID).expect("a log");
    match outcome {
        Recovered::Refused(reason) => {
            assert!(files.harmed, "{reason}");
            assert_eq!(log, files.left[0], "{reason}: it was touched");
            return;
        }
        Recovered::Closed { damaged } => {
            assert!(files.harmed || !damaged);
            assert_eq!(log, files.left[0]);
        }
        Recovered::Log { .. } => {
            let report = check(log.as_slice()).expect("memory");
            assert_eq!(report.verdict, Verdict::Recovered);
        }
    }
    assert_ne!(outcome_of(&log), End::Damaged);
    let expected = if files.harmed {
        None
    } else {
        Some(files.messages)
    };
    let found: Vec<_> = Decoder::new(log.as_slice()).map(Result::unwrap).collect();
    for (number, found) in (0..).zip(&found) {
        assert_eq!(*found, message(number));
    }
    assert!(expected.is_none_or(|expected| expected == found.len() as u64));
    assert!(
        recover(&disk).expect("memory").is_empty(),
        "a tail was left"
    );
}

fn outcome_of(log: &[u8]) -> End {
    let mut decoder = Decoder::new(log);
    decoder.by_ref().for_each(drop);
    decoder.end().expect("ended")
}

fn names() -> [String; 3] {
    [
        ID.to_owned(),
        format!(".{ID}.tail0"),
        format!(".{ID}.tail1"),
    ]
}
