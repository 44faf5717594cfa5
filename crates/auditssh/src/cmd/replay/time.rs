//! Times of a recording, in nanoseconds.

use jiff::{Span, SpanRelativeTo};

const SECOND: u64 = 1_000_000_000;

/// Reads how many times as fast.
pub(super) fn speed(text: &str) -> Result<f64, &'static str> {
    let speed = text.trim_end_matches(['x', '×']).parse();
    let speed: f64 = speed.map_err(|_| "a number is wanted: 2, or 0.5")?;
    if (0.01..=1000.0).contains(&speed) {
        Ok(speed)
    } else {
        Err("from 0.01 to 1000")
    }
}

/// Reads a duration: seconds, or a number with units.
pub(super) fn duration(text: &str) -> Result<u64, &'static str> {
    let wrong = "seconds are wanted (2.5), or a duration such as 1m30s";
    if let Ok(seconds) = text.parse::<f64>() {
        return nanoseconds(seconds).ok_or(wrong);
    }
    let span: Span = text.parse().map_err(|_| wrong)?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours());
    let seconds = duration.map_err(|_| wrong)?.as_secs_f64();
    nanoseconds(seconds).ok_or(wrong)
}

/// Reads a place: hours, minutes and seconds with colons, or a duration.
pub(in crate::cmd) fn position(text: &str) -> Result<u64, &'static str> {
    let wrong = "minutes and seconds are wanted (12:34), or seconds, or a duration such as 1m30s";
    if !text.contains(':') {
        return duration(text).map_err(|_| wrong);
    }
    let mut total = 0.0;
    for part in text.split(':') {
        let part: f64 = part.parse().map_err(|_| wrong)?;
        if !(0.0..1e9).contains(&part) {
            return Err(wrong);
        }
        total = total * 60.0 + part;
    }
    nanoseconds(total).ok_or(wrong)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked"
)]
fn nanoseconds(seconds: f64) -> Option<u64> {
    (0.0..1e10)
        .contains(&seconds)
        .then_some((seconds * 1e9) as u64)
}

/// A time as it is shown: 1:02:03, 2:03.
pub(super) fn shown(nanoseconds: u64) -> String {
    let seconds = nanoseconds / SECOND;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        hours => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("90", 90.0),
            ("1.5", 1.5),
            ("90s", 90.0),
            ("1m30s", 90.0),
            ("12:34", 754.0),
            ("1:02:03", 3723.0),
            ("0:00.5", 0.5),
        ] {
            assert_eq!(
                position(text),
                Ok(nanoseconds(seconds).expect("in range")),
                "{text}"
            );
        }
        for text in ["", "x", "-1", "1:-1", "1e99", "nan", "inf:1", ":"] {
            assert!(position(text).is_err(), "{text}");
        }
        assert_eq!((speed("2"), speed("0.5x")), (Ok(2.0), Ok(0.5)));
        for text in ["0", "-1", "nan", "1e9", "fast"] {
            assert!(speed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_shown_in_short() {
        let shown = |seconds| shown(seconds * SECOND);
        assert_eq!(
            [shown(0), shown(61), shown(3723)],
            ["0:00", "1:01", "1:02:03"]
        );
    }
}
