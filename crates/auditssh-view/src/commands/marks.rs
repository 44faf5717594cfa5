//! What of a program's output is worth to be shown on a screen that only lines at prompts are read
//! from.

/// How much output is kept until it is known whether it matters, and how much of that is shown then.
const KEPT: usize = 64 << 10;
const SHOWN: usize = 16 << 10;

/// Beginnings of marks: those of editors are taken for those that all shells have.
const EDITOR: &[u8] = b"\x1b]633;";
const SHELL: &[u8] = b"\x1b]133;";
/// What changes the whole screen.
const SCREENS: [&[u8]; 7] = [
    b"\x1b[?1049h",
    b"\x1b[?1049l",
    b"\x1b[?1047h",
    b"\x1b[?1047l",
    b"\x1b[?47h",
    b"\x1b[?47l",
    b"\x1bc",
];

/// Output that waits.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    bytes: Vec<u8>,
    /// Whether a mark is in it.
    marked: bool,
}

impl Backlog {
    /// Takes output. Of much only what changes the screen is kept, and the end.
    pub(super) fn push(&mut self, data: &[u8]) {
        // A mark may come in two parts.
        let from = self.bytes.len().saturating_sub(SHELL.len());
        self.bytes.extend_from_slice(data);
        self.marked |= mend(&mut self.bytes, from);
        if self.bytes.len() > KEPT {
            self.cut();
        }
    }

    /// Whether it cannot wait.
    pub(super) const fn is_marked(&self) -> bool {
        self.marked
    }

    /// All that waits, but for the beginning of a mark at its end.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.marked = false;
        let begun = (1..EDITOR.len())
            .rev()
            .find(|length| {
                self.bytes
                    .ends_with(EDITOR.get(..*length).unwrap_or_default())
            })
            .unwrap_or(0);
        let rest = self.bytes.split_off(self.bytes.len() - begun);
        std::mem::replace(&mut self.bytes, rest)
    }

    /// Everything, at the end.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    fn cut(&mut self) {
        let (head, tail) = self.bytes.split_at(self.bytes.len() - SHOWN);
        let line = head.iter().rposition(|byte| *byte == b'\n');
        let (head, line) = head.split_at(line.map_or(head.len(), |end| end + 1));
        let line = if line.len() > SHOWN { &[] } else { line };
        let mut kept = Vec::with_capacity(KEPT);
        let mut rest = head;
        while let Some(at) = rest.iter().position(|byte| *byte == 0x1b) {
            rest = rest.get(at..).unwrap_or_default();
            if let Some(screen) = SCREENS.iter().find(|screen| rest.starts_with(screen)) {
                // Only the last of them counts, but a hundred do no harm.
                if kept.len() > SHOWN {
                    kept.clear();
                }
                kept.extend_from_slice(screen);
            }
            rest = rest.get(1..).unwrap_or_default();
        }
        kept.extend_from_slice(line);
        kept.extend_from_slice(tail);
        self.bytes = kept;
    }
}

/// Whether there is a mark; those of editors become those of shells.
fn mend(bytes: &mut [u8], from: usize) -> bool {
    let mut found = false;
    let mut at = from;
    while let Some(next) = bytes
        .get(at..)
        .and_then(|rest| rest.iter().position(|byte| *byte == 0x1b))
    {
        at += next;
        if let Some(mark) = bytes.get_mut(at..at + SHELL.len()) {
            if mark == EDITOR {
                mark.copy_from_slice(SHELL);
            }
            found |= mark == SHELL;
        }
        at += 1;
    }
    found
}
