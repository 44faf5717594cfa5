//! What can be had from a damaged log, as a new log that says so.
//!
//! Members that hold are taken wherever they stand, each once, in the order of their numbers. Of
//! what stands between them as much is taken as can be inflated and decoded; it is not proven, and
//! a notice (a gap of no messages) before it says so. Frames of the tails beside the log follow.
//! Where messages are missing, a gap tells how many. Messages of another connection are left out.
//! Every member of the new log that holds such a thing is flagged GAP or RECOVERED, and its final
//! member is RECOVERED: no salvaged log passes for an intact one.
//!
//! Nothing is held but where the pieces stand and one message. Messages are copied as they stand.

mod output;
mod pieces;
mod tails;
#[cfg(test)]
mod tests;

use crate::span::Span;
use auditssh_log::Message;
use auditssh_log::codec::{Budget, Damage, Decoder, Format, Messages, decode_message, encode};
use auditssh_log::extension::Gap;
use auditssh_log::message::Text;
use auditssh_log::seal::{Flags, Inflated, Seal, SealError};
use output::{Origin, Output};
use pieces::{BLOCK, Input, Kind, Place, Places};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
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
    /// Whether the log bears the name of another connection.
    pub renamed: bool,
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
///
/// Messages are those of the connection that names the log; if there is none of it, since the log
/// was renamed, those of the connection that its first proven message names.
pub fn salvage(log: &Path, new: &Path) -> Result<Salvaged, SalvageError> {
    let named = connection(log);
    let is_named = named.is_some();
    match salvage_of(named, log, new) {
        Err(SalvageError::Nothing(_)) if is_named => {
            let done = salvage_of(None, log, new)?;
            Ok(Salvaged {
                renamed: true,
                ..done
            })
        }
        done => done,
    }
}

