use super::body::Body;
use super::decode;
use super::error::{Damage, DecodeError, Fault};
use super::format::{Format, HEADER_LENGTH, MAGIC};
use super::gzip::Gzip;
use super::parse::{Parser, Source};
use super::raw::Raw;
use crate::message::{Event, Message};
use std::io::Read;

/// Reads a log from its first byte on: of ContainerSSH or of ours, of either version, finished,
/// still being written or cut.
///
/// It holds one message at a time, whatever the log's size, and gives every message that precedes
/// an error. A member's checksum is compared when its content has been read; who needs certainty
/// before the first message verifies the [`seal`](crate::seal).
pub struct Decoder<R> {
    parser: Parser<Raw<Gzip<R>>>,
    body: Body,
    format: Option<Format>,
    /// Whether the last message was a disconnect.
    disconnected: bool,
    end: Option<End>,
}

/// How a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The last message is the disconnect.
    Complete,
    /// It was closed without a disconnect: its writer died, and recovery closed it.
    Recovered,
    /// It ends behind a message, as a log does that is still being written. A log that was cut
    /// just there looks the same.
    Open,
    /// It ends inside a message or a member.
    Cut,
    /// It could not be read on: the [`DecodeError`] says why.
    Damaged,
}

impl<R: Read> Decoder<R> {
    /// Begins to read. Nothing is read before the first message is asked for.
    pub fn new(reader: R) -> Self {
        Self {
            parser: Parser::new(Raw::new(Gzip::new(reader))),
            body: Body::default(),
            format: None,
            disconnected: false,
            end: None,
        }
    }

    /// The next message, whose bytes are appended to `raw` as they stand in the content. Without a
    /// message `raw` stays as it is.
    pub fn next_with(&mut self, raw: &mut Vec<u8>) -> Option<Result<Message, DecodeError>> {
        self.parser.source.copy_to(raw);
        let next = self.next();
        let found = matches!(next, Some(Ok(_)));
        self.parser.source.give_back(raw, found);
        next
    }

    /// The format that the header names; known from the first message on.
    pub fn format(&self) -> Option<Format> {
        self.format
    }

    /// How the log ends; known when the iterator has ended.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// How many bytes of the log have been read.
    pub fn offset(&self) -> u64 {
        self.parser.source.offset()
    }

    fn advance(&mut self) -> Result<Option<Message>, Fault> {
        let item = self.body.next(&mut self.parser)?;
        Ok(item.map(decode::message).transpose()?)
    }

    /// Reads the header; `None` if it is cut.
    fn header(&mut self) -> Result<Option<Format>, DecodeError> {
        let mut header = [0; HEADER_LENGTH];
        let length = match self.parser.source.source.preamble(&mut header) {
            Ok(length) => length,
            Err(fault) => return Err(self.error(fault)),
        };
        let differs = header.iter().zip(MAGIC).take(length).any(|(a, b)| a != b);
        if length < HEADER_LENGTH && !differs {
            return Ok(None);
        }
        let format = Format::from_header(&header)?;
        self.format = Some(format);
        Ok(Some(format))
    }

    fn error(&self, fault: Fault) -> DecodeError {
        let offset = self.offset();
        let member = self.parser.source.source.member();
        match fault {
            Fault::Read(source) => DecodeError::Read { offset, source },
            Fault::Damage(damage) => DecodeError::Damaged {
                damage,
                offset,
                member,
            },
            Fault::Unfinished | Fault::Cut => DecodeError::Damaged {
                damage: Damage::CutMessage,
                offset,
                member,
            },
        }
    }

    /// How a log ends that ends here, early or not.
    fn ending(&self, fault: Option<&Fault>) -> End {
        let closed = self.body.is_closed() || self.parser.source.source.is_final();
        match fault {
            _ if !self.body.is_between() => End::Cut,
            _ if self.disconnected => End::Complete,
            Some(Fault::Cut) => End::Cut,
            _ if closed => End::Recovered,
            _ => End::Open,
        }
    }
}

impl<R: Read> Iterator for Decoder<R> {
    type Item = Result<Message, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.end.is_some() {
            return None;
        }
        if self.format.is_none() {
            match self.header() {
                Ok(Some(_)) => {}
                Ok(None) => {
                    self.end = Some(End::Cut);
                    return None;
                }
                Err(error) => {
                    self.end = Some(End::Damaged);
                    return Some(Err(error));
                }
            }
        }
        match self.advance() {
            Ok(Some(message)) => {
                self.disconnected = message.event == Event::Disconnect;
                Some(Ok(message))
            }
            Ok(None) => {
                self.end = Some(self.ending(None));
                None
            }
            Err(fault @ (Fault::Unfinished | Fault::Cut)) => {
                self.end = Some(self.ending(Some(&fault)));
                None
            }
            Err(fault) => {
                self.end = Some(End::Damaged);
                Some(Err(self.error(fault)))
            }
        }
    }
}
