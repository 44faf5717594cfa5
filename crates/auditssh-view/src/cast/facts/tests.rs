use super::*;
use proptest::prelude::*;

const SECOND: i64 = 1_000_000_000;

fn read(cast: &str) -> Option<Facts> {
    Facts::read(&mut cast.as_bytes()).expect("memory can be read")
}

#[test]
fn a_cast_of_ours_tells_whose_it_is() {
    let cast = "{\"version\":3,\"term\":{\"cols\":80,\"rows\":24},\"timestamp\":1700000000,\
                \"command\":\"make \\\"x\\\"\",\"auditssh\":{\"connectionId\":\"c\",\"channelId\":1,\
                \"connected\":1699999990,\"username\":\"alice\",\"remoteAddr\":\"::1\",\"country\":\"XX\"}}\n\
                [1.250000,\"o\",\"[9.0,\\\"x\\\",\\\"7\\\"]\\n\"]\n[0.250000,\"x\",\"130\"]\n";
    let facts = read(cast).expect("a cast");
    let origin = Origin {
        connection: "c".into(),
        begun: 1_699_999_990 * SECOND,
        address: "::1".into(),
        country: "XX".into(),
        user: Some("alice".into()),
    };
    let expected = Facts {
        origin: Some(origin),
        start: Some(1_700_000_000 * SECOND),
        length: Duration::from_millis(1500),
        command: Some("make \"x\"".into()),
        exit: Some(130),
    };
    assert_eq!(facts, expected);
    assert_eq!(facts.end(), Some(1_700_000_001 * SECOND + SECOND / 2));
    let header = Facts::of_header(&mut cast.as_bytes()).expect("memory");
    assert_eq!(header.and_then(|facts| facts.start), expected.start);
}

#[test]
fn casts_of_other_programs_are_read_as_well() {
    let cast = "{\"version\": 2, \"width\": 80, \"height\": 24, \"timestamp\": 1700000000}\n\
                [0.5, \"o\", \"x\"]\n[2, \"o\", \"y\"]\n";
    let expected = Facts {
        start: Some(1_700_000_000 * SECOND),
        length: Duration::from_secs(2),
        ..Facts::default()
    };
    assert_eq!(read(cast), Some(expected.clone()));
    // Times of version 3 count from the event before; comments are no events.
    let third = cast.replace(": 2, ", ": 3, ") + "# 9\n[0.5, \"x\", \"0\"]\n[7";
    let expected = Facts {
        length: Duration::from_secs(3),
        exit: Some(0),
        ..expected
    };
    assert_eq!(read(&third), Some(expected));
}

#[test]
fn what_is_no_cast_tells_nothing() {
    for text in [
        "",
        "\n",
        "[]\n",
        "{}\n",
        "{\"version\":1}\n",
        "{\"version\":2",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
    let endless = io::BufReader::new(io::repeat(b'{'));
    assert_eq!(Facts::read(&mut { endless }).expect("read"), None);
}

#[test]
fn long_lines_are_passed_over() {
    let header = &b"{\"version\":2,\"timestamp\":1}\n[1.0,\"o\",\""[..];
    let long = io::repeat(b'x').take(10 << 20);
    let end = &b"\"]\n[2.0,\"o\",\"\"]\n"[..];
    let mut cast = io::BufReader::new(header.chain(long).chain(end));
    let facts = Facts::read(&mut cast).expect("read").expect("a cast");
    assert_eq!(facts.length, Duration::from_secs(2));
}

proptest! {
    #[test]
    fn nothing_panics(lines in ".{0,200}", time in any::<f64>()) {
        let cast = format!("{{\"version\":3,\"timestamp\":{}}}\n[{time},\"x\",\"{lines}\n{lines}", i64::MAX);
        let facts = read(&cast).expect("a cast");
        prop_assert_eq!(facts.end(), None);
        let _ = read(&lines);
    }
}
