//! Which event is kept, redacted or dropped: a pure function of event and settings.

/// What of a session is intercepted (`audit.intercept`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Intercept {
    /// Bytes from the client.
    pub stdin: Stdin,
    /// Bytes of standard output.
    pub stdout: bool,
    /// Bytes of standard error.
    pub stderr: bool,
    /// Passwords and keyboard-interactive answers.
    pub passwords: bool,
    /// Bytes on forwarded channels.
    pub forwarding: bool,
}

/// What is kept of the bytes from the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stdin {
    /// Nothing.
    #[default]
    No,
    /// Only what is typed while the terminal echoes; a count in place of the rest.
    Echoed,
    /// Everything.
    Yes,
}
