use super::{Cast, Style};
use crate::runs::{Did, Runs, Step};
use crate::view::View as _;
use auditssh_log::Message;
use std::collections::BTreeMap;
use std::io;

/// The casts of a connection: one for each channel that ran a program. The subsystem `sftp` and what
/// is forwarded is not for a terminal, and stays out.
#[derive(Debug)]
pub struct Casts {
    style: Style,
    runs: Runs,
    open: BTreeMap<u64, Cast>,
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
            runs: Runs::default(),
            open: BTreeMap::new(),
        }
    }

    /// Takes a message, and returns what it adds to which casts.
    pub fn push(&mut self, message: &Message) -> Vec<Piece> {
        let (mut pieces, style, open) = (Vec::new(), self.style, &mut self.open);
        // Memory takes what is written.
        let _ = self
            .runs
            .push(message, |step| write(open, style, &step, &mut pieces));
        pieces
    }

    /// Ends the casts that are not ended.
    pub fn finish(mut self) -> Vec<Piece> {
        let (mut pieces, style) = (Vec::new(), self.style);
        let open = &mut self.open;
        let _ = self
            .runs
            .finish(|step| write(open, style, &step, &mut pieces));
        pieces
    }
}

fn write(
    open: &mut BTreeMap<u64, Cast>,
    style: Style,
    step: &Step<'_>,
    pieces: &mut Vec<Piece>,
) -> io::Result<()> {
    let mut piece = Piece {
        channel: step.channel,
        ..Piece::default()
    };
    match step.what {
        Did::Begin(start) if !start.is_sftp() => {
            piece.begins = true;
            let cast = Cast::new(start, style, &mut piece.lines)?;
            open.insert(step.channel, cast);
        }
        what => {
            let Some(cast) = open.get_mut(&step.channel) else {
                return Ok(());
            };
            cast.push(step, &mut piece.lines)?;
            piece.ends = matches!(what, Did::End);
            if piece.ends {
                open.remove(&step.channel);
            }
        }
    }
    if !piece.lines.is_empty() || piece.ends {
        pieces.push(piece);
    }
    Ok(())
}
