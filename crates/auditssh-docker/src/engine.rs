//! The engine: what is asked of it, each request with a limit of time and of the answer's size.

mod address;
mod budget;
mod dial;
mod failure;
mod hijack;

pub use address::{Address, AddressError};
pub(crate) use failure::Failure;
pub(crate) use hijack::Hijacked;

use crate::settings::{Settings, Timeouts};
use auditssh_gateway::PlaceCounters;
use auditssh_gateway::backend::container::INSTANCE_LABEL;
use bollard::exec::CreateExecOptions;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters as query;
use bollard::{API_DEFAULT_VERSION, Docker};
use bytes::Bytes;
use dial::Dialer;
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// Bytes of a file that is read out of a container.
const FILE_BYTES: usize = 1024 * 1024;

/// An engine, as long as it answers.
pub(crate) struct Engine {
    docker: Docker,
    dialer: Arc<Dialer>,
    timeouts: Timeouts,
    counters: Arc<PlaceCounters>,
}

/// How a program stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Runs,
    Ended(i64),
    /// The engine does not say how.
    Lost,
}

/// How the main process of a container stands; of all that engines say of it, what they agree on.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct State {
    pub(crate) running: bool,
    #[serde(default)]
    pub(crate) exit_code: i64,
    #[serde(default, rename = "OOMKilled")]
    pub(crate) oom_killed: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    state: State,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    config: Option<ImageConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ImageConfig {
    user: Option<String>,
}

/// A container in a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) labels: Option<HashMap<String, String>>,
}

/// The size of a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) columns: u16,
    pub(crate) rows: u16,
}

