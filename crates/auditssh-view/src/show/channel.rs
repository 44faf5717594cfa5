use super::short;
use crate::runs::{Did, Start, Step};
use crate::summary::Exit;
use crate::text::describe;
use auditssh_log::message::{Event, Message, Stream, Text};

/// Most programs of a channel that are named. A server of ours runs one.
const MOST_PROGRAMS: usize = 8;

/// What is known of a channel.
#[derive(Debug)]
pub struct Channel {
    pub(super) begun: i64,
    pub(super) ended: Option<i64>,
    pub(super) kind: Option<Text>,
    /// What it is for, if it forwards.
    pub(super) purpose: Option<String>,
    pub(super) refused: bool,
    pub(super) programs: Vec<Program>,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) bytes_err: u64,
    pub(super) resizes: u64,
}

/// A program that ran on it.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) start: Start,
    pub(super) exit: Option<Exit>,
    /// Nanoseconds that it ran.
    pub(super) lasted: u64,
}

impl Channel {
    pub(super) fn new(begun: i64) -> Self {
        Self {
            begun,
            ended: None,
            kind: None,
            purpose: None,
            refused: false,
            programs: Vec::new(),
            bytes_in: 0,
            bytes_out: 0,
            bytes_err: 0,
            resizes: 0,
        }
    }

    pub(super) fn push(&mut self, message: &Message) {
        match &message.event {
            Event::NewChannel(channel) | Event::NewChannelSuccessful(channel) => {
                self.kind = Some(short(&channel.channel_type));
            }
            Event::NewChannelFailed(channel) => {
                self.kind = Some(short(&channel.channel_type));
                self.refused = true;
            }
            Event::NewChannelDirectTcpip(_)
            | Event::NewChannelForwardedTcpip(_)
            | Event::NewChannelX11(_)
            | Event::NewChannelDirectStreamLocal(_)
            | Event::NewChannelForwardedStreamLocal(_) => self.purpose = Some(describe(message)),
            Event::Io(io) => {
                let bytes = match io.stream {
                    Stream::Stdin => &mut self.bytes_in,
                    Stream::Stderr => &mut self.bytes_err,
                    Stream::Stdout | Stream::Other(_) => &mut self.bytes_out,
                };
                *bytes = bytes.saturating_add(io.data.len() as u64);
            }
            Event::Close => self.ended = Some(message.timestamp),
            _ => {}
        }
    }

    pub(super) fn ran(&mut self, step: &Step<'_>) {
        match step.what {
            Did::Begin(start) if self.programs.len() < MOST_PROGRAMS => {
                self.programs.push(Program {
                    start: start.clone(),
                    exit: None,
                    lasted: 0,
                });
            }
            Did::Resize(_) => self.resizes += 1,
            _ => {}
        }
        if let Some(program) = self.programs.last_mut() {
            program.lasted = step.at;
            if let Did::Exit(exit) = step.what {
                program.exit = Some(exit.clone());
            }
        }
    }
}
