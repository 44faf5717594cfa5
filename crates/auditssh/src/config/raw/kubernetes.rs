//! `kubernetes`.

use super::timeouts::timeouts;
use crate::config::at::At;
use crate::config::bounds;
use crate::config::passed::PodSpec;
use crate::config::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The backend `kubernetes`: programs run in pods of a cluster. `docs/kubernetes.md` shows how it
/// is set up.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Kubernetes {
    /// Where the API server is, and what the gateway proves itself with. Without `host` and
    /// `kubeconfig` it is the cluster in which the gateway runs, with the service account of its pod.
    pub(crate) connection: Connection,
    /// What pods look like, and what runs in them.
    pub(crate) pod: Pod,
    /// How long each thing may take.
    pub(crate) timeouts: Timeouts,
}

/// The way to the API server.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Connection {
    /// The API server: a name or an address, with a port after `:`, or a URL with `https://`.
    /// `http://` is taken for this machine only.
    pub(crate) host: At<String>,
    /// The path of the API; `/api` is the only one.
    pub(crate) path: At<String>,
    /// A file as `kubectl` uses it, in place of all other settings of `connection` but `context`,
    /// `qps` and `burst`. Its user must have a token or a certificate.
    pub(crate) kubeconfig: Option<At<String>>,
    /// The context in `kubeconfig`; without it the current one.
    pub(crate) context: Option<At<String>>,
    /// The name that the API server's certificate must bear, in place of `host`.
    pub(crate) server_name: At<String>,
    /// The file of the authority that vouches for the API server, as PEM; without it, or `cacert`, the
    /// authorities of the machine do.
    pub(crate) cacert_file: Option<At<String>>,
    /// That authority itself: PEM text.
    pub(crate) cacert: Option<At<Secret>>,
    /// The file of the gateway's certificate, as PEM.
    pub(crate) cert_file: Option<At<String>>,
    /// That certificate itself: PEM text.
    pub(crate) cert: Option<At<Secret>>,
    /// The file of its private key, as PEM.
    pub(crate) key_file: Option<At<String>>,
    /// That private key itself: PEM text.
    pub(crate) key: Option<At<Secret>>,
    /// The token of the gateway's service account.
    pub(crate) bearer_token: Option<At<Secret>>,
    /// A file with that token; read again every minute.
    pub(crate) bearer_token_file: Option<At<String>>,
    /// A name for HTTP basic authentication, where something before the API server wants it.
    pub(crate) username: At<String>,
    /// The password for that.
    pub(crate) password: Option<At<Secret>>,
    /// Requests a second to the API server, in the long run.
    #[schemars(transform = bounds::REQUESTS.told())]
    pub(crate) qps: At<u32>,
    /// Requests that may come at once. A session takes about five.
    #[schemars(transform = bounds::REQUESTS.told())]
    pub(crate) burst: At<u32>,
}

/// The host that stands for the cluster in which the gateway runs.
pub(crate) const IN_CLUSTER: &str = "kubernetes.default.svc";

impl Default for Connection {
    fn default() -> Self {
        Self {
            host: At::unplaced(IN_CLUSTER.into()),
            path: At::unplaced("/api".into()),
            kubeconfig: None,
            context: None,
            server_name: At::default(),
            cacert_file: None,
            cacert: None,
            cert_file: None,
            cert: None,
            key_file: None,
            key: None,
            bearer_token: None,
            bearer_token_file: None,
            username: At::default(),
            password: None,
            qps: At::unplaced(5),
            burst: At::unplaced(10),
        }
    }
}

