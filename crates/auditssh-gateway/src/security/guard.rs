//! The decision about each request.

use super::forwarding::permitted;
use super::{Barred, Interface, Place, Security};
use crate::auth::Restrictions;
use crate::backend::{Program, Refused};
use auditssh_log::extension::Forced;
use std::sync::Arc;

/// Says what was asked for when a command was forced: the server's to set (sshd(8)). A client that
/// could set it would speak to the forced command past every filter.
const ORIGINAL_COMMAND: &[u8] = b"SSH_ORIGINAL_COMMAND";

/// What one login may do.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    security: Arc<Security>,
    pty: bool,
    key: Forwards,
    force: Option<Force>,
}

/// What the key of a login says of forwarding.
#[derive(Clone, Debug)]
struct Forwards {
    ports: bool,
    agent: bool,
    x11: bool,
    open: Option<Vec<Place>>,
    listen: Option<Vec<Place>>,
}

/// A command that runs in place of whatever is asked for.
#[derive(Clone, Debug)]
struct Force {
    command: String,
    by: By,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Configuration,
    Key,
}

impl Guard {
    /// The stricter of the configuration and what the key allows.
    pub(crate) fn new(security: Arc<Security>, key: &Restrictions) -> Self {
        let configured = security.force_command.as_ref();
        let force = |command: &String, by| Force {
            command: command.clone(),
            by,
        };
        Self {
            pty: key.pty,
            key: Forwards {
                ports: key.port_forwarding,
                agent: key.agent_forwarding,
                x11: key.x11_forwarding,
                open: key.permit_open.clone(),
                listen: key.permit_listen.clone(),
            },
            force: configured
                .map(|command| force(command, By::Configuration))
                .or_else(|| key.command.as_ref().map(|command| force(command, By::Key))),
            security,
        }
    }

    /// What a backend is told of the key: the command is the one that is forced in the end.
    pub(crate) fn imposed(&self, key: Restrictions) -> Restrictions {
        Restrictions {
            command: self.force.as_ref().map(|force| force.command.clone()),
            ..key
        }
    }

    /// `env`, by the name of the variable.
    pub(crate) fn env(&self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        whole("the variable's name", name)?;
        whole("the variable's value", value)?;
        if name.is_empty() || name.contains(&b'=') {
            return refused("the variable's name is empty or holds `=`".to_owned());
        }
        if name == ORIGINAL_COMMAND {
            return refused("only the server sets this variable".to_owned());
        }
        told(self.security.env.judge(name), "security.env")
    }

    /// `pty-req`.
    pub(crate) fn pty(&self) -> Result<(), Refused> {
        if !self.pty {
            return refused("the key of this login allows no terminal".to_owned());
        }
        told(self.security.tty.judge(), "security.tty")
    }

    /// `signal`, by its name without `SIG`.
    pub(crate) fn signal(&self, name: &str) -> Result<(), Refused> {
        // As with OpenSSH: who forces a command by a key does not expect it to be cut off.
        if self.force.as_ref().is_some_and(|force| force.by == By::Key) {
            return refused("a command forced by the key can't be signalled".to_owned());
        }
        whole("the signal's name", name.as_bytes())?;
        told(
            self.security.signal.judge(name.as_bytes()),
            "security.signal",
        )
    }

    /// `direct-tcpip`.
    pub(crate) fn open(&self, host: &str, port: u32) -> Result<(), Refused> {
        whole("the host", host.as_bytes())?;
        self.ports()?;
        if let Some(list) = &self.key.open
            && !permitted(list, host, port)
        {
            return refused("not what the key of this login allows by `permitopen`".to_owned());
        }
        let open = &self.security.forwarding.open;
        placed(open.judge(host, port), "forwardingMode", "permitOpen")
    }

    /// `tcpip-forward`; on which addresses.
    pub(crate) fn listen(&self, host: &str, port: u32) -> Result<Interface, Refused> {
        whole("the address", host.as_bytes())?;
        self.ports()?;
        if let Some(list) = &self.key.listen
            && !permitted(list, host, port)
        {
            return refused("not what the key of this login allows by `permitlisten`".to_owned());
        }
        let forwarding = &self.security.forwarding;
        let judged = forwarding.listen.judge(host, port);
        placed(judged, "reverseForwardingMode", "permitListen")?;
        Ok(forwarding.gateway_ports.interface(host))
    }

