//! `docker`, in ContainerSSH's words.

use super::timeouts::timeouts;
use crate::config::at::At;
use crate::config::passed::Passed;
use crate::config::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The backend `docker`: programs run in containers. `docs/docker.md` shows how it is set up.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Docker {
    /// How the engine is reached.
    pub(crate) connection: DockerConnection,
    /// Which containers are made, and how programs run in them.
    pub(crate) execution: DockerExecution,
    /// How long what may take.
    pub(crate) timeouts: DockerTimeouts,
}

/// How the engine is reached.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct DockerConnection {
    /// Where it listens: `unix:///var/run/docker.sock` or `tcp://HOST:2376`. Whoever reaches it can
    /// become root on its machine: a port needs `cacert`, `cert` and `key`.
    pub(crate) host: At<String>,
    /// The certificates of the authorities that the engine is known by: PEM, or the path of a file.
    /// With it, or with `cert`, the connection is encrypted.
    pub(crate) cacert: At<String>,
    /// The certificate that the engine knows us by: PEM, or the path of a file.
    pub(crate) cert: At<String>,
    /// The private key of `cert`: PEM, or the path of a file.
    pub(crate) key: Option<At<Secret>>,
}

impl Default for DockerConnection {
    fn default() -> Self {
        let nothing = || At::unplaced(String::new());
        Self {
            host: At::unplaced("unix:///var/run/docker.sock".into()),
            cacert: nothing(),
            cert: nothing(),
            key: None,
        }
    }
}

/// Which containers are made, and how programs run in them.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct DockerExecution {
    /// The container, in the words of Docker's API, with keys in any letters: `image`, `env`, `user`,
    /// `workingdir`, `labels`, `hostname` and so on. Without it, the image
    /// `containerssh/containerssh-guest-image`.
    pub(crate) container: Option<At<Passed>>,
    /// What the container has of its host, likewise: `binds`, `memory`, `networkmode`, `tmpfs` and so
    /// on. `autoremove` is done by the gateway.
    pub(crate) host: Option<At<Passed>>,
    /// Its networks, likewise: `endpointsconfig`.
    pub(crate) network: Option<At<Passed>>,
    /// The platform of its image: `os` and `architecture`, `variant` if need be.
    pub(crate) platform: Option<At<Passed>>,
    /// The container's name. With one, there can be only one container at a time.
    pub(crate) container_name: At<String>,
    /// Another spelling of `containerName`. Only one of them may be given.
    pub(crate) containername: At<String>,
    /// For the registry that the image is pulled from.
    pub(crate) auth: RegistryAuth,
    /// What has a container of its own.
    pub(crate) mode: DockerMode,
    /// The main process of a connection's container, in which the sessions' programs run beside it.
    /// Without it, a shell that waits, or with an agent that.
    pub(crate) idle_command: At<Vec<String>>,
    /// What runs where a shell is asked for.
    pub(crate) shell_command: At<Vec<String>>,
    /// The path of ContainerSSH's agent in the image, which then starts and signals programs. Without
    /// it, `/bin/sh` of the image does that.
    pub(crate) agent_path: At<String>,
    /// `true`: nothing helps in the container. Programs are started as they are: in `mode: connection`
    /// they can't be signalled, and run on after their session until the connection ends. `false`: the
    /// agent helps, at `/usr/bin/containerssh-agent` if `agentPath` does not say where.
    pub(crate) disable_agent: Option<At<bool>>,
    /// The programs behind subsystems: a map from a subsystem's name to a command line in the
    /// container.
    pub(crate) subsystems: At<BTreeMap<String, String>>,
    /// When the image is pulled.
    pub(crate) image_pull_policy: ImagePullPolicy,
    /// Give what webhooks answer as `metadata` to programs as environment variables, too.
    pub(crate) expose_auth_metadata_as_env: bool,
}

impl Default for DockerExecution {
    fn default() -> Self {
        let nothing = || At::unplaced(String::new());
        Self {
            container: None,
            host: None,
            network: None,
            platform: None,
            container_name: nothing(),
            containername: nothing(),
            auth: RegistryAuth::default(),
            mode: DockerMode::default(),
            idle_command: At::default(),
            shell_command: At::unplaced(vec!["/bin/bash".into()]),
            agent_path: nothing(),
            disable_agent: None,
            subsystems: At::unplaced(BTreeMap::from([(
                "sftp".into(),
                "/usr/lib/openssh/sftp-server".into(),
            )])),
            image_pull_policy: ImagePullPolicy::default(),
            expose_auth_metadata_as_env: false,
        }
    }
}

/// For the registry that an image is pulled from.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RegistryAuth {
    /// The user there.
    #[serde(rename = "username")]
    pub(crate) username: Option<String>,
    /// The password.
    #[serde(rename = "password")]
    pub(crate) password: Option<Secret>,
    /// Which registry it is.
    #[serde(rename = "serveraddress")]
    pub(crate) server_address: Option<String>,
    /// In place of a password.
    #[serde(rename = "identitytoken")]
    pub(crate) identity_token: Option<Secret>,
    /// Likewise.
    #[serde(rename = "registrytoken")]
    pub(crate) registry_token: Option<Secret>,
}

/// What has a container of its own.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DockerMode {
    /// Each connection; the programs of its sessions share it.
    #[default]
    Connection,
    /// Each session; its program is the container's main process.
    Session,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
pub(crate) enum ImagePullPolicy {
    /// At each connection.
    Always,
    /// If the engine does not have it.
    #[default]
    IfNotPresent,
    /// Not at all.
    Never,
}

timeouts! {
    /// How long what may take. `limits.backendOpen` and `limits.backendRequest` hold, too: the shorter
    /// time counts.
    DockerTimeouts {
        /// The pull of the image; and the creation and the start of a container.
        container_start: 60,
        /// The removal of a container. It is tried on after that, and reported; the end of the server
        /// waits no longer.
        container_stop: 60,
        /// The start of a program.
        command_start: 60,
        /// A signal.
        signal: 60,
        /// A change of a terminal's size.
        window: 60,
        /// Any other request to the engine.
        http: 15,
    }
}
