use super::Version;

/// What stands in a cast where lines could not be written: a mark, at the time that keeps later times
/// right. `before` is what this returned for lines directly before those that were `lost`.
pub fn missing(version: Version, before: &[u8], lost: &[u8]) -> Vec<u8> {
    let lines = [before, lost];
    let lines = lines
        .iter()
        .flat_map(|lines| lines.split(|byte| *byte == b'\n'));
    let times = lines.filter_map(microseconds);
    let time = match version {
        Version::Two => times.max(),
        Version::Three => times.reduce(u64::saturating_add),
    };
    let Some(time) = time else {
        return Vec::new();
    };
    let (seconds, rest) = (time / 1_000_000, time % 1_000_000);
    format!("[{seconds}.{rest:06},\"m\",\"output is missing before this\"]\n").into_bytes()
}

/// The time of an event.
fn microseconds(line: &[u8]) -> Option<u64> {
    let time = line
        .strip_prefix(b"[")?
        .split(|byte| *byte == b',')
        .next()?;
    let (seconds, rest) = std::str::from_utf8(time).ok()?.split_once('.')?;
    let seconds: u64 = seconds.parse().ok()?;
    seconds
        .checked_mul(1_000_000)?
        .checked_add(rest.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_after_what_is_missing_stay_right() {
        let lost = b"[1.500000,\"o\",\"a\"]\n[2.000001,\"o\",\"b\"]\n";
        let two = missing(Version::Two, b"", lost);
        assert!(two.starts_with(b"[2.000001,\"m\","));
        let three = missing(Version::Three, b"", lost);
        assert!(three.starts_with(b"[3.500001,\"m\","));
        let more = missing(Version::Three, &three, lost);
        assert!(more.starts_with(b"[7.000002,\"m\","));
        assert_eq!(missing(Version::Two, b"", b""), b"");
    }
}
