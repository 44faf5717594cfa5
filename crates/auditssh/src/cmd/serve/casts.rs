//! The casts that are written while sessions run.

use auditssh_archive::{Encoder, Encoders, Piece};
use auditssh_log::Message;
use auditssh_view::cast::{self, Style};

/// Makes the writer of each connection's casts.
#[derive(Debug)]
pub(super) struct LiveCasts(pub(super) Style);

#[derive(Debug)]
struct Writer(cast::Casts);

impl Encoders for LiveCasts {
    fn begin(&self, connection: &str) -> Box<dyn Encoder> {
        Box::new(Writer(cast::Casts::of(connection, self.0)))
    }

    fn missing(&self, before: &[u8], lost: &[u8]) -> Vec<u8> {
        cast::missing(self.0.version, before, lost)
    }
}

impl Encoder for Writer {
    fn push(&mut self, message: &Message, mono: u64) -> Vec<Piece> {
        let pieces = self.0.push_at(message, mono);
        pieces.into_iter().map(piece).collect()
    }

    fn restart(&mut self, connection: &str, ended: &[u64]) -> Vec<Piece> {
        let pieces = self.0.restart(connection, ended);
        pieces.into_iter().map(piece).collect()
    }
}

fn piece(piece: cast::Piece) -> Piece {
    Piece {
        channel: piece.channel,
        begins: piece.begins,
        ends: piece.ends,
        lines: piece.lines,
    }
}
