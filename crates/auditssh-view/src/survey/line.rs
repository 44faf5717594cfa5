use super::To;

/// The longest line, in bytes; longer ones are told in pieces.
pub const LONGEST_LINE: usize = 4096;
/// By how much pieces overlap, in bytes: what is no longer is found wherever it stands.
pub const OVERLAP: usize = 256;

/// A line that can be searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The channel.
    pub channel: u64,
    /// Which of the programs of that channel, from 0.
    pub program: u32,
    /// What kind of text it is.
    pub kind: Kind,
    /// Nanoseconds since the program began: at this time a replay shows the line.
    pub at: u64,
    /// Unix time in nanoseconds.
    pub time: i64,
    /// The text, without its line end. Safe to show.
    pub text: &'a str,
}

/// What kind of text a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A command line that was asked for, or the name of a subsystem.
    Command,
    /// It was typed, or came from the client otherwise.
    Typed,
    /// It stood on the screen.
    Shown,
    /// What happened to a file.
    File,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Command, Self::Typed, Self::Shown, Self::File];

    /// The kind as one word, for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Typed => "typed",
            Self::Shown => "shown",
            Self::File => "file",
        }
    }
}

impl Line<'_> {
    /// Hands itself on in pieces that are not too long, and overlap.
    pub(super) fn in_pieces(self, to: &mut To<'_>) {
        let mut rest = self.text;
        while rest.len() > LONGEST_LINE {
            let end = rest.floor_char_boundary(LONGEST_LINE);
            let next = rest.floor_char_boundary(end.saturating_sub(OVERLAP));
            let Some((text, _)) = rest.split_at_checked(end) else {
                break;
            };
            to(Line { text, ..self });
            rest = rest.get(next.max(1)..).unwrap_or_default();
        }
        to(Line { text: rest, ..self });
    }
}