    /// `direct-streamlocal@openssh.com`.
    pub(crate) fn socket(&self, path: &str) -> Result<(), Refused> {
        whole("the path", path.as_bytes())?;
        self.ports()?;
        if self.key.open.is_some() {
            return refused("`permitopen` of the key of this login allows no sockets".to_owned());
        }
        let judged = self.security.forwarding.socket.judge();
        switched(judged, "socketForwardingMode")
    }

    /// `streamlocal-forward@openssh.com`.
    pub(crate) fn socket_listen(&self, path: &str) -> Result<(), Refused> {
        whole("the path", path.as_bytes())?;
        self.ports()?;
        if self.key.listen.is_some() {
            return refused("`permitlisten` of the key of this login allows no sockets".to_owned());
        }
        let judged = self.security.forwarding.socket_listen.judge();
        switched(judged, "socketListenMode")
    }

    /// `x11-req`.
    pub(crate) fn x11(&self) -> Result<(), Refused> {
        if !self.key.x11 {
            return refused("the key of this login allows no forwarding of X11".to_owned());
        }
        switched(self.security.forwarding.x11.judge(), "x11ForwardingMode")
    }

    /// `auth-agent-req@openssh.com`.
    pub(crate) fn agent(&self) -> Result<(), Refused> {
        self.agent_for_login()?;
        let judged = self.security.forwarding.agent.judge();
        switched(judged, "agentForwardingMode")
    }

    /// Whether the client's agent may be asked for the login to a host, where that is configured.
    pub(crate) fn agent_for_login(&self) -> Result<(), Refused> {
        if self.key.agent {
            return Ok(());
        }
        refused("the key of this login allows no forwarding of the agent".to_owned())
    }

    fn ports(&self) -> Result<(), Refused> {
        if !self.key.ports {
            return refused("the key of this login allows no forwarding".to_owned());
        }
        Ok(())
    }

    /// `shell`, `exec` and `subsystem`; what runs instead, if something is forced.
    pub(crate) fn program(&self, asked: &Program) -> Result<Option<Forced>, Refused> {
        let Security {
            command,
            shell,
            subsystem,
            ..
        } = &*self.security;
        match asked {
            Program::Shell => told(shell.judge(), "security.shell"),
            Program::Exec(line) => told(command.judge(line), "security.command"),
            Program::Subsystem(name) => {
                whole("the subsystem's name", name.as_bytes())?;
                told(subsystem.judge(name.as_bytes()), "security.subsystem")
            }
        }?;
        let Some(force) = &self.force else {
            return Ok(None);
        };
        if force.by == By::Key && command.judge(force.command.as_bytes()).is_err() {
            return refused(
                "the command that the key forces is not allowed by `security.command`".to_owned(),
            );
        }
        Ok(Some(Forced {
            command: force.command.as_str().into(),
            by: match force.by {
                By::Configuration => "configuration",
                By::Key => "key",
            }
            .into(),
        }))
    }
}

/// A backend may take a text to end at a zero byte: what it does then is not what was judged.
fn whole(what: &str, text: &[u8]) -> Result<(), Refused> {
    if text.contains(&0) {
        return refused(format!("{what} holds a zero byte"));
    }
    Ok(())
}

/// In the words of the log. What is asked for is not repeated: it stands in the request itself.
fn told(judged: Result<(), Barred>, key: &str) -> Result<(), Refused> {
    match judged {
        Ok(()) => Ok(()),
        Err(Barred::Disabled) => refused(format!("disabled by `{key}` or `security.defaultMode`")),
        Err(Barred::NotAllowed) => refused(format!("not in `{key}.allow`")),
        Err(Barred::Denied) => refused(format!("in `{key}.deny`")),
    }
}

/// Of forwarding, which is off unless it is asked for.
fn switched(judged: Result<(), Barred>, key: &str) -> Result<(), Refused> {
    match judged {
        Ok(()) => Ok(()),
        Err(_) => refused(format!("disabled by `security.forwarding.{key}`")),
    }
}

fn placed(judged: Result<(), Barred>, key: &str, list: &str) -> Result<(), Refused> {
    match judged {
        Err(Barred::NotAllowed) => refused(format!("not in `security.forwarding.{list}`")),
        judged => switched(judged, key),
    }
}

fn refused<T>(reason: String) -> Result<T, Refused> {
    Err(Refused::new(reason))
}
