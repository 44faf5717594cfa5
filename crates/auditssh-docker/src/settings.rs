//! `docker` of the configuration.

use crate::engine::Address;
use crate::launch::Launch;
use auditssh_gateway::backend::container::{Helper, Programs};
use bollard::auth::DockerCredentials;
use std::fmt;
use std::time::Duration;
use tokio_rustls::TlsConnector;

/// How programs run, and where.
#[derive(Clone)]
pub struct Settings {
    /// Where the engine listens.
    pub address: Address,
    /// By what the engine is trusted; `None` for a connection that is not encrypted.
    pub tls: Option<TlsConnector>,
    /// What containers are made of.
    pub launch: Launch,
    /// For the registry that images are pulled from.
    pub credentials: Option<Credentials>,
    /// What has a container of its own.
    pub mode: Mode,
    /// The main process of the container of a connection.
    pub idle_command: Vec<String>,
    /// What runs for each kind of request.
    pub programs: Programs,
    /// What stands between the engine and a program.
    pub helper: Helper,
    /// When images are pulled.
    pub pull: Pull,
    /// Whether metadata of services become environment variables.
    pub expose_metadata: bool,
    /// How long what may take.
    pub timeouts: Timeouts,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("address", &self.address)
            .field("tls", &self.tls.is_some())
            .field("mode", &self.mode)
            .field("helper", &self.helper)
            .field("pull", &self.pull)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

/// What has a container of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A connection.
    Connection,
    /// A session.
    Session,
}

/// When images are pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    /// At each connection.
    Always,
    /// If the engine does not have it.
    IfNotPresent,
    /// Not at all.
    Never,
}

/// How long what may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// The image's pull, and the container's creation and start.
    pub container_start: Duration,
    /// A container's removal, until that is reported; it is tried on.
    pub container_stop: Duration,
    /// The start of a program.
    pub command_start: Duration,
    /// A signal.
    pub signal: Duration,
    /// A change of a terminal's size.
    pub window: Duration,
    /// Any other request.
    pub http: Duration,
}

/// For a registry. No form of it shows a secret.
#[derive(Clone, Default)]
pub struct Credentials {
    /// The user there.
    pub username: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// Which registry it is.
    pub server_address: Option<String>,
    /// In place of a password.
    pub identity_token: Option<String>,
    /// Likewise.
    pub registry_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl Credentials {
    pub(crate) fn for_engine(&self) -> DockerCredentials {
        DockerCredentials {
            username: self.username.clone(),
            password: self.password.clone(),
            serveraddress: self.server_address.clone(),
            identitytoken: self.identity_token.clone(),
            registrytoken: self.registry_token.clone(),
            ..DockerCredentials::default()
        }
    }
}
