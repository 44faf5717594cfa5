//! What is typed while a recording plays.

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Key {
    Pause,
    Step,
    /// By so many seconds.
    Seek(i64),
    /// To so many tenths.
    Tenth(u8),
    NextCommand,
    PreviousCommand,
    Faster,
    Slower,
    Quit,
}

/// The keys in what was read. What is not known is passed over.
pub(super) fn keys(mut bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    while let Some((first, rest)) = bytes.split_first() {
        let (key, rest) = match first {
            0x1b => escape(rest),
            byte => (plain(*byte), rest),
        };
        keys.extend(key);
        bytes = rest;
    }
    keys
}

fn plain(byte: u8) -> Option<Key> {
    Some(match byte {
        b' ' => Key::Pause,
        b'.' | b's' => Key::Step,
        b'h' => Key::Seek(-5),
        b'l' => Key::Seek(5),
        b'0'..=b'9' => Key::Tenth(byte - b'0'),
        b'n' | b']' => Key::NextCommand,
        b'p' | b'N' | b'[' => Key::PreviousCommand,
        b'+' | b'=' => Key::Faster,
        b'-' => Key::Slower,
        // Ctrl-C and Ctrl-D as well: the terminal makes no signals of them.
        b'q' | b'Q' | 3 | 4 => Key::Quit,
        _ => return None,
    })
}

/// What follows an escape: the key of a sequence, and what is left.
fn escape(bytes: &[u8]) -> (Option<Key>, &[u8]) {
    let Some((b'[' | b'O', sequence)) = bytes.split_first() else {
        return (bytes.is_empty().then_some(Key::Quit), bytes);
    };
    let end = sequence
        .iter()
        .position(|byte| (b'@'..=b'~').contains(byte));
    let Some((sequence, rest)) = end.and_then(|end| sequence.split_at_checked(end + 1)) else {
        return (None, &[]);
    };
    let key = match sequence {
        b"D" => Some(Key::Seek(-5)),
        b"C" => Some(Key::Seek(5)),
        b"A" => Some(Key::Faster),
        b"B" => Some(Key::Slower),
        b"5~" => Some(Key::Seek(-60)),
        b"6~" => Some(Key::Seek(60)),
        b"H" | b"1~" | b"7~" => Some(Key::Tenth(0)),
        _ => None,
    };
    (key, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart() {
        let typed = b" .\x1b[D\x1b[C\x1b[5~\x1bOH7n\x1b[99;5uzq\x1b";
        let expected = [
            Key::Pause,
            Key::Step,
            Key::Seek(-5),
            Key::Seek(5),
            Key::Seek(-60),
            Key::Tenth(0),
            Key::Tenth(7),
            Key::NextCommand,
            Key::Quit,
            Key::Quit,
        ];
        assert_eq!(keys(typed), expected);
        assert_eq!(keys(b"\x1b["), []);
    }
}
