use super::input::{Input, NoEnd};
use crate::cli;
use auditssh_log::codec::End;

/// What is to be said of a log that was read as far as it goes.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cmd) struct Ending {
    /// What is wrong with it, unless that was said already.
    pub(in crate::cmd) error: Option<String>,
    /// Why it has no end, if it need not have one.
    pub(in crate::cmd) note: Option<&'static str>,
    /// The exit status.
    pub(in crate::cmd) code: u8,
}

impl Ending {
    pub(in crate::cmd) fn of(end: Option<End>, offset: u64, input: &Input) -> Self {
        let open = (end == Some(End::Open)).then(|| input.why_no_end());
        let error = match (end, open) {
            (Some(End::Cut), _) => Some("it ends early"),
            (_, Some(NoEnd::Cut)) => Some("its end is missing"),
            _ => None,
        };
        let (note, code) = match (end, open) {
            (Some(End::Complete), _) => (None, cli::OK),
            (Some(End::Recovered), _) => (Some(RECOVERED), cli::OK),
            (_, Some(NoEnd::Written)) => (Some(WRITTEN), cli::OK),
            (_, Some(NoEnd::Left)) => (Some(LEFT), cli::OK),
            (_, Some(NoEnd::Unknown)) => (Some(UNKNOWN), cli::OK),
            _ => (None, cli::DAMAGED),
        };
        Self {
            error: error.map(|what| format!("the log is cut: {what}, at offset {offset}")),
            note,
            code,
        }
    }
}

const RECOVERED: &str = "the connection's end is not in the log: its server died, or the session went \
                         on in another log after its disk failed; the log was closed afterwards";
const WRITTEN: &str = "the log is still being written";
const LEFT: &str = "the log has no end: its server died, no server writes it, and it is not recovered \
                    yet; the next start of the server does that, or `auditssh recover DIRECTORY`";
const UNKNOWN: &str = "the log has no end: it is still being written, or it was cut between two \
                       messages";
