//! The old protocol of scp: `scp -t` takes files, `scp -f` gives them.
//!
//! Whoever has the files sends lines: `C0644 12 name` and then 12 bytes and a status byte; `D0755 0
//! name` and `E` around what is in a directory; `T…` with times. The other side answers each of
//! them, and each content, with a status byte: 0; or 1 (go on) or 2 (give up) and a line of text.

use super::transfer::Transfer;
use super::{Action, At, Begun, Direction, Entry, LONGEST_PATH, Outcome, Shared, To, Told};
use crate::Visible;
use crate::runs::{Start, words};
use auditssh_log::message::Text;
use std::borrow::Cow;

/// Longest line.
const LONGEST_LINE: usize = LONGEST_PATH + 64;
/// Deepest directory.
const DEEPEST: usize = 256;

#[derive(Debug)]
pub(super) struct Scp {
    direction: Direction,
    target: Target,
    /// Directories that were entered.
    directories: Vec<Vec<u8>>,
    state: State,
    line: Vec<u8>,
    answer: Answer,
}

/// What the command line names.
#[derive(Debug)]
struct Target {
    path: Vec<u8>,
    /// Whether names stand below it, rather than it being the file.
    is_directory: bool,
}

#[derive(Debug)]
enum State {
    /// A line is expected.
    Line,
    /// A file was announced, and an answer is awaited.
    Announced(File),
    /// Content follows.
    Content(File),
    /// Its status byte follows, and text if that is not 0.
    Status(File),
    /// An answer to the content is awaited.
    Answer(File),
    /// It is not understood.
    Lost,
}

#[derive(Debug)]
struct File {
    path: Vec<u8>,
    left: u64,
    offset: u64,
    transfer: Transfer,
    failure: Option<Cow<'static, str>>,
}

/// An answer: good, or why not.
type Status = Result<(), Cow<'static, str>>;

/// The answers of the side that takes files.
#[derive(Debug, Default)]
struct Answer {
    text: Option<Vec<u8>>,
}

impl Scp {
    pub(super) fn new(start: &Start, direction: Direction) -> Self {
        let words = words(start.command().map_or(&[], Text::as_bytes));
        let target = Target::of(&words, direction);
        Self {
            direction,
            target,
            directories: Vec::new(),
            state: State::Line,
            line: Vec::new(),
            answer: Answer::default(),
        }
    }

    pub(super) fn input(&mut self, data: &[u8], at: At, shared: &mut Shared, to: &mut To<'_>) {
        match self.direction {
            Direction::Upload => self.content(data, at, shared, to),
            Direction::Download => self.answers(data, at, shared, to),
        }
    }

    pub(super) fn output(&mut self, data: &[u8], at: At, shared: &mut Shared, to: &mut To<'_>) {
        match self.direction {
            Direction::Upload => self.answers(data, at, shared, to),
            Direction::Download => self.content(data, at, shared, to),
        }
    }

    pub(super) fn end(&mut self, at: At, shared: &mut Shared, to: &mut To<'_>) {
        match std::mem::replace(&mut self.state, State::Lost) {
            State::Announced(mut file) | State::Content(mut file) | State::Status(mut file) => {
                file.transfer.spoil("it ended early");
                file.finish(at, Outcome::Unknown, shared, to);
            }
            State::Answer(file) => file.finish(at, Outcome::Unknown, shared, to),
            State::Line | State::Lost => {}
        }
    }

    /// What comes from the side that has the files.
    fn content(&mut self, data: &[u8], at: At, shared: &mut Shared, to: &mut To<'_>) {
        let mut rest = data;
        while !rest.is_empty() {
            let state = std::mem::replace(&mut self.state, State::Lost);
            (self.state, rest) = match state {
                State::Lost => return,
                State::Line => self.in_line(rest, at, shared, to),
                // It did not wait, or answers are not in the log.
                State::Announced(file) => (State::Content(file), rest),
                State::Content(file) => content(file, rest, shared, to),
                State::Status(file) => self.status(file, rest),
                State::Answer(file) => {
                    // It did not wait for the answer.
                    file.finish(at, Outcome::Unknown, shared, to);
                    (State::Line, rest)
                }
            };
            if let State::Content(file) = &self.state
                && file.left == 0
            {
                let State::Content(file) = std::mem::replace(&mut self.state, State::Lost) else {
                    return;
                };
                self.state = State::Status(file);
            }
        }
    }

