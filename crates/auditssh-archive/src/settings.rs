//! What the archive is told, already checked: the binary makes it of the configuration.

use crate::form::Form;
use crate::observer::Observer;
use crate::tap::Taps;
use auditssh_log::codec::Format;
use auditssh_log::policy::Intercept;
use auditssh_log::seal::SigningKey;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How logs are kept in a directory.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the logs are; made (0700, or 0750 with a group) if it is missing.
    pub directory: PathBuf,
    /// The form of the logs.
    pub form: Form,
    /// What of a session is kept.
    pub intercept: Intercept,
    /// When an event counts as recorded.
    pub sync: Sync,
    /// After which time a chunk is sealed even if it is not full.
    pub seal_interval: Duration,
    /// What becomes of a session that cannot be recorded any more.
    pub on_failure: OnFailure,
    /// Signs the final member of each log.
    pub signing_key: Option<SigningKey>,
    /// Id of a group that may read the logs: files are 0640 then instead of 0600.
    pub group: Option<u32>,
    /// Take a directory that others may enter or write.
    pub allow_insecure: bool,
    /// How often what failed is tried again and free space is looked at.
    pub tick: Duration,
    /// Is told how far logs are safe.
    pub observer: Option<Arc<dyn Observer>>,
    /// Looks at all that passes, before the policy, and tells what is to be recorded of it besides.
    pub taps: Option<Arc<dyn Taps>>,
}

/// When an event counts as recorded, so that its effect may pass (`audit.sync`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// When the operating system has it: safe from a crash of the server, not from a power cut.
    None,
    /// The same; a power cut costs at most this much time.
    Interval(Duration),
    /// When the disk has it: safe from a power cut.
    Always,
}

/// What becomes of a session that cannot be recorded any more (`audit.onFailure`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It ends.
    #[default]
    Terminate,
    /// It goes on; what is missing is counted, and the count recorded as soon as that works again.
    Continue,
}

impl Settings {
    /// The defaults, for logs in `directory`.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            form: Form::Messages(Format::Audit),
            intercept: Intercept::default(),
            sync: Sync::Interval(Duration::from_secs(1)),
            seal_interval: Duration::from_mins(1),
            on_failure: OnFailure::Terminate,
            signing_key: None,
            group: None,
            allow_insecure: false,
            tick: Duration::from_secs(1),
            observer: None,
            taps: None,
        }
    }
}