fn salvage_of(connection: Option<Text>, log: &Path, new: &Path) -> Result<Salvaged, SalvageError> {
    let read = |source| SalvageError::Read {
        path: log.to_owned(),
        source,
    };
    let write = |source| SalvageError::Write {
        path: new.to_owned(),
        source,
    };
    regular(log).map_err(read)?;
    let mut input = Input::new(File::open(log).map_err(read)?).map_err(read)?;
    let tails = Tails::of(log).map_err(read)?;
    let places = input.places().map_err(read)?;
    let format = input.format().unwrap_or(Format::Audit);
    let output = Output::create(new, format).map_err(write)?;
    let mut work = Work {
        input,
        output,
        next: 0,
        member: 0,
        connection,
        budget: Budget::default(),
        done: Salvaged::default(),
    };
    let result = work
        .run(&places, tails)
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

/// A pipe would be waited for when it is opened.
fn regular(log: &Path) -> io::Result<()> {
    if log.metadata()?.is_file() {
        return Ok(());
    }
    let what = "it is no regular file";
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

/// The connection that the log's name tells.
fn connection(log: &Path) -> Option<Text> {
    let name = log.file_name()?.to_str()?;
    crate::is_id(name).then(|| name.into())
}

/// Length of what precedes the data of a member that is not signed, as only a final one can be.
const UNSIGNED: usize = 140;

const TOO_MUCH: &str = "what follows was left out: it expands out of all proportion";

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
    /// Number of the member after those that were taken.
    member: u32,
    connection: Option<Text>,
    budget: Budget,
    done: Salvaged,
}

impl Work {
    fn run(&mut self, places: &Places, mut tails: Tails) -> Result<(), Failure> {
        let all = &places.places;
        let chained = all.iter().any(|place| place.kind == Kind::Members);
        if !chained && self.input.is_foreign().map_err(Failure::Read)? {
            self.foreign()?;
        } else {
            if self.connection.is_none() {
                self.connection = self.proven_connection(all)?;
            }
            for place in all {
                match place.kind {
                    Kind::Members => self.members(place)?,
                    Kind::Damage => self.damage(place, &mut tails)?,
                }
            }
            self.frames(&mut tails)?;
        }
        if places.more {
            self.notice(
                0,
                "the log is in too many pieces; what follows was left out",
            )?;
        }
        if !self.done.ended {
            self.notice(0, "the end of the log is missing")?;
        }
        self.output.finish()
    }

    /// The connection of the first message that is proven.
    fn proven_connection(&mut self, places: &[Place]) -> Result<Option<Text>, Failure> {
        let members = places.iter().filter(|place| place.kind == Kind::Members);
        for place in members {
            let Some(seal) = self.input.seal(place.offset).map_err(Failure::Read)? else {
                continue;
            };
            let content = content(self.data(place.offset, &seal));
            if let Some(Ok(message)) = Messages::new(content).next() {
                return Ok(Some(message.connection_id).filter(is_short));
            }
        }
        Ok(None)
    }

    /// Takes members that hold, but for those of which another was taken.
    fn members(&mut self, place: &Place) -> Result<(), Failure> {
        let mut at = place.offset;
        while at < place.offset + place.length {
            let Some(seal) = self.input.seal(at).map_err(Failure::Read)? else {
                break;
            };
            if seal.number >= self.member {
                self.proven(at, &seal)?;
            }
            at += u64::from(seal.length);
        }
        Ok(())
    }

    fn proven(&mut self, offset: u64, seal: &Seal) -> Result<(), Failure> {
        let missing = seal.first.saturating_sub(self.next);
        if missing > 0 {
            self.output.expect(seal.span.first_wall);
            self.notice(missing, "the member that held them is lost")?;
        }
        self.member = seal.number.saturating_add(1);
        self.done.ended |= seal.flags.contains(Flags::FINAL);
        self.next = seal.first;
        let origin = Origin {
            flags: if seal.flags.contains(Flags::GAP) {
                Flags::GAP
            } else {
                Flags::NONE
            },
            first_mono: seal.span.first_mono,
            last_mono: seal.span.last_mono,
        };
        self.budget.add(seal.length.into());
        let data = self.data(offset, seal);
        self.done.proven += self.content(data, &origin, "")?;
        Ok(())
    }

    fn damage(&mut self, place: &Place, tails: &mut Tails) -> Result<(), Failure> {
        if place.number < self.member || self.chunk(place.number, tails)? {
            return Ok(());
        }
        let reason = format!(
            "what follows stood at byte {} where member {} should be; it is not proven",
            place.offset, place.number
        );
        let origin = self.output.last(Flags::RECOVERED | Flags::GAP);
        let seal = self.input.seal(place.offset).map_err(Failure::Read)?;
        let mut data = self.input.damage(place);
        data.pass(seal.as_ref().map_or(UNSIGNED, Seal::data_start) as u64);
        self.budget.add(place.length);
        self.done.unproven += self.content(data, &origin, &reason)?;
        Ok(())
    }

    /// The deflate data of a member, and its trailer.
    fn data(&self, offset: u64, seal: &Seal) -> Span {
        let mut data = self.input.span(offset, seal.length.into());
        data.pass(seal.data_start() as u64);
        data
    }

    /// Takes the messages of a member's content; before the first of them a notice, if there is
    /// something to say.
    fn content(&mut self, data: Span, origin: &Origin, why: &str) -> Result<u64, Failure> {
        let mut taken = 0;
        let mut messages = Messages::within(content(data), self.budget);
        loop {
            let mut content = self.output.lend();
            let start = content.len();
            let next = messages.next_with(&mut content);
            let Some(Ok(message)) = next else {
                self.output.give_back(content);
                if let Some(Err(Damage::Expansion)) = next {
                    self.notice(0, TOO_MUCH)?;
                }
                break;
            };
            let why = if taken == 0 { why } else { "" };
            taken += u64::from(self.take(message, content, start, origin, why)?);
        }
        self.budget = messages.budget();
        Ok(taken)
    }

    /// Takes a chunk from its tail, if that still holds it; better than from a damaged member.
    fn chunk(&mut self, chunk: u32, tails: &mut Tails) -> Result<bool, Failure> {
        let mut any = false;
        let first = self.next;
        tails
            .chunk(chunk, first, |frame| {
                any = true;
                self.frame(frame)
            })
            .map_err(Failure::Read)??;
        Ok(any)
    }

    /// Takes what the tails hold beyond the last member.
    fn frames(&mut self, tails: &mut Tails) -> Result<(), Failure> {
        let first = self.next;
        tails
            .all(first, |frame| {
                if frame.number > self.next {
                    let missing = frame.number - self.next;
                    self.output.expect(frame.stamp.wall);
                    self.notice(missing, "the frames that held them are lost")?;
                    self.next = frame.number;
                }
                self.frame(frame)
            })
            .map_err(Failure::Read)?
    }

    fn frame(&mut self, frame: Frame) -> Result<(), Failure> {
        let Ok(message) = decode_message(&frame.message) else {
            return Ok(());
        };
        let gap = if frame.gap { Flags::GAP } else { Flags::NONE };
        let origin = Origin {
            flags: Flags::RECOVERED | gap,
            first_mono: frame.stamp.mono,
            last_mono: frame.stamp.mono,
        };
        let mut content = self.output.lend();
        let start = content.len();
        content.extend_from_slice(&frame.message);
        drop(frame);
        self.done.framed += u64::from(self.take(message, content, start, &origin, "")?);
        Ok(())
    }

    /// A log of ContainerSSH, or one whose members are all lost but inflate in one go.
    fn foreign(&mut self) -> Result<(), Failure> {
        let mut decoder = Decoder::new(self.input.whole());
        loop {
            let mut content = self.output.lend();
            let start = content.len();
            let Some(Ok(message)) = decoder.next_with(&mut content) else {
                self.output.give_back(content);
                return Ok(());
            };
            let origin = Origin::default();
            self.done.unproven += u64::from(self.take(message, content, start, &origin, "")?);
        }
    }

    /// Takes a message, whose bytes stand in the content that was lent, from `start` on. If there
    /// is something to say, a notice comes before it.
    fn take(
        &mut self,
        message: Message,
        mut content: Vec<u8>,
        start: usize,
        origin: &Origin,
        why: &str,
    ) -> Result<bool, Failure> {
        if !self.is_ours(&message) {
            content.truncate(start);
            self.output.give_back(content);
            self.done.others += 1;
            return Ok(false);
        }
        if self.connection.is_none() && is_short(&message.connection_id) {
            self.connection = Some(message.connection_id.clone());
        }
        let timestamp = message.timestamp;
        // Before anything else needs memory.
        drop(message);
        if !why.is_empty() {
            let raw = content.split_off(start);
            self.output.give_back(content);
            self.output.expect(timestamp);
            self.notice(0, why)?;
            content = self.output.lend();
            content.extend_from_slice(&raw);
        }
        self.next = self.next.saturating_add(1);
        self.output.push(content, timestamp, origin)?;
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
        let mut content = self.output.lend();
        encode(&message, &mut content);
        self.output.push(content, wall, &origin)
    }
}

/// What a member holds, as far as it can be inflated.
fn content(data: Span) -> impl BufRead {
    let data = BufReader::with_capacity(BLOCK, data);
    BufReader::with_capacity(BLOCK, Inflated::new(data))
}

/// No writer makes ids longer than this; longer ones are told apart by no one.
fn is_short(id: &Text) -> bool {
    id.as_bytes().len() <= 1024
}
