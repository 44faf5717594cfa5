use super::{Cast, Origin, Style};
use crate::runs::{Did, Runs, Start, Step};
use crate::view::View as _;
use auditssh_log::Message;
use std::collections::BTreeMap;
use std::io;

/// The casts of a connection: one for each channel that ran a program. What moves files
/// ([`Start::moves_files`]) and what is forwarded is not for a terminal, and stays out.
#[derive(Debug)]
pub struct Casts {
    style: Style,
    origin: Option<Origin>,
    runs: Runs,
    open: BTreeMap<u64, Open>,
    /// Unix time of the last message, in nanoseconds.
    time: i64,
}

/// A cast that is being written.
#[derive(Debug)]
struct Open {
    cast: Cast,
    /// What it began with; the terminal has the size that it has now.
    start: Start,
}

/// Lines of a cast.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The channel.
    pub channel: u64,
    /// Whether a cast begins with these lines.
    pub begins: bool,
    /// Whether it ends with them.
    pub ends: bool,
    /// Whole lines.
    pub lines: Vec<u8>,
}

impl Casts {
    /// No casts yet.
    pub fn new(style: Style) -> Self {
        Self {
            style,
            origin: None,
            runs: Runs::default(),
            open: BTreeMap::new(),
            time: 0,
        }
    }

    /// The same for a connection with this id, whose casts tell whose they are.
    pub fn of(connection: &str, style: Style) -> Self {
        Self {
            origin: Some(Origin::new(connection)),
            ..Self::new(style)
        }
    }

    /// Takes a message, and returns what it adds to which casts.
    pub fn push(&mut self, message: &Message) -> Vec<Piece> {
        let mut pieces = Vec::new();
        self.learn(message);
        let mut pen = Pen {
            open: &mut self.open,
            origin: self.origin.as_ref(),
            style: self.style,
            pieces: &mut pieces,
        };
        // Memory takes what is written.
        let _ = self.runs.push(message, |step| pen.write(&step));
        pieces
    }

    /// The same while the session runs: `mono` is the time of a clock that never jumps, in
    /// nanoseconds. All messages are to be pushed so, or none.
    pub fn push_at(&mut self, message: &Message, mono: u64) -> Vec<Piece> {
        let mut pieces = Vec::new();
        self.learn(message);
        let mut pen = Pen {
            open: &mut self.open,
            origin: self.origin.as_ref(),
            style: self.style,
            pieces: &mut pieces,
        };
        let time = i64::try_from(mono).unwrap_or(i64::MAX);
        let _ = self.runs.push_at(message, time, |step| pen.write(&step));
        pieces
    }

    /// Begins the casts that are open once more, in files that belong to another connection id. Those
    /// of the channels `ended` that are not only say that something is missing.
    pub fn restart(&mut self, connection: &str, ended: &[u64]) -> Vec<Piece> {
        let mut label = "continued; output may be missing before this".to_owned();
        if let Some(origin) = &mut self.origin {
            label = format!(
                "continues {}; output may be missing before this",
                origin.connection
            );
            connection.clone_into(&mut origin.connection);
        }
        let origin = self.origin.as_ref();
        let mut pieces = Vec::new();
        for channel in ended
            .iter()
            .filter(|channel| !self.open.contains_key(channel))
        {
            let (mut lines, start) = (Vec::new(), Start::unknown(self.time));
            let named = origin.map(|origin| (origin, *channel));
            if let Ok(mut cast) = Cast::of(named, &start, self.style, &mut lines) {
                let _ = cast.event(0, 'm', &label, &mut lines);
            }
            pieces.push(Piece {
                channel: *channel,
                begins: true,
                ends: true,
                lines,
            });
        }
        for (channel, open) in &mut self.open {
            let mut lines = Vec::new();
            let named = origin.map(|origin| (origin, *channel));
            let _ = open.cast.again(named, &open.start, &label, &mut lines);
            pieces.push(Piece {
                channel: *channel,
                begins: true,
                ends: false,
                lines,
            });
        }
        pieces
    }

    fn learn(&mut self, message: &Message) {
        self.time = message.timestamp;
        if let Some(origin) = &mut self.origin {
            origin.learn(message);
        }
    }

    /// Ends the casts that are not ended.
    pub fn finish(mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut pen = Pen {
            open: &mut self.open,
            origin: self.origin.as_ref(),
            style: self.style,
            pieces: &mut pieces,
        };
        let _ = self.runs.finish(|step| pen.write(&step));
        pieces
    }
}

/// Writes pieces.
struct Pen<'a> {
    open: &'a mut BTreeMap<u64, Open>,
    origin: Option<&'a Origin>,
    style: Style,
    pieces: &'a mut Vec<Piece>,
}

impl Pen<'_> {
    fn write(&mut self, step: &Step<'_>) -> io::Result<()> {
        let mut piece = Piece {
            channel: step.channel,
            ..Piece::default()
        };
        match step.what {
            Did::Begin(start) if !start.moves_files() => {
                piece.begins = true;
                let origin = self.origin.map(|origin| (origin, step.channel));
                let cast = Cast::of(origin, start, self.style, &mut piece.lines)?;
                let start = start.clone();
                self.open.insert(step.channel, Open { cast, start });
            }
            what => {
                let Some(open) = self.open.get_mut(&step.channel) else {
                    return Ok(());
                };
                if let (Did::Resize(size), Some(terminal)) = (what, &mut open.start.terminal) {
                    terminal.size = size;
                }
                open.cast.push(step, &mut piece.lines)?;
                piece.ends = matches!(what, Did::End);
                if piece.ends {
                    self.open.remove(&step.channel);
                }
            }
        }
        if !piece.lines.is_empty() || piece.ends {
            self.pieces.push(piece);
        }
        Ok(())
    }
}