/// The pods.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Pod {
    /// Namespace, name, labels and annotations.
    pub(crate) metadata: Metadata,
    /// The specification of the pod, as Kubernetes has it. What stands there is taken as it is, but for
    /// the `command` of the container in which programs run (see `idleCommand`), the variables that
    /// services set, and two defaults of ours: `restartPolicy: Never` for pods that are deleted, and
    /// `automountServiceAccountToken: false`. `config check` does not show values of variables.
    pub(crate) spec: At<PodSpec>,
    /// In which of `spec.containers` programs run, counted from 0.
    #[schemars(transform = bounds::CONSOLE_CONTAINER.told())]
    pub(crate) console_container_number: At<usize>,
    /// What keeps that container alive until programs run in it. Without the key, a loop of `/bin/sh`,
    /// or the agent if `agentPath` is given; if empty, what `spec` or the image says.
    pub(crate) idle_command: Option<Vec<String>>,
    /// What runs for a shell.
    pub(crate) shell_command: At<Vec<String>>,
    /// The programs behind subsystems: a map from a subsystem's name to a command line.
    pub(crate) subsystems: At<BTreeMap<String, String>>,
    /// The path of ContainerSSH's agent in the image, which then starts and signals programs. Without
    /// it, `/bin/sh` of the image does that.
    pub(crate) agent_path: Option<At<String>>,
    /// `true`: nothing helps in the image. Programs are started as they are: they can't be signalled,
    /// are told no variables but those of the pod, and run on after their channel until the pod ends.
    /// `false`: the agent helps, at `/usr/bin/containerssh-agent` if `agentPath` does not say where.
    pub(crate) disable_agent: Option<At<bool>>,
    /// For how long there is a pod.
    pub(crate) mode: PodMode,
    /// With `mode: persistent`, create the pod of `metadata.name` if it is not there.
    pub(crate) create_missing_pods: At<bool>,
    /// Which metadata of the login become environment variables: a map from the name of an entry to
    /// that of the variable.
    #[serde(rename = "exposeAuthMetadataAsEnv")]
    pub(crate) expose_auth_metadata_as_env: At<BTreeMap<String, String>>,
    /// Which become labels of the pod, likewise.
    pub(crate) expose_auth_metadata_as_labels: BTreeMap<String, String>,
    /// Which become annotations of the pod, likewise.
    pub(crate) expose_auth_metadata_as_annotations: BTreeMap<String, String>,
}

impl Default for Pod {
    fn default() -> Self {
        Self {
            metadata: Metadata::default(),
            spec: At::default(),
            console_container_number: At::unplaced(0),
            idle_command: None,
            shell_command: At::unplaced(vec!["/bin/bash".into()]),
            subsystems: At::unplaced(BTreeMap::from([(
                "sftp".into(),
                "/usr/lib/openssh/sftp-server".into(),
            )])),
            agent_path: None,
            disable_agent: None,
            mode: PodMode::default(),
            create_missing_pods: At::unplaced(false),
            expose_auth_metadata_as_env: At::default(),
            expose_auth_metadata_as_labels: BTreeMap::new(),
            expose_auth_metadata_as_annotations: BTreeMap::new(),
        }
    }
}

/// What Kubernetes knows pods by.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Metadata {
    /// Where pods are.
    pub(crate) namespace: At<String>,
    /// The name of the pod, with `mode: persistent` only.
    pub(crate) name: Option<At<String>>,
    /// How the names of pods begin.
    pub(crate) generate_name: At<String>,
    /// Labels of every pod, besides `containerssh_connection_id`, `containerssh_username` and those by
    /// which the gateway knows its pods.
    pub(crate) labels: BTreeMap<String, String>,
    /// Annotations of every pod, besides `containerssh_ip`.
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            namespace: At::unplaced("default".into()),
            name: None,
            generate_name: At::unplaced("containerssh-".into()),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }
    }
}

/// For how long there is a pod.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PodMode {
    /// One for each connection, created at the login and deleted at the end.
    #[default]
    Connection,
    /// One for each session channel.
    Session,
    /// One that is there for everybody, and is not deleted.
    Persistent,
}

timeouts! {
    /// How long each thing may take.
    Timeouts {
        /// Until a pod can be used: scheduled, its image pulled, its containers ready. It is cut down to what
        /// `limits.backendOpen` leaves.
        pod_start: 60,
        /// Until the API server has taken the order to delete a pod.
        pod_stop: 60,
        /// Until a program runs; also for each file that a service sends with a login.
        command_start: 60,
        /// Until a signal is sent.
        signal: 60,
        /// Until a terminal is told its new size.
        window: 60,
        /// For one request to the API server, connecting included.
        http: 15,
    }
}
