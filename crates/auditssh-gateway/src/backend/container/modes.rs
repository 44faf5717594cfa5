//! Terminal modes of `pty-req` (RFC 4254, 8) in the words of stty(1): engines that run containers
//! take none, but a program in the container can set them.

use crate::backend::local::decode_modes;

/// What no character has.
const NO_CHARACTER: u32 = 255;

/// Special characters: the opcode, stty's name, and what a fresh terminal of Linux has.
const CHARACTERS: &[(u8, &str, u32)] = &[
    (1, "intr", 3),
    (2, "quit", 28),
    (3, "erase", 127),
    (4, "kill", 21),
    (5, "eof", 4),
    (6, "eol", 0),
    (7, "eol2", 0),
    (8, "start", 17),
    (9, "stop", 19),
    (10, "susp", 26),
    (12, "rprnt", 18),
    (13, "werase", 23),
    (14, "lnext", 22),
];

/// Flags, likewise.
const FLAGS: &[(u8, &str, bool)] = &[
    (30, "ignpar", false),
    (31, "parmrk", false),
    (32, "inpck", false),
    (33, "istrip", false),
    (34, "inlcr", false),
    (35, "igncr", false),
    (36, "icrnl", true),
    (37, "iuclc", false),
    (38, "ixon", true),
    (39, "ixany", false),
    (40, "ixoff", false),
    (41, "imaxbel", false),
    (42, "iutf8", false),
    (50, "isig", true),
    (51, "icanon", true),
    (53, "echo", true),
    (54, "echoe", true),
    (55, "echok", true),
    (56, "echonl", false),
    (57, "noflsh", false),
    (58, "tostop", false),
    (59, "iexten", true),
    (60, "echoctl", true),
    (61, "echoke", true),
    (70, "opost", true),
    (71, "olcuc", false),
    (72, "onlcr", true),
    (73, "ocrnl", false),
    (74, "onocr", false),
    (75, "onlret", false),
];

/// The settings that a terminal must be given, those left out that it has anyway: flags as stty has
/// them, characters as `name:character`. No word holds a blank.
pub fn words(encoded: &[u8]) -> Vec<String> {
    let mut words = Vec::new();
    for (opcode, argument) in decode_modes(encoded) {
        let of_opcode = |known: &u8| *known == opcode;
        if let Some((_, name, fresh)) = CHARACTERS.iter().find(|(one, ..)| of_opcode(one)) {
            let argument = if argument == NO_CHARACTER {
                0
            } else {
                argument
            };
            if let Some(text) = character(argument).filter(|_| argument != *fresh) {
                words.push(format!("{name}:{text}"));
            }
        } else if let Some((_, name, fresh)) = FLAGS.iter().find(|(one, ..)| of_opcode(one)) {
            match (argument != 0, *fresh) {
                (true, false) => words.push((*name).to_owned()),
                (false, true) => words.push(format!("-{name}")),
                _ => {}
            }
        }
    }
    // A client may repeat itself; what it said last holds.
    words.drain(..words.len().saturating_sub(CHARACTERS.len() + FLAGS.len()));
    words
}

fn character(code: u32) -> Option<String> {
    let code = u8::try_from(code).ok()?;
    Some(match code {
        0 => "undef".to_owned(),
        1..=31 => format!("^{}", char::from(code + b'@')),
        127 => "^?".to_owned(),
        b'!'..=b'~' => char::from(code).to_string(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(modes: &[(u8, u32)]) -> Vec<u8> {
        let one = |(opcode, argument): &(u8, u32)| {
            let mut bytes = vec![*opcode];
            bytes.extend(argument.to_be_bytes());
            bytes
        };
        modes.iter().flat_map(one).chain([0]).collect()
    }

    #[test]
    fn only_what_differs_is_set() {
        let usual = [
            (1, 3),
            (3, 127),
            (6, 255),
            (36, 1),
            (53, 1),
            (128, 38400),
            (72, 1),
        ];
        assert!(words(&encoded(&usual)).is_empty());
        let modes = [
            (1, 5),
            (2, 255),
            (53, 0),
            (42, 1),
            (10, 200),
            (9, u32::from(b'x')),
        ];
        let words = words(&encoded(&modes));
        assert_eq!(words, ["intr:^E", "quit:undef", "-echo", "iutf8", "stop:x"]);
    }

    #[test]
    fn the_list_is_bounded() {
        let many: Vec<_> = (0..10_000).map(|_| (53, 0)).collect();
        assert!(words(&encoded(&many)).len() < 100);
        assert!(words(b"\x35\0\0").is_empty());
    }
}
