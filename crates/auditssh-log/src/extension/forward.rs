use super::{find, notice, text};
use crate::message::{Event, Extra, Message, Text, Value};

const FORWARD_ANSWER: &str = "forward-answer@auditssh";

/// What became of the request to listen, or to stop that, before it (202 to 205).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardAnswer {
    /// The port that is listened to, if the request left it open.
    pub port: Option<u64>,
    /// Why it was refused; `None` if it was not.
    pub refused: Option<Text>,
}

impl ForwardAnswer {
    /// The event and its further keys.
    pub fn record(self) -> (Event, Extra) {
        let mut extra = vec![("accepted".into(), self.refused.is_none().into())];
        if let Some(port) = self.port {
            extra.push(("port".into(), port.into()));
        }
        if let Some(reason) = self.refused {
            extra.push(("reason".into(), Value::Text(reason)));
        }
        notice::notice(FORWARD_ANSWER, extra)
    }

    /// Reads a message, if it is one of this kind.
    pub fn read(message: &Message) -> Option<Self> {
        let extra = notice::keys(message, FORWARD_ANSWER)?;
        let accepted = matches!(find(extra, "accepted")?, Value::Bool(true));
        let reason = || text(extra, "reason").unwrap_or_default();
        Some(Self {
            port: find(extra, "port").and_then(Value::as_u64),
            refused: (!accepted).then(reason),
        })
    }
}