    fn in_line<'a>(
        &mut self,
        bytes: &'a [u8],
        at: At,
        shared: &mut Shared,
        to: &mut To<'_>,
    ) -> (State, &'a [u8]) {
        // The side that gives files may send a status of 0 where a line is expected, as an answer to
        // nothing.
        if self.line.is_empty()
            && let Some((0, rest)) = bytes.split_first()
        {
            return (State::Line, rest);
        }
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            self.line.extend_from_slice(bytes);
            if self.line.len() > LONGEST_LINE {
                return (lost(at, to), &[]);
            }
            return (State::Line, &[]);
        };
        let (head, rest) = bytes.split_at(end);
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(head);
        let rest = rest.get(1..).unwrap_or_default();
        if line.len() > LONGEST_LINE {
            return (lost(at, to), &[]);
        }
        (self.line(&line, at, shared, to), rest)
    }

    /// A whole line.
    fn line(&mut self, line: &[u8], at: At, shared: &mut Shared, to: &mut To<'_>) -> State {
        match line.split_first() {
            Some((b'C', fields)) => {
                let Some((_, size, name)) = fields_of(fields) else {
                    return lost(at, to);
                };
                let path = self.target.join(&self.directories, name);
                to(Told::Open(&Begun {
                    at,
                    protocol: "scp",
                    path: &path,
                    direction: Some(self.direction),
                }));
                State::Announced(File {
                    path,
                    left: size,
                    offset: 0,
                    transfer: Transfer::new(shared.next(), self.direction, at),
                    failure: None,
                })
            }
            Some((b'D', fields)) => {
                let Some((_, _, name)) = fields_of(fields) else {
                    return lost(at, to);
                };
                let length: usize = self.directories.iter().map(Vec::len).sum();
                if self.directories.len() >= DEEPEST || length + name.len() > LONGEST_PATH {
                    return lost(at, to);
                }
                self.directories.push(name.to_vec());
                if self.direction == Direction::Upload {
                    let path = self.target.join(&self.directories, b"");
                    told(at, Action::MakeDirectory, path, Outcome::Unknown, to);
                }
                State::Line
            }
            Some((b'E', _)) => {
                self.directories.pop();
                State::Line
            }
            Some((b'T', _)) => State::Line,
            // An error of the side that has the files, in place of one.
            Some((1 | 2, text)) => {
                let failure = Outcome::Failed(Visible(text).to_string().into());
                let transfer = Transfer::new(shared.next(), self.direction, at);
                let mut file = File {
                    path: self.target.path.clone(),
                    left: 0,
                    offset: 0,
                    transfer,
                    failure: None,
                };
                file.transfer.spoil("nothing went through");
                file.finish(at, failure, shared, to);
                State::Line
            }
            _ => lost(at, to),
        }
    }

    /// The byte behind a content, and the text that follows if it is not 0.
    fn status<'a>(&mut self, mut file: File, bytes: &'a [u8]) -> (State, &'a [u8]) {
        for (index, byte) in bytes.iter().enumerate() {
            let rest = bytes.get(index + 1..).unwrap_or_default();
            if let Some(status) = self.answer_of_source(*byte) {
                if let Err(text) = status {
                    file.transfer.spoil("it could not be read whole");
                    file.failure = Some(text);
                }
                return (State::Answer(file), rest);
            }
        }
        (State::Status(file), &[])
    }

    /// Takes a byte of a status that stands in the content's stream.
    fn answer_of_source(&mut self, byte: u8) -> Option<Status> {
        let mut answer = Answer {
            text: (!self.line.is_empty()).then(|| std::mem::take(&mut self.line)),
        };
        let whole = answer.push(byte);
        self.line = answer.text.take().unwrap_or_default();
        whole
    }

    /// What comes from the side that takes the files.
    fn answers(&mut self, data: &[u8], at: At, shared: &mut Shared, to: &mut To<'_>) {
        for byte in data {
            let Some(status) = self.answer.push(*byte) else {
                continue;
            };
            self.state = match (std::mem::replace(&mut self.state, State::Lost), status) {
                (State::Announced(file), Ok(())) => State::Content(file),
                (State::Announced(mut file), Err(text)) => {
                    file.transfer.spoil("it was refused");
                    file.finish(at, Outcome::Failed(text), shared, to);
                    State::Line
                }
                (State::Answer(file), status) => {
                    let outcome = status.map_or_else(Outcome::Failed, |()| Outcome::Done);
                    file.finish(at, outcome, shared, to);
                    State::Line
                }
                (State::Content(mut file) | State::Status(mut file), Err(text)) => {
                    file.failure.get_or_insert(text);
                    if file.left > 0 {
                        State::Content(file)
                    } else {
                        State::Status(file)
                    }
                }
                (state, _) => state,
            };
            if let State::Content(file) = &self.state
                && file.left == 0
                && let State::Content(file) = std::mem::replace(&mut self.state, State::Lost)
            {
                self.state = State::Status(file);
            }
        }
    }
}

