//! What happens to files, recorded while it happens (`audit.intercept.files`).

use auditssh_archive::{Entry, Tap, Taps};
use auditssh_log::Message;
use auditssh_log::policy::Origin;
use auditssh_view::files::Live;

/// Makes the ledger of each connection.
#[derive(Debug)]
pub(super) struct Ledgers;

impl Taps for Ledgers {
    fn tap(&self) -> Box<dyn Tap> {
        Box::new(Ledger(Live::default()))
    }
}

#[derive(Debug)]
struct Ledger(Live);

impl Tap for Ledger {
    fn see(&mut self, message: &Message, to: &mut dyn FnMut(Entry)) {
        self.0.push(message, |channel, event, extra| {
            let entry = Entry::from(event).on(channel).with(extra);
            to(entry.from_origin(Origin::Ledger));
        });
    }
}
