use super::words;
use crate::summary::What;
use auditssh_log::extension::Forced;
use auditssh_log::message::Text;

/// The size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Width, 1 to [`Size::WIDEST`].
    pub columns: u16,
    /// Height, 1 to [`Size::HIGHEST`].
    pub rows: u16,
}

impl Size {
    /// The widest terminal that is shown.
    pub const WIDEST: u16 = 1000;
    /// The highest terminal that is shown.
    pub const HIGHEST: u16 = 500;
    /// The most characters that a terminal shows.
    pub const LARGEST: u32 = 131_072;
    /// What a program without a terminal is shown on.
    pub const USUAL: Self = Self {
        columns: 80,
        rows: 24,
    };

    /// What is shown for a size that was asked for: 0 says that it is not known (RFC 4254, 6.2).
    pub(super) fn of(columns: u64, rows: u64) -> Self {
        let within = |value: u64, usual: u16, most: u16| match value {
            0 => usual,
            value => u16::try_from(value).unwrap_or(most).min(most),
        };
        let columns = within(columns, Self::USUAL.columns, Self::WIDEST);
        let rows = within(rows, Self::USUAL.rows, Self::HIGHEST);
        let most = u16::try_from(Self::LARGEST / u32::from(columns)).unwrap_or(u16::MAX);
        Self {
            columns,
            rows: rows.min(most),
        }
    }
}

/// The terminal of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Its kind: `TERM`.
    pub term: Text,
    /// Its size when the program began.
    pub size: Size,
}

/// A program that begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// Unix time in nanoseconds, as recorded.
    pub time: i64,
    /// What was asked for; `None` if that stands in the log before.
    pub what: Option<What>,
    /// What ran in its place.
    pub forced: Option<Forced>,
    /// Its terminal, if it has one.
    pub terminal: Option<Terminal>,
    /// Variables of its environment that are no secret.
    pub environment: Vec<(Text, Text)>,
}

/// What the bytes of a program are, as far as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Text, for all that is known.
    None,
    /// SFTP.
    Sftp,
    /// The old protocol of scp; the program takes files.
    ScpSink,
    /// The old protocol of scp; the program gives files.
    ScpSource,
    /// rsync.
    Rsync,
}

impl Start {
    /// A program of which nothing is known.
    pub(crate) const fn unknown(time: i64) -> Self {
        Self {
            time,
            what: None,
            forced: None,
            terminal: None,
            environment: Vec::new(),
        }
    }

    /// The command line that ran or the subsystem's name; `None` for a shell.
    pub fn command(&self) -> Option<&Text> {
        match (&self.forced, &self.what) {
            (Some(forced), _) => Some(&forced.command),
            (None, Some(What::Exec(command) | What::Subsystem(command))) => Some(command),
            (None, Some(What::Shell) | None) => None,
        }
    }

    /// The size of its terminal, or the usual one.
    pub fn size(&self) -> Size {
        self.terminal
            .as_ref()
            .map_or(Size::USUAL, |terminal| terminal.size)
    }

    /// Whether a line end in its output is a line feed alone. A terminal puts a carriage return
    /// before it, and so does that of the client if the program has none.
    pub fn has_bare_lines(&self) -> bool {
        self.terminal.is_none() && self.what.is_some()
    }

    /// Whether it is the subsystem `sftp`, whose bytes are for no terminal. No command line is ever
    /// taken for it, whatever it begins with: anything may follow.
    pub fn is_sftp(&self) -> bool {
        let asked = matches!(&self.what, Some(What::Subsystem(name)) if *name == "sftp");
        asked
            && self
                .forced
                .as_ref()
                .is_none_or(|_| self.protocol() == Protocol::Sftp)
    }

    /// Whether it moves files, as far as that can be told before its bytes: the subsystem `sftp`, or
    /// scp, rsync or an SFTP server without a terminal, and nothing else on the line. A program of
    /// the user's own may bear such a name.
    pub fn moves_files(&self) -> bool {
        if self.is_sftp() {
            return true;
        }
        let alone = self.terminal.is_none() && self.protocol() != Protocol::None;
        alone && self.command().is_some_and(is_plain)
    }

    /// What its bytes are, going by the subsystem's name or the first words of the command line.
    pub fn protocol(&self) -> Protocol {
        match (&self.forced, &self.what) {
            (None, Some(What::Subsystem(name))) if *name == "sftp" => Protocol::Sftp,
            _ => self.command().map_or(Protocol::None, of_command),
        }
    }
}

/// Whether a command line begins with the program itself, by its name or in a directory of the
/// system, and no shell makes anything else of it.
fn is_plain(command: &Text) -> bool {
    let words = words(command.as_bytes());
    let first = words.first().map(Vec::as_slice).unwrap_or_default();
    let name = match first.strip_prefix(b"/usr") {
        Some(rest) if rest.starts_with(b"/") => rest.rsplit(|byte| *byte == b'/').next(),
        _ => Some(first),
    };
    let known: [&[u8]; 4] = [b"scp", b"rsync", b"sftp-server", b"internal-sftp"];
    let is_known = name.is_some_and(|name| known.contains(&name));
    let special = b";|&$`<>(){}\n\r!";
    is_known && !(command.as_bytes().iter()).any(|byte| special.contains(byte))
}

/// Words before the program: `sudo`, `nice -n 5`, `env A=b`.
const BEFORE: usize = 6;

fn of_command(command: &Text) -> Protocol {
    let words = words(command.as_bytes());
    let name = |word: &Vec<u8>| word.rsplit(|byte| *byte == b'/').next().map(<[u8]>::to_vec);
    for (index, word) in words.iter().enumerate().take(BEFORE) {
        let mut rest = words.iter().skip(index + 1);
        match name(word).as_deref() {
            Some(b"internal-sftp" | b"sftp-server") => return Protocol::Sftp,
            Some(b"rsync") if rest.any(|word| word == b"--server") => return Protocol::Rsync,
            Some(b"scp") => return of_scp(rest),
            _ => {}
        }
    }
    Protocol::None
}

/// `scp -t` takes, `scp -f` gives; options may stand together.
fn of_scp<'a>(words: impl Iterator<Item = &'a Vec<u8>>) -> Protocol {
    for word in words {
        let Some(letters) = word.strip_prefix(b"-") else {
            break;
        };
        if letters.contains(&b't') {
            return Protocol::ScpSink;
        }
        if letters.contains(&b'f') {
            return Protocol::ScpSource;
        }
    }
    Protocol::None
}
