//! How long to wait before what failed is tried again.

use std::time::Duration;

/// The longest wait, in seconds, but for one that the store asks for.
const LONGEST: u64 = 30;

/// The longest wait that a store may ask for.
const OBEYED: Duration = Duration::from_mins(10);

/// The wait after so many failures in a row, from 1: half of it is chance, so that many do not come
/// back at once.
pub(crate) fn wait(failures: u32, permanent: bool, asked: Option<Duration>) -> Duration {
    let first: u64 = if permanent { 4_000 } else { 500 };
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let most = doubled.min(LONGEST * 1000);
    let chosen = Duration::from_millis(most / 2 + rand::random_range(0..=most / 2));
    chosen.max(asked.unwrap_or_default().min(OBEYED))
}

/// How long an answer is waited for. A slow way is given more time after each time that ran out,
/// down to 4 KiB a second; so a dead one is noticed soon, and a slow one suffices.
pub(crate) fn patience(bytes: u64, expired: u32) -> Duration {
    let rate = (512 << 10_u64) >> expired.min(7);
    Duration::from_secs(30 + 15 * u64::from(expired.min(7)) + bytes / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_the_store_is_obeyed() {
        for (failures, permanent, least, most) in [
            (1, false, 250, 500),
            (2, false, 500, 1_000),
            (7, false, 15_000, 30_000),
            (u32::MAX, false, 15_000, 30_000),
            (1, true, 2_000, 4_000),
            (9, true, 15_000, 30_000),
        ] {
            for _ in 0..100 {
                let wait = wait(failures, permanent, None).as_millis();
                assert!((least..=most).contains(&wait), "{failures}: {wait}");
            }
        }
        let asked = Duration::from_secs(77);
        assert_eq!(wait(1, false, Some(asked)), asked);
        assert_eq!(wait(1, false, Some(asked * 1000)), OBEYED);
    }

    #[test]
    fn a_slow_way_is_given_time_in_the_end() {
        assert_eq!(patience(5 << 20, 0).as_secs(), 40);
        let slow = Duration::from_secs((5 << 20) / 5_000);
        assert!((0..20).any(|expired| patience(5 << 20, expired) > slow));
    }
}