impl Engine {
    /// Nothing is connected yet.
    pub(crate) fn new(
        settings: &Settings,
        tasks: TaskTracker,
        counters: Arc<PlaceCounters>,
    ) -> Result<Self, Failure> {
        let tls = settings.tls.clone();
        let dialer = Arc::new(Dialer::new(settings.address.clone(), tls, tasks));
        let transport = {
            let dialer = Arc::clone(&dialer);
            move |request| {
                let dialer = Arc::clone(&dialer);
                async move { dialer.send(request).await }
            }
        };
        // Its own limit of time is never the one that is met first.
        let most = Duration::from_hours(24).as_secs();
        let docker = Docker::connect_with_custom_transport(
            transport,
            Some(format!("http://{}", dial::HOST)),
            most,
            API_DEFAULT_VERSION,
        );
        Ok(Self {
            docker: docker.map_err(|error| Failure::of(&error))?,
            dialer,
            timeouts: settings.timeouts,
            counters,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &Address {
        &self.dialer.address
    }

    /// Speaks the newest version of the API that both know; asked for each connection, since an
    /// engine may have been exchanged.
    pub(crate) async fn negotiate(&self) -> Result<(), Failure> {
        let asked = self.docker.clone().negotiate_version();
        self.timely("version", self.timeouts.http, asked).await?;
        Ok(())
    }

    /// The user of an image; `None` if the engine does not have it.
    pub(crate) async fn image_user(&self, image: &str) -> Result<Option<String>, Failure> {
        let path = self.path(&format!("images/{image}/json"));
        let asked = self.dialer.get::<Image>(&path);
        let found = self.timely("image", self.timeouts.http, asked).await;
        match found {
            Ok(image) => Ok(Some(
                image.config.and_then(|one| one.user).unwrap_or_default(),
            )),
            Err(Failure::Refused { code: 404, .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Pulls an image. The caller limits the time.
    pub(crate) async fn pull(
        &self,
        (name, tag): (&str, &str),
        platform: &str,
        credentials: Option<bollard::auth::DockerCredentials>,
    ) -> Result<(), Failure> {
        let options = query::CreateImageOptionsBuilder::default()
            .from_image(name)
            .tag(tag)
            .platform(platform)
            .build();
        let mut progress = self
            .docker
            .create_image(Some(options), None, credentials)
            .boxed();
        while let Some(step) = progress.next().await {
            let step = step.map_err(|error| Failure::of(&error))?;
            if let Some(error) = step.error_detail {
                return Err(Failure::other(error.message.unwrap_or_default()));
            }
        }
        Ok(())
    }

    /// Makes a container; its id.
    pub(crate) async fn create(
        &self,
        name: &str,
        platform: &str,
        body: ContainerCreateBody,
    ) -> Result<String, Failure> {
        let mut options = query::CreateContainerOptionsBuilder::default().platform(platform);
        if !name.is_empty() {
            options = options.name(name);
        }
        let asked = self.docker.create_container(Some(options.build()), body);
        let made = self.timely("create", self.timeouts.container_start, asked);
        Ok(made.await?.id)
    }

    pub(crate) async fn start(&self, id: &str) -> Result<(), Failure> {
        let asked = self.docker.start_container(id, None);
        self.timely("start", self.timeouts.container_start, asked)
            .await
    }

    /// Ends and removes a container with its anonymous volumes, if it is there.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), Failure> {
        let options = query::RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        let asked = self.docker.remove_container(id, Some(options));
        match self
            .timely("remove", self.timeouts.container_stop, asked)
            .await
        {
            Err(Failure::Refused { code: 404, .. }) => Ok(()),
            other => other,
        }
    }

    /// The containers of a gateway, running or not.
    pub(crate) async fn labelled(&self, instance: &str) -> Result<Vec<Listed>, Failure> {
        // `{"label":["…"]}`; the id consists of hexadecimal digits.
        let path = self.path(&format!(
            "containers/json?all=1&filters=%7B%22label%22%3A%5B%22{INSTANCE_LABEL}%3D{instance}%22%5D%7D"
        ));
        let asked = self.dialer.get(&path);
        self.timely("list", self.timeouts.http, asked).await
    }

    /// Puts a tar archive into a container.
    pub(crate) async fn upload(&self, id: &str, tar: Vec<u8>) -> Result<(), Failure> {
        let options = query::UploadToContainerOptions {
            path: "/".to_owned(),
            ..query::UploadToContainerOptions::default()
        };
        let body = bollard::body_full(Bytes::from(tar));
        let asked = self.docker.upload_to_container(id, Some(options), body);
        self.timely("upload", self.timeouts.http, asked).await
    }

    /// A tar archive of a file in a container.
    pub(crate) async fn download(&self, id: &str, path: &str) -> Result<Vec<u8>, Failure> {
        let options = query::DownloadFromContainerOptions {
            path: path.to_owned(),
        };
        let pieces = self.docker.download_from_container(id, Some(options));
        let whole = pieces.try_fold(Vec::new(), |mut whole, piece| async move {
            if whole.len() + piece.len() > FILE_BYTES {
                let error = std::io::Error::other("the file is too large");
                return Err(error.into());
            }
            whole.extend_from_slice(&piece);
            Ok(whole)
        });
        self.timely("download", self.timeouts.http, whole).await
    }

    /// Signals the main process of a container.
    pub(crate) async fn kill(&self, id: &str, signal: &str) -> Result<(), Failure> {
        let options = query::KillContainerOptions {
            signal: format!("SIG{signal}"),
        };
        let asked = self.docker.kill_container(id, Some(options));
        self.timely("signal", self.timeouts.signal, asked).await
    }

    /// How the main process of a container stands; `None` if there is no such container.
    pub(crate) async fn state(&self, id: &str) -> Result<Option<State>, Failure> {
        let path = self.path(&format!("containers/{id}/json"));
        let asked = self.dialer.get::<Inspected>(&path);
        match self.timely("container", self.timeouts.http, asked).await {
            Ok(container) => Ok(Some(container.state)),
            Err(Failure::Refused { code: 404, .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Attaches to the main process of a container that is not started.
    pub(crate) async fn attach(&self, id: &str) -> Result<Hijacked, Failure> {
        let path = self.path(&format!(
            "containers/{id}/attach?stream=1&stdin=1&stdout=1&stderr=1"
        ));
        let asked = self.dialer.hijack(&path, Bytes::new());
        self.timely("attach", self.timeouts.command_start, asked)
            .await
    }

    /// Prepares a program in a container; its id.
    pub(crate) async fn prepare(
        &self,
        container: &str,
        options: CreateExecOptions<String>,
    ) -> Result<String, Failure> {
        let asked = self.docker.create_exec(container, options);
        let made = self.timely("exec", self.timeouts.command_start, asked);
        Ok(made.await?.id)
    }

    /// Starts a program that is prepared.
    pub(crate) async fn execute(&self, exec: &str, terminal: bool) -> Result<Hijacked, Failure> {
        let body = json!({"Detach": false, "Tty": terminal}).to_string();
        let path = self.path(&format!("exec/{exec}/start"));
        let asked = self.dialer.hijack(&path, Bytes::from(body));
        self.timely("exec", self.timeouts.command_start, asked)
            .await
    }

    /// How a program stands.
    pub(crate) async fn standing(&self, exec: &str) -> Result<Standing, Failure> {
        let asked = self.docker.inspect_exec(exec);
        let found = self.timely("exec", self.timeouts.http, asked).await;
        Ok(match found {
            Ok(exec) => match (exec.running, exec.exit_code) {
                (Some(true), _) => Standing::Runs,
                (_, Some(code)) => Standing::Ended(code),
                _ => Standing::Lost,
            },
            Err(Failure::Refused {
                code: 404 | 409, ..
            }) => Standing::Lost,
            Err(other) => return Err(other),
        })
    }

    pub(crate) async fn resize_exec(&self, exec: &str, size: Size) -> Result<(), Failure> {
        let options = query::ResizeExecOptions {
            h: size.rows.into(),
            w: size.columns.into(),
        };
        let asked = self.docker.resize_exec(exec, options);
        self.timely("resize", self.timeouts.window, asked).await
    }

    pub(crate) async fn resize(&self, container: &str, size: Size) -> Result<(), Failure> {
        let options = query::ResizeContainerTTYOptions {
            h: size.rows.into(),
            w: size.columns.into(),
        };
        let asked = self.docker.resize_container_tty(container, options);
        self.timely("resize", self.timeouts.window, asked).await
    }

    fn path(&self, path: &str) -> String {
        let version = self.docker.client_version();
        format!(
            "/v{}.{}/{path}",
            version.major_version, version.minor_version
        )
    }

    async fn timely<T, E: Into<Failure>>(
        &self,
        what: &'static str,
        limit: Duration,
        asked: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        let answer = tokio::time::timeout(limit, asked).await;
        let answer = answer
            .map_err(|_| Failure::Late { what, limit })
            .and_then(|answer| answer.map_err(Into::into));
        // That something is not there, or is as it should be already, is an answer.
        let failed = |failure: &Failure| {
            !matches!(
                failure,
                Failure::Refused {
                    code: 304 | 404 | 409,
                    ..
                }
            )
        };
        self.counters.requests.count(answer, failed)
    }
}
