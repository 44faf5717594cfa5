use super::block::Blocks;
use super::{Head, LARGEST, LONGEST_HEAD, MAGIC, State, bound};
use crate::place::{Listed, Place, Writer};
use auditssh_log::codec::{DecodeError, Decoder, End};
use auditssh_view::survey::{Line, Survey};
use std::io::{self, Read};
use std::ops::ControlFlow;

/// How a log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// To its end, or until nobody wants more.
    Whole,
    /// For its facts alone.
    Facts,
}

/// An index that was made.
#[derive(Debug)]
pub struct Made {
    /// What it begins with.
    pub head: Head,
    /// All of it, to be kept beside the log; `None` if the log may still change.
    pub bytes: Option<Vec<u8>>,
}

/// Makes the index of a log by reading it. Needs little memory, however long the log is.
pub fn make(place: &dyn Place, log: &Listed) -> io::Result<Made> {
    let end = bound(place, log)?;
    let mut blocks = Blocks::default();
    let mut cut = false;
    let mut failed = None;
    let read = of_log(place.open(&log.name)?, Reading::Whole, log.writer, |line| {
        if cut {
            return ControlFlow::Continue(());
        }
        failed = blocks.push(line).err();
        if blocks.bytes.len() > LARGEST {
            cut = true;
            blocks = Blocks::default();
        }
        match failed {
            None => ControlFlow::Continue(()),
            Some(_) => ControlFlow::Break(()),
        }
    })?;
    failed.map_or(Ok(()), Err)?;
    blocks.close()?;
    let head = Head {
        size: log.size,
        end,
        cut,
        blocks: blocks.bytes.len() as u64,
        ..read
    };
    // What changes while it is read has no index.
    let is_still = log.writer == Writer::None && bound(place, log)? == end;
    let bytes = is_still.then(|| whole(&head, &blocks.bytes)).transpose()?;
    Ok(Made { head, bytes })
}

/// Reads a log and hands on every line. What it returns is bound to nothing.
pub fn of_log(
    log: impl Read,
    reading: Reading,
    writer: Writer,
    mut each: impl FnMut(&Line<'_>) -> ControlFlow<()>,
) -> io::Result<Head> {
    let mut survey = match reading {
        Reading::Whole => Survey::new(),
        Reading::Facts => Survey::of_facts(),
    };
    let mut stop = ControlFlow::Continue(());
    let mut tell = |line: Line<'_>| {
        if stop.is_continue() {
            stop = each(&line);
        }
        stop
    };
    let mut decoder = Decoder::new(log);
    let mut stopped = false;
    for message in &mut decoder {
        match message {
            Ok(message) => {
                survey.push(&message, |line| stopped |= tell(line).is_break());
                if stopped {
                    break;
                }
            }
            Err(DecodeError::Read { source, .. }) => return Err(source),
            // It is told by the state.
            Err(_) => {}
        }
    }
    let end = decoder.end();
    let surveyed = survey.finish(|line| {
        let _ = tell(line);
    });
    Ok(Head {
        partial: stopped,
        ..Head::unbound(state(end, writer), surveyed)
    })
}

fn state(end: Option<End>, writer: Writer) -> State {
    match (end, writer) {
        (Some(End::Damaged), _) | (Some(End::Cut), Writer::None) => State::Damaged,
        (_, Writer::Live) => State::Open,
        (Some(End::Complete), _) => State::Complete,
        (Some(End::Recovered), _) => State::Recovered,
        _ => State::Unfinished,
    }
}

/// The bytes of an index.
fn whole(head: &Head, blocks: &[u8]) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(head)?;
    if json.len() > LONGEST_HEAD {
        return Err(io::Error::other("the facts of the connection are too long"));
    }
    let length = u32::try_from(json.len()).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(MAGIC.len() + 8 + json.len() + blocks.len());
    bytes.extend(MAGIC);
    bytes.extend(length.to_le_bytes());
    bytes.extend(crc32c::crc32c(&json).to_le_bytes());
    bytes.extend(json);
    bytes.extend(blocks);
    Ok(bytes)
}
