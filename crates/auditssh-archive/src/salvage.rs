//! What can be had from a damaged log, as a new log that says so.
//!
//! Members that hold are taken wherever they stand, each once, in the order of their numbers. Of
//! what stands between them as much is taken as can be inflated and decoded; it is not proven, and
//! a notice (a gap of no messages) before it says so. Frames of the tails beside the log follow.
//! Where messages are missing, a gap tells how many. Messages of another connection are left out.
//! Every member of the new log that holds such a thing is flagged GAP or RECOVERED, and its final
//! member is RECOVERED: no salvaged log passes for an intact one.

mod output;
mod pieces;
mod tails;
#[cfg(test)]
mod tests;

use auditssh_log::Message;
use auditssh_log::codec::{Decoder, Format, Messages, decode_message};
use auditssh_log::extension::Gap;
use auditssh_log::message::Text;
use auditssh_log::seal::{Flags, SealError, inflate_damaged};
use output::{Origin, Output};
use pieces::{Input, Piece, Place};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use tails::{Frame, Tails};

/// What was had from a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Messages from members that hold.
    pub proven: u64,
    /// Messages from frames of the tails, protected by their CRC-32C.
    pub framed: u64,
    /// Messages from what is damaged, or never was protected.
    pub unproven: u64,
    /// Messages that are known to be missing.
    pub missing: u64,
    /// Messages of other connections, which were left out.
    pub others: u64,
    /// Whether the end of the log was found.
    pub ended: bool,
}

/// Why nothing could be salvaged.
#[derive(Debug, thiserror::Error)]
pub enum SalvageError {
    /// The damaged log cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The log.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The new log cannot be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Write {
        /// The new log.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// There is no message in it.
    #[error("{}: not one message can be had from it", .0.display())]
    Nothing(PathBuf),
}

/// Reads `log` and the tails beside it and writes what can be had to `new`, which must not exist.
/// If that fails `new` is removed. The damaged log is left as it is.
pub fn salvage(log: &Path, new: &Path) -> Result<Salvaged, SalvageError> {
    let read = |source| SalvageError::Read {
        path: log.to_owned(),
        source,
    };
    let write = |source| SalvageError::Write {
        path: new.to_owned(),
        source,
    };
    let input = Input::new(File::open(log).map_err(read)?).map_err(read)?;
    let tails = Tails::read(log).map_err(read)?;
    let places = input.places().map_err(read)?;
    let format = input.format().unwrap_or(Format::Audit);
    let output = Output::create(new, format).map_err(write)?;
    let mut work = Work {
        input,
        output,
        next: 0,
        connection: connection(log),
        done: Salvaged::default(),
    };
    let result = work
        .run(log, &places, &tails)
        .map_err(|error| match error {
            Failure::Read(source) => read(source),
            Failure::Write(source) => write(source),
        })
        .and_then(|()| match work.done {
            Salvaged {
                proven: 0,
                framed: 0,
                unproven: 0,
                ..
            } => Err(SalvageError::Nothing(log.to_owned())),
            done => Ok(done),
        });
    if result.is_err() {
        // It was made here and holds nothing of worth; the error that is returned matters more.
        let _ = std::fs::remove_file(new);
    }
    result
}

/// The connection that the log's name tells.
fn connection(log: &Path) -> Option<Text> {
    let name = log.file_name()?.to_str()?;
    crate::is_id(name).then(|| name.into())
}

enum Failure {
    Read(io::Error),
    Write(io::Error),
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        Self::Write(io::Error::other(error))
    }
}

struct Work {
    input: Input,
    output: Output,
    /// Number of the next message, as far as it is known.
    next: u64,
    connection: Option<Text>,
    done: Salvaged,
}

impl Work {
    fn run(&mut self, log: &Path, places: &[Place], tails: &Tails) -> Result<(), Failure> {
        let chained = places
            .iter()
            .any(|place| matches!(place.piece, Piece::Member(_)));
        if !chained && self.input.is_foreign().map_err(Failure::Read)? {
            self.foreign(log)?;
        } else {
            if self.connection.is_none() {
                self.connection = self.proven_connection(places)?;
            }
            for place in places {
                self.place(place, tails)?;
            }
            self.frames(tails)?;
        }
        if !self.done.ended {
            self.notice(0, "the end of the log is missing")?;
        }
        self.output.finish()
    }

    /// The connection of the first message that is proven.
    fn proven_connection(&self, places: &[Place]) -> Result<Option<Text>, Failure> {
        for place in places {
            if let Piece::Member(seal) = &place.piece {
                let member = self.input.bytes(place).map_err(Failure::Read)?;
                let content = seal.content_of(&member);
                if let Some(Ok(message)) = Messages::new(&content).next() {
                    return Ok(Some(message.connection_id));
                }
            }
        }
        Ok(None)
    }

