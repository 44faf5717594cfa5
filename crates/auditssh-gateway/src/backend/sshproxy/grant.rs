//! What a server has granted on a channel before a program runs there.

use super::session::refused;
use crate::backend::Refused;
use crate::russh::UpstreamChannel;
use auditssh_log::message::{Pty, Window, X11};

/// A request for a session that has no program yet.
#[derive(Clone)]
pub(super) enum Grant {
    Env(String, String),
    Pty(Pty),
    Window(Window),
    Agent,
    X11(X11),
}

impl Grant {
    /// Asks the server for it; whether it is granted.
    pub(super) async fn ask(&self, channel: &UpstreamChannel) -> Result<bool, Refused> {
        match self {
            Self::Env(name, value) => channel.env(name, value).await,
            Self::Pty(pty) => channel.pty(pty).await,
            // Has no answer.
            Self::Window(window) => channel.window(window).await.map(|()| true),
            Self::Agent => channel.agent().await,
            Self::X11(x11) => channel.x11(x11).await,
        }
    }

    /// Whether it leaves nothing of another; so there are few of them, as variables are.
    pub(super) fn replaces(&self, older: &Self) -> bool {
        match (self, older) {
            (Self::Env(name, _), Self::Env(older, _)) => name == older,
            _ => std::mem::discriminant(self) == std::mem::discriminant(older),
        }
    }

    /// What is said if it is not.
    pub(super) fn denied(&self) -> Refused {
        match self {
            Self::Env(name, _) => {
                let name = name.escape_debug();
                refused(&format!("the variable `{name}` (its AcceptEnv)"))
            }
            Self::Pty(_) => refused("a terminal"),
            Self::Window(_) => refused("a terminal's size"),
            Self::Agent => refused("to forward the agent"),
            Self::X11(_) => refused("to forward X11"),
        }
    }
}
