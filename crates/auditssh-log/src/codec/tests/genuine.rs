//! Logs that ContainerSSH wrote.

use super::*;
use flate2::read::MultiGzDecoder;
use std::io::Read as _;

fn file(name: &str) -> Vec<u8> {
    let path = format!(
        "{}/../../testdata/containerssh/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Inflates as far as it goes: none of these files ends its gzip stream.
fn content(file: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let error = MultiGzDecoder::new(&file[HEADER_LENGTH..]).read_to_end(&mut out);
    assert_eq!(
        error.expect_err("unfinished").kind(),
        std::io::ErrorKind::UnexpectedEof
    );
    out
}

#[test]
fn they_are_complete_though_their_gzip_never_ends() {
    for (name, count) in [("v1-0.4.0", 11), ("v2-all-types", 39), ("v2-bad-utf8", 0)] {
        let (messages, error, end) = read(&file(&format!("{name}.audit")));
        assert!(error.is_none(), "{name}: {error:?}");
        assert_eq!(end, End::Complete, "{name}");
        assert!(
            count == 0 || messages.len() == count,
            "{name}: {}",
            messages.len()
        );
        assert!(
            messages
                .iter()
                .all(|message| message.extra.is_empty() && message.envelope_extra.is_empty())
        );
    }
}

#[test]
fn they_are_encoded_again_to_the_same_bytes() {
    for (name, format) in [
        ("v1-0.4.0", Format::Audit),
        ("v2-all-types", Format::Binary),
    ] {
        let file = file(&format!("{name}.audit"));
        assert_eq!(file[..HEADER_LENGTH], format.header());
        let mut again = format.prologue().to_vec();
        for message in read(&file).0 {
            encode(&message, &mut again);
        }
        again.extend(format.epilogue());
        assert_eq!(again, content(&file), "{name}");
    }
}

#[test]
fn every_prefix_of_them_decodes_to_a_prefix() {
    for name in ["v1-0.4.0", "v2-all-types", "v2-bad-utf8"] {
        let file = file(&format!("{name}.audit"));
        let (all, ..) = read(&file);
        for length in 0..file.len() {
            let (found, error, end) = read(&file[..length]);
            assert!(error.is_none(), "{name} cut at {length}: {error:?}");
            assert_eq!(found, all[..found.len()]);
            assert_eq!(end == End::Complete, found.len() == all.len());
        }
    }
}

#[test]
fn nothing_is_lost_behind_bad_text() {
    let (messages, ..) = read(&file("v2-bad-utf8.audit"));
    let bad = messages.iter().filter_map(|message| match &message.event {
        Event::Exec(exec) if exec.program.as_str().is_none() => Some(exec.program.as_bytes()),
        _ => None,
    });
    assert_eq!(bad.count(), 1);
    assert_eq!(messages.last().expect("messages").event, Event::Disconnect);
}
