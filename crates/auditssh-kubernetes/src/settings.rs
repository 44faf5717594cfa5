//! What the backend is told, already checked.

use auditssh_gateway::backend::container::{Helper, Programs};
use secrecy::SecretString;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// `kubernetes` of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the API server is, and what the gateway proves itself with there.
    pub access: Access,
    /// `connection.qps`: requests a second, in the long run.
    pub qps: u32,
    /// `connection.burst`: requests that may come at once.
    pub burst: u32,
    /// What pods look like.
    pub pod: Pod,
    /// How long each thing may take.
    pub timeouts: Timeouts,
    /// `pod.idleCommand`: what keeps a pod; if empty, what its image or specification says.
    pub idle_command: Vec<String>,
    /// `pod.shellCommand`, `pod.subsystems`.
    pub programs: Programs,
    /// `pod.agentPath`, `pod.disableAgent`: what helps in the container.
    pub helper: Helper,
}

impl Settings {
    /// Where pods are, told from other places.
    pub(crate) fn place(&self) -> String {
        let server = match &self.access {
            Access::InCluster => "this cluster".to_owned(),
            Access::Kubeconfig { file, context } => format!("{} {context:?}", file.display()),
            Access::Server(server) => server.url.clone(),
        };
        format!("{server} {}", self.pod.namespace)
    }
}

/// Where the API server is, and what the gateway proves itself with there.
#[derive(Clone, Debug)]
pub enum Access {
    /// The gateway runs in a pod: its service account's.
    InCluster,
    /// What a file of `kubectl` says.
    Kubeconfig {
        /// The file; read for the first connection.
        file: PathBuf,
        /// The context in it, in place of the current one.
        context: Option<String>,
    },
    /// What the configuration says.
    Server(Box<Server>),
}

/// An API server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its URL.
    pub url: String,
    /// The name that its certificate must bear, in place of the URL's host.
    pub name: Option<String>,
    /// The authority that vouches for it; without one, those of the machine.
    pub authority: Option<Pem>,
    /// The gateway's certificate and its key.
    pub certificate: Option<(Pem, Pem)>,
    /// A name and a password.
    pub password: Option<(String, SecretString)>,
    /// A token.
    pub token: Option<Token>,
}

/// PEM, and where it is.
#[derive(Clone, Debug)]
pub enum Pem {
    /// In the configuration.
    Text(SecretString),
    /// In a file.
    File(PathBuf),
}

/// A bearer token, and where it is.
#[derive(Clone, Debug)]
pub enum Token {
    /// In the configuration.
    Text(SecretString),
    /// In a file, which is read again every minute.
    File(PathBuf),
}

/// What pods look like, and what runs in them.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Where pods are; empty for the namespace that the access names.
    pub namespace: String,
    /// The name of the pod; with [`Mode::Persistent`] only.
    pub name: Option<String>,
    /// How names of pods begin.
    pub generate_name: String,
    /// Labels of every pod.
    pub labels: BTreeMap<String, String>,
    /// Annotations of every pod.
    pub annotations: BTreeMap<String, String>,
    /// The specification, as Kubernetes has it; checked to be one.
    pub spec: Spec,
    /// In which of its containers programs run.
    pub console: usize,
    /// For how long there is a pod.
    pub mode: Mode,
    /// Whether a persistent pod that is not there is created.
    pub create_missing: bool,
    /// Which metadata of the login become variables, labels, annotations: the name that a service
    /// gave it, and the one in the pod.
    pub metadata_as: MetadataAs,
}

/// The specification of a pod. Values of its variables may be secrets, so `Debug` shows nothing.
#[derive(Clone)]
pub struct Spec(pub Value);

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spec")
    }
}

/// Metadata of the login that pods are shown.
#[derive(Clone, Debug, Default)]
pub struct MetadataAs {
    /// As environment variables.
    pub env: BTreeMap<String, String>,
    /// As labels.
    pub labels: BTreeMap<String, String>,
    /// As annotations.
    pub annotations: BTreeMap<String, String>,
}

/// For how long there is a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As long as the connection.
    Connection,
    /// As long as a session channel.
    Session,
    /// It is not the gateway's to delete.
    Persistent,
}

/// How long each thing may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until a pod can be used.
    pub pod_start: Duration,
    /// Until it is known to be deleted.
    pub pod_stop: Duration,
    /// Until a program runs.
    pub command_start: Duration,
    /// Until a signal is sent.
    pub signal: Duration,
    /// Until a terminal has its new size.
    pub window: Duration,
    /// One request to the API server.
    pub http: Duration,
}
