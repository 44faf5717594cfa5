use super::Fold;
use auditssh_log::Message;
use auditssh_log::message::{Event, Extra};

/// The ledger of a connection while it passes. What it tells is recorded before the message that
/// told it: so a file is in the log before its content can go through, and how it ended before the
/// client hears of it. No content is told.
#[derive(Debug, Default)]
pub struct Live(Fold);

impl Live {
    /// Takes a message, and tells what is to be recorded before it, with its channel.
    pub fn push(&mut self, message: &Message, mut to: impl FnMut(u64, Event, Extra)) {
        self.0.push(message, &mut |told| {
            let Some((channel, record)) = told.record() else {
                return;
            };
            let (event, extra) = record.record();
            to(channel, event, extra);
        });
    }
}
