use super::record::opened;
use super::{Action, Entry, Fold, Note, Told};
use auditssh_log::Message;
use auditssh_log::extension::FileEvent;
use auditssh_log::message::Event;
use std::collections::BTreeSet;

/// Most channels of which the ledger is known to be recorded, most open files, and most entries of
/// one message.
const MOST_CHANNELS: usize = 1024;
const MOST_OPEN: usize = 4096;
const MOST_WAITING: usize = 1024;

/// Reads the ledger of a connection from its log.
///
/// Where it was recorded while the session ran, that is what is told, and nothing twice: the log may
/// have the streams as well, of which the contents come then. Elsewhere it is what the streams tell.
#[derive(Debug, Default)]
pub struct Ledger {
    fold: Fold,
    recorded: Recorded,
}

#[derive(Debug, Default)]
struct Recorded {
    /// Channels whose ledger is recorded.
    channels: BTreeSet<u64>,
    /// Entries that stand before the message that settled them.
    waiting: Vec<Entry>,
    /// What was opened and did not end.
    open: Vec<Entry>,
}

impl Ledger {
    /// Takes a message, and tells what it shows of files.
    pub fn push(&mut self, message: &Message, mut to: impl FnMut(Note<'_>)) {
        if let (Some(record), Some(channel)) = (FileEvent::read(message), message.channel_id) {
            self.recorded.take(channel, message.timestamp, record);
            if self.recorded.waiting.len() >= MOST_WAITING {
                self.recorded.tell(&mut to);
            }
            return;
        }
        let recorded = &mut self.recorded;
        self.fold
            .push(message, &mut |told| recorded.merge(told, &mut to));
        self.recorded.tell(&mut to);
        if let (Event::Close, Some(channel)) = (&message.event, message.channel_id) {
            self.recorded.channels.remove(&channel);
        }
    }

    /// Tells what did not end.
    pub fn finish(self, mut to: impl FnMut(Note<'_>)) {
        let Self { fold, mut recorded } = self;
        recorded.tell(&mut to);
        // What was opened is told as ending now, and better by the streams if they are there.
        recorded.waiting = std::mem::take(&mut recorded.open);
        fold.finish(&mut |told| recorded.end(told, &mut to));
        recorded.tell(&mut to);
    }
}

impl Recorded {
    fn take(&mut self, channel: u64, time: i64, record: FileEvent) {
        if self.channels.len() < MOST_CHANNELS {
            self.channels.insert(channel);
        }
        if record.action == *FileEvent::OPEN {
            let room = self.open.len() < MOST_OPEN;
            self.open
                .extend(opened(channel, time, &record).filter(|_| room));
        } else if let Some(entry) = Entry::read(channel, time, record) {
            let ends = |open: &Entry| {
                let (open, entry) = ((open.channel, &open.path), (entry.channel, &entry.path));
                open == entry
            };
            if entry.action.direction().is_some()
                && let Some(at) = self.open.iter().position(ends)
            {
                self.open.remove(at);
            }
            self.waiting.push(entry);
        }
    }

    /// Passes on what the streams tell. Of an entry that is recorded only the number is of use, which
    /// its content has.
    fn merge(&mut self, told: Told<'_>, to: &mut impl FnMut(Note<'_>)) {
        let entry = match told {
            Told::Begin(_) | Told::Open(_) => return,
            Told::Data(data) => return to(Note::Data(data)),
            Told::Entry(entry) => entry,
        };
        if !self.channels.contains(&entry.channel) {
            return to(Note::Entry(entry));
        }
        let mut waiting = self.waiting.iter_mut();
        if let Some((same, number)) =
            waiting.find_map(|waiting| Some((number_of(waiting, entry)?, number(entry)?)))
        {
            *same = number;
        }
    }

    /// The same at the end of a log in which files were still open.
    fn end(&mut self, told: Told<'_>, to: &mut impl FnMut(Note<'_>)) {
        if let Told::Entry(entry) = told
            && self.channels.contains(&entry.channel)
        {
            let mut open = self.waiting.iter_mut();
            let same = |open: &&mut Entry| {
                (open.channel, &open.path) == (entry.channel, &entry.path)
                    && open.action.direction() == entry.action.direction()
            };
            if let Some(open) = open.find(same) {
                *open = entry.clone();
            }
            return;
        }
        self.merge(told, to);
    }

    fn tell(&mut self, to: &mut impl FnMut(Note<'_>)) {
        for entry in self.waiting.drain(..) {
            to(Note::Entry(&entry));
        }
    }
}

/// The number of a transfer that has none yet, if it is the same as another.
fn number_of<'a>(entry: &'a mut Entry, other: &Entry) -> Option<&'a mut u64> {
    let is_same = entry.channel == other.channel
        && entry.path == other.path
        && entry.outcome == other.outcome;
    match (&mut entry.action, &other.action) {
        (
            Action::Transfer {
                number: number @ 0,
                direction,
                content,
            },
            Action::Transfer {
                direction: way,
                content: read,
                ..
            },
        ) if is_same && direction == way && content == read => Some(number),
        _ => None,
    }
}

fn number(entry: &Entry) -> Option<u64> {
    match entry.action {
        Action::Transfer { number, .. } => Some(number),
        _ => None,
    }
}
