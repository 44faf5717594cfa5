//! The content of a log: an array of messages or a sequence of them, whatever the version says.

use super::cbor::ARRAY;
use super::decode;
use super::error::{Damage, Fault};
use super::parse::{MAX_NESTING, Parser, Source};
use super::raw::Raw;
use crate::message::{Message, Value};
use std::io::{BufRead, ErrorKind};

/// Where in the content one is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before everything.
    #[default]
    Begin,
    /// Between items of a sequence.
    Sequence,
    /// Between elements of an array; how many are left, if that was declared.
    Array(Option<u64>),
    /// Behind the array.
    Closed,
}

/// How the messages are strung together.
#[derive(Debug, Default)]
pub(super) struct Body {
    place: Place,
    /// Inside a message.
    inside: bool,
}

impl Body {
    /// Whether the array was ended.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.place, Place::Closed | Place::Array(Some(0)))
    }

    /// Whether one stands at the edge of a message.
    pub(super) fn is_between(&self) -> bool {
        !self.inside
    }

    /// The next message; `None` at the end of the content.
    pub(super) fn next<S: Source>(
        &mut self,
        parser: &mut Parser<S>,
    ) -> Result<Option<Value>, Fault> {
        if self.place == Place::Begin {
            self.begin(parser)?;
        }
        match &mut self.place {
            Place::Array(Some(0)) => self.place = Place::Closed,
            Place::Array(Some(left)) => *left -= 1,
            Place::Array(None) => {
                if parser.peek()?.is_some() && parser.eat_break()? {
                    self.place = Place::Closed;
                }
            }
            Place::Begin | Place::Sequence | Place::Closed => {}
        }
        match (self.place, parser.peek()?) {
            (_, None) => return Ok(None),
            (Place::Closed, Some(_)) => return Err(Damage::Trailing.into()),
            _ => {}
        }
        self.inside = true;
        let item = parser.message()?;
        self.inside = false;
        Ok(Some(item))
    }

    /// Finds out which of the two it is. The tag that says "this is CBOR" may come first.
    fn begin<S: Source>(&mut self, parser: &mut Parser<S>) -> Result<(), Fault> {
        for _ in 0..MAX_NESTING {
            let Some(first) = parser.peek()? else {
                return Ok(());
            };
            match first >> 5 {
                ARRAY => {
                    let head = parser.head()?;
                    self.place = Place::Array(head.value);
                    return Ok(());
                }
                _ if parser.eat_self_described()? => {}
                _ => {
                    self.place = Place::Sequence;
                    return Ok(());
                }
            }
        }
        Err(Damage::TooDeep.into())
    }
}

/// Reads messages out of content that is no longer compressed: of one member of a log, or of
/// several in order. Holds one message at a time.
pub struct Messages<R> {
    parser: Parser<Raw<Content<R>>>,
    body: Body,
    ended: bool,
}

/// How much may be made of so many bytes of a file, where contents are read one by one: see
/// [`Damage::Expansion`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Budget {
    work: u64,
    input: u64,
}

impl Budget {
    /// Allows for what so many further bytes of the file may hold.
    pub fn add(&mut self, bytes: u64) {
        self.input = self.input.saturating_add(bytes);
    }
}

impl<R: BufRead> Messages<R> {
    /// Begins to read, with the first member's content or that of a later one.
    pub fn new(content: R) -> Self {
        Self::within(content, Budget::default())
    }

    /// The same with what is left of a budget.
    pub fn within(content: R, budget: Budget) -> Self {
        let mut parser = Parser::new(Raw::new(Content {
            input: content,
            paid: budget.input,
        }));
        parser.work = budget.work;
        Self {
            parser,
            body: Body::default(),
            ended: false,
        }
    }

    /// What is left of the budget.
    pub fn budget(&self) -> Budget {
        Budget {
            work: self.parser.work,
            input: self.parser.source.source.paid,
        }
    }

    /// The next message, whose bytes are appended to `raw` as they stand in the content. Without a
    /// message `raw` stays as it is.
    pub fn next_with(&mut self, raw: &mut Vec<u8>) -> Option<Result<Message, Damage>> {
        self.parser.source.copy_to(raw);
        let next = self.next();
        let found = matches!(next, Some(Ok(_)));
        self.parser.source.give_back(raw, found);
        next
    }
}

impl<R: BufRead> Iterator for Messages<R> {
    type Item = Result<Message, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        // In the members of version 1, a break stands where the array's head is in another one.
        let in_sequence = matches!(self.body.place, Place::Begin | Place::Sequence);
        if in_sequence && matches!(self.parser.peek(), Ok(Some(0xff))) {
            self.ended = true;
            return None;
        }
        let next = self.body.next(&mut self.parser);
        let next = next.and_then(|item| Ok(item.map(decode::message).transpose()?));
        self.ended = !matches!(next, Ok(Some(_)));
        next.map_err(damage).transpose()
    }
}

/// Content that comes from a reader.
struct Content<R> {
    input: R,
    paid: u64,
}

impl<R: BufRead> Source for Content<R> {
    fn fill(&mut self) -> Result<&[u8], Fault> {
        while let Err(error) = self.input.fill_buf() {
            if error.kind() != ErrorKind::Interrupted {
                return Err(Fault::Read(error));
            }
        }
        self.input.fill_buf().map_err(Fault::Read)
    }

    fn consume(&mut self, count: usize) {
        self.input.consume(count);
    }

    fn offset(&self) -> u64 {
        self.paid
    }
}

/// Reads one message that stands alone, such as in a frame of a tail.
pub fn decode_message(encoded: &[u8]) -> Result<Message, Damage> {
    let mut parser = Parser::new(encoded);
    let item = parser.message().map_err(damage)?;
    if !parser.source.is_empty() {
        return Err(Damage::Trailing);
    }
    decode::message(item)
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn damage(fault: Fault) -> Damage {
    match fault {
        Fault::Damage(damage) => damage,
        Fault::Unfinished | Fault::Cut | Fault::Read(_) => Damage::CutMessage,
    }
}