    fn place(&mut self, place: &Place, tails: &Tails) -> Result<(), Failure> {
        match &place.piece {
            Piece::Member(seal) => {
                let member = self.input.bytes(place).map_err(Failure::Read)?;
                let missing = seal.first.saturating_sub(self.next);
                if missing > 0 {
                    self.notice(missing, "the member that held them is lost")?;
                }
                self.done.ended |= seal.flags.contains(Flags::FINAL);
                self.next = seal.first;
                let flags = if seal.flags.contains(Flags::GAP) {
                    Flags::GAP
                } else {
                    Flags::NONE
                };
                let origin = Origin {
                    flags,
                    first_mono: seal.span.first_mono,
                    last_mono: seal.span.last_mono,
                };
                self.done.proven += self.content(&seal.content_of(&member), &origin, "")?;
            }
            Piece::Damage if self.chunk(place.number, tails)? => {}
            Piece::Damage => {
                let member = self.input.bytes(place).map_err(Failure::Read)?;
                let reason = format!(
                    "what follows stood at byte {} where member {} should be; it is not proven",
                    place.offset, place.number
                );
                let origin = self.output.last(Flags::RECOVERED | Flags::GAP);
                self.done.unproven += self.content(&inflate_damaged(&member), &origin, &reason)?;
            }
        }
        Ok(())
    }

    /// Takes the messages of a member's content; before the first of them a notice, if there is
    /// something to say.
    fn content(&mut self, content: &[u8], origin: &Origin, why: &str) -> Result<u64, Failure> {
        let mut taken = 0;
        for message in Messages::new(content).map_while(Result::ok) {
            if taken == 0 && !why.is_empty() && self.is_ours(&message) {
                self.notice(0, why)?;
            }
            taken += u64::from(self.take(&message, origin)?);
        }
        Ok(taken)
    }

    /// Takes a chunk from its tail, if that still holds it; better than from a damaged member.
    fn chunk(&mut self, chunk: u32, tails: &Tails) -> Result<bool, Failure> {
        let mut any = false;
        for frame in tails.run(chunk, self.next) {
            any = true;
            self.frame(frame)?;
        }
        Ok(any)
    }

    /// Takes what the tails hold beyond the last member.
    fn frames(&mut self, tails: &Tails) -> Result<(), Failure> {
        for (&number, frame) in tails.frames.range(self.next..) {
            if number > self.next {
                self.notice(number - self.next, "the frames that held them are lost")?;
                self.next = number;
            }
            self.frame(frame)?;
        }
        Ok(())
    }

    fn frame(&mut self, frame: &Frame) -> Result<(), Failure> {
        let Ok(message) = decode_message(&frame.message) else {
            return Ok(());
        };
        let gap = if frame.gap { Flags::GAP } else { Flags::NONE };
        let origin = Origin {
            flags: Flags::RECOVERED | gap,
            first_mono: frame.stamp.mono,
            last_mono: frame.stamp.mono,
        };
        self.done.framed += u64::from(self.take(&message, &origin)?);
        Ok(())
    }

    /// A log of ContainerSSH, or one whose members are all lost but inflate in one go.
    fn foreign(&mut self, log: &Path) -> Result<(), Failure> {
        let file = File::open(log).map_err(Failure::Read)?;
        for message in Decoder::new(io::BufReader::new(file)).map_while(Result::ok) {
            let origin = Origin::default();
            self.done.unproven += u64::from(self.take(&message, &origin)?);
        }
        Ok(())
    }

    fn take(&mut self, message: &Message, origin: &Origin) -> Result<bool, Failure> {
        if !self.is_ours(message) {
            self.done.others += 1;
            return Ok(false);
        }
        if self.connection.is_none() {
            self.connection = Some(message.connection_id.clone());
        }
        self.next = self.next.saturating_add(1);
        self.output.push(message, origin)?;
        Ok(true)
    }

    fn is_ours(&self, message: &Message) -> bool {
        self.connection
            .as_ref()
            .is_none_or(|connection| *connection == message.connection_id)
    }

    /// Says in the new log that messages are missing, or what is to be known of those that follow.
    fn notice(&mut self, missing: u64, reason: &str) -> Result<(), Failure> {
        self.done.missing = self.done.missing.saturating_add(missing);
        let wall = self.output.last_wall();
        let gap = Gap {
            messages: missing,
            bytes: 0,
            reason: format!("salvage: {reason}").into(),
            from: wall,
            to: wall,
        };
        let (event, extra) = gap.record();
        let message = Message {
            connection_id: self.connection.clone().unwrap_or_default(),
            timestamp: wall,
            channel_id: None,
            event,
            extra,
            envelope_extra: Vec::new(),
        };
        let origin = self.output.last(Flags::GAP);
        self.output.push(&message, &origin)
    }
}