fn content<'a>(
    mut file: File,
    bytes: &'a [u8],
    shared: &mut Shared,
    to: &mut To<'_>,
) -> (State, &'a [u8]) {
    let length = usize::try_from(file.left)
        .unwrap_or(usize::MAX)
        .min(bytes.len());
    let (part, rest) = bytes.split_at(length);
    file.transfer
        .push(&file.path, file.offset, part, shared, to);
    file.left -= length as u64;
    file.offset += length as u64;
    (State::Content(file), rest)
}

impl File {
    fn finish(self, at: At, outcome: Outcome, shared: &mut Shared, to: &mut To<'_>) {
        let begun = self.transfer.begun;
        let (number, direction) = (self.transfer.number, self.transfer.direction);
        to(Told::Entry(&Entry {
            channel: at.channel,
            begun: begun.time,
            ended: at.time,
            protocol: "scp",
            action: Action::Transfer {
                number,
                direction,
                content: self.transfer.finish(shared),
            },
            path: self.path,
            outcome: self.failure.map_or(outcome, Outcome::Failed),
        }));
    }
}

impl Answer {
    /// Takes a byte; an answer that ends with it is good, or says why not.
    fn push(&mut self, byte: u8) -> Option<Status> {
        match &mut self.text {
            None if byte == 0 => Some(Ok(())),
            None => {
                self.text = Some(vec![byte]);
                None
            }
            Some(text) if byte == b'\n' => {
                let shown = Visible(text.get(1..).unwrap_or_default()).to_string();
                self.text = None;
                Some(Err(shown.into()))
            }
            Some(text) => {
                if text.len() < 1024 {
                    text.push(byte);
                }
                None
            }
        }
    }
}

impl Target {
    fn of(words: &[Vec<u8>], direction: Direction) -> Self {
        let arguments = words
            .iter()
            .skip_while(|word| !word.ends_with(b"scp"))
            .skip(1);
        let mut paths = Vec::new();
        let (mut ended, mut recursive, mut directory) = (false, false, false);
        for word in arguments {
            match word.strip_prefix(b"-") {
                Some(b"-") if !ended => ended = true,
                Some(letters) if !ended && paths.is_empty() => {
                    recursive |= letters.contains(&b'r');
                    directory |= letters.contains(&b'd');
                }
                _ => paths.push(word.as_slice()),
            }
        }
        let [path] = paths[..] else {
            // Which of them a name belongs to is not said.
            return Self {
                path: Vec::new(),
                is_directory: true,
            };
        };
        let path = super::path(path);
        match direction {
            Direction::Upload => Self {
                is_directory: directory || path.ends_with(b"/") || path.ends_with(b"."),
                path,
            },
            Direction::Download if recursive || path.contains(&b'*') => {
                let end = path.iter().rposition(|byte| *byte == b'/');
                Self {
                    path: path
                        .get(..=end.unwrap_or(0))
                        .filter(|_| end.is_some())
                        .unwrap_or_default()
                        .to_vec(),
                    is_directory: true,
                }
            }
            Direction::Download => Self {
                path,
                is_directory: false,
            },
        }
    }

    /// The path of a file. A single file that is sent to what may be a directory has the path of
    /// that: only the machine it went to knows.
    fn join(&self, directories: &[Vec<u8>], name: &[u8]) -> Vec<u8> {
        if !self.is_directory && directories.is_empty() {
            return self.path.clone();
        }
        let mut path = self.path.clone();
        let names = directories.iter().map(Vec::as_slice).chain([name]);
        for name in names.filter(|name| !name.is_empty()) {
            if !path.is_empty() && !path.ends_with(b"/") {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            if path.len() > LONGEST_PATH {
                path.truncate(LONGEST_PATH);
                break;
            }
        }
        path
    }
}

/// Mode, size and name of a line.
fn fields_of(line: &[u8]) -> Option<(u32, u64, &[u8])> {
    let mut fields = line.splitn(3, |byte| *byte == b' ');
    let mode = u32::from_str_radix(std::str::from_utf8(fields.next()?).ok()?, 8).ok()?;
    let size = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    Some((mode, size, fields.next()?))
}

fn lost(at: At, to: &mut To<'_>) -> State {
    told(at, Action::Lost, Vec::new(), Outcome::Unknown, to);
    State::Lost
}

fn told(at: At, action: Action, path: Vec<u8>, outcome: Outcome, to: &mut To<'_>) {
    to(Told::Entry(&Entry {
        channel: at.channel,
        begun: at.time,
        ended: at.time,
        protocol: "scp",
        action,
        path,
        outcome,
    }));
}
