//! How long a CBOR item is (RFC 8949, 3).

/// No message nests deeper.
const DEPTH: u32 = 64;

/// Length in bytes of the item at the start of `bytes`; `None` if it is not all there, or none.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    item(bytes, 0, DEPTH)
}

/// Where the item that begins at `at` ends.
fn item(bytes: &[u8], at: usize, depth: u32) -> Option<usize> {
    let depth = depth.checked_sub(1)?;
    let first = *bytes.get(at)?;
    let (argument, mut at) = argument(bytes, at, first & 0x1f)?;
    match (first >> 5, argument) {
        (0 | 1 | 7, Some(_)) => {}
        (2 | 3, Some(length)) => at = at.checked_add(usize::try_from(length).ok()?)?,
        (4, Some(count)) => {
            for _ in 0..count {
                at = item(bytes, at, depth)?;
            }
        }
        (5, Some(count)) => {
            for _ in 0..count.checked_mul(2)? {
                at = item(bytes, at, depth)?;
            }
        }
        (6, Some(_)) => at = item(bytes, at, depth)?,
        (2..=5, None) => {
            while *bytes.get(at)? != 0xff {
                at = item(bytes, at, depth)?;
            }
            at += 1;
        }
        _ => return None,
    }
    (at <= bytes.len()).then_some(at)
}

/// The argument of an item's head, `None` for an indefinite length, and where the head ends.
fn argument(bytes: &[u8], at: usize, info: u8) -> Option<(Option<u64>, usize)> {
    let size = match info {
        0..=23 => return Some((Some(info.into()), at + 1)),
        24..=27 => 1_usize << (info - 24),
        31 => return Some((None, at + 1)),
        _ => return None,
    };
    let field = bytes.get(at + 1..at + 1 + size)?;
    let number = field
        .iter()
        .fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    Some((Some(number), at + 1 + size))
}
