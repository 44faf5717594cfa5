//! Names for files whose paths came from a client.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Longest name, and most of them below each other. Linux has 255
/// bytes for a name and 4096 for all of them.
const LONGEST: usize = 100;
const DEEPEST: usize = 16;

/// Gives each file a name that no other has.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Names that are taken, and whether as a directory.
    taken: HashMap<PathBuf, bool>,
}

impl Names {
    /// Where to write what had this path. Below the directory there are only the names that were
    /// given here.
    pub(super) fn place(&mut self, first: &Path, path: &[u8]) -> PathBuf {
        let mut names: Vec<String> = path
            .split(|byte| *byte == b'/')
            .filter(|name| !name.is_empty() && *name != b".")
            .map(safe)
            .collect();
        // Of deep paths the end says more.
        names.drain(..names.len().saturating_sub(DEEPEST));
        let name = names.pop().unwrap_or_else(|| "unnamed".to_owned());
        let mut place = first.to_owned();
        for directory in names {
            place = self.free(&place, &directory, true);
        }
        self.free(&place, &name, false)
    }

    /// A directory of its own for whatever has this name.
    pub(super) fn below(&mut self, name: &str) -> PathBuf {
        let place = self.free(Path::new(""), &safe(name.as_bytes()), false);
        self.taken.insert(place.clone(), true);
        place
    }

    fn free(&mut self, below: &Path, name: &str, directory: bool) -> PathBuf {
        let mut number = 1_u64;
        loop {
            let name = match number {
                1 => name.to_owned(),
                number => format!("{name}~{number}"),
            };
            let place = below.join(name);
            match self.taken.get(&place) {
                None => {
                    self.taken.insert(place.clone(), directory);
                    return place;
                }
                Some(true) if directory => return place,
                Some(_) => number += 1,
            }
        }
    }
}

/// A name that is only a name.
fn safe(name: &[u8]) -> String {
    if name.iter().all(|byte| *byte == b'.') {
        return "_".repeat(name.len().min(LONGEST));
    }
    let mut safe = String::new();
    for character in String::from_utf8_lossy(name).chars() {
        let is_plain = auditssh_view::is_visible(character) && !"\t\\".contains(character);
        safe.push(if is_plain { character } else { '_' });
        if safe.len() >= LONGEST {
            break;
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_anywhere_else() {
        let mut names = Names::default();
        for (path, place) in [
            (&b"/etc/passwd"[..], "u/etc/passwd"),
            (b"../../etc/passwd", "u/__/__/etc/passwd"),
            (b"/etc/passwd", "u/etc/passwd~2"),
            (b"/etc/passwd/x", "u/etc/passwd~3/x"),
            (b"/etc/passwd/y", "u/etc/passwd~3/y"),
            (b"", "u/unnamed"),
            (b"/", "u/unnamed~2"),
            (b"...", "u/___"),
            (b"a\0b\x1b[\\c", "u/a_b_[_c"),
            (b"./a//b/", "u/a/b"),
            (b"\xff", "u/\u{fffd}"),
        ] {
            assert_eq!(
                names.place(Path::new("u"), path),
                Path::new(place),
                "{}",
                path.escape_ascii()
            );
        }
        let deep = names.place(Path::new("u"), &b"x/".repeat(1000));
        assert_eq!(deep.components().count(), DEEPEST + 1);
        let long = names.place(Path::new("u"), &"ä".repeat(1000).into_bytes());
        assert!(long.as_os_str().len() <= LONGEST + 4);
    }
}
