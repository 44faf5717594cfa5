//! What sessions may do: `security` of the configuration, and what the key of the login allows.
//!
//! [`Security`] is what is configured, as ContainerSSH documents it. `Guard` joins it with the key of
//! one login, the stricter of both, and is asked before any backend is. Everything here is pure.
//!
//! What is asked for passes its own filter first, whatever runs in the end. Then a command may take
//! its place: `forceCommand`, else the one that the key forces, as with OpenSSH (`ForceCommand` in
//! `sshd_config(5)`). A key's command is chosen by whoever writes the list of keys, maybe the user,
//! so it must itself be one that `command` allows.

mod forwarding;
mod guard;
#[cfg(test)]
mod tests;

pub use forwarding::{Forwarding, GatewayPorts, Interface, NoPlace, Place, Places};
pub(crate) use guard::Guard;

/// `security`: what sessions may do. The default allows everything but forwarding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// Run in place of every program that is asked for and allowed.
    pub force_command: Option<String>,
    /// Session channels open at a time on one connection, besides `limits.sessionChannels`; 0 for
    /// none at all.
    pub max_sessions: Option<usize>,
    /// Which variables may be set, by name.
    pub env: Filter,
    /// Which commands may run, by their whole line. Nothing is denied by name.
    pub command: Filter,
    /// Whether a shell may run; a filter has nothing to allow it by.
    pub shell: Mode,
    /// Which subsystems may run, by name.
    pub subsystem: Filter,
    /// Whether there may be a terminal; a filter has nothing to allow it by.
    pub tty: Mode,
    /// Which signals may be sent, by name without `SIG`.
    pub signal: Filter,
    /// What may be forwarded.
    pub forwarding: Forwarding,
}

/// How requests of one kind are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Allowed, unless denied by name.
    #[default]
    Enable,
    /// Only what is allowed by name, and not denied.
    Filter,
    /// Nothing is allowed.
    Disable,
}

/// How requests of one kind are treated that say what they are about. Names are compared exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// How.
    pub mode: Mode,
    /// Allowed in the mode `filter`.
    pub allow: Vec<String>,
    /// Denied in any mode.
    pub deny: Vec<String>,
}

/// Why a filter does not let something through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Barred {
    Disabled,
    NotAllowed,
    Denied,
}

impl Filter {
    fn judge(&self, name: &[u8]) -> Result<(), Barred> {
        let holds = |list: &[String]| list.iter().any(|entry| entry.as_bytes() == name);
        match self.mode {
            Mode::Disable => Err(Barred::Disabled),
            Mode::Filter if !holds(&self.allow) => Err(Barred::NotAllowed),
            Mode::Enable | Mode::Filter if holds(&self.deny) => Err(Barred::Denied),
            Mode::Enable | Mode::Filter => Ok(()),
        }
    }
}

impl Mode {
    /// For requests that have no name to filter by.
    fn judge(self) -> Result<(), Barred> {
        match self {
            Self::Enable => Ok(()),
            Self::Filter | Self::Disable => Err(Barred::Disabled),
        }
    }
}
