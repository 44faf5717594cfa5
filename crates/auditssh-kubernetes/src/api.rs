//! What is asked of the API server: pods of one namespace. Every request has its turn, its time and
//! a bound on its answer. No answer is logged: a pod holds what services said of a user.

mod error;
mod watch;

pub(crate) use error::{ApiError, clip};
pub(crate) use watch::{Seen, Watch};

use crate::access::{self, AccessError};
use crate::limiter::Limiter;
use crate::settings::Settings;
use auditssh_gateway::PlaceCounters;
use http_body_util::{BodyExt as _, Limited};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::Resource as _;
use kube::api::AttachParams;
use kube::client::Connection;
use kube::core::Request;
use kube::core::params::{DeleteParams, GetParams, ListParams, Preconditions, WatchParams};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Bytes of the largest answer that is read.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// By this the API server tells who changed what.
const MANAGER: &str = "auditssh";

/// Pods of one namespace.
pub(crate) struct Api {
    client: Client,
    limiter: Limiter,
    pods: Request,
    namespace: String,
    timeout: Duration,
    counters: Arc<PlaceCounters>,
}

/// Names of pods, and what their labels say.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Listed {
    pub(crate) items: Vec<Pod>,
}

impl Api {
    /// Reads what it proves itself with; must be called within the runtime.
    pub(crate) async fn new(
        settings: &Settings,
        counters: Arc<PlaceCounters>,
    ) -> Result<Self, AccessError> {
        let (access, limit) = (settings.access.clone(), settings.timeouts.http);
        let config = tokio::task::spawn_blocking(move || access::config(&access, limit)).await;
        let config = config.map_err(|error| AccessError::Client(error.to_string()))??;
        let namespace = match settings.pod.namespace.as_str() {
            "" => config.default_namespace.clone(),
            given => given.to_owned(),
        };
        let unusable = |error: kube::Error| AccessError::Client(error::chain(&error));
        let client = Client::try_from(config).map_err(unusable)?;
        Ok(Self {
            client,
            limiter: Limiter::new(settings.qps, settings.burst),
            pods: Request::new(Pod::url_path(&(), Some(&namespace))),
            namespace,
            timeout: limit,
            counters,
        })
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Creates a pod. What the API server does not know is refused, where it can tell.
    pub(crate) async fn create(&self, pod: &serde_json::Value) -> Result<(), ApiError> {
        let body = serde_json::to_vec(pod).map_err(ApiError::unbuilt)?;
        let path = format!(
            "{}?fieldManager={MANAGER}&fieldValidation=Strict",
            self.pods.url_path
        );
        let request = http::Request::post(path).header("Content-Type", "application/json");
        let request = request.body(body).map_err(ApiError::unbuilt)?;
        self.send(request).await.map(drop)
    }

    pub(crate) async fn get(&self, name: &str) -> Result<Pod, ApiError> {
        let request = self.pods.get(name, &GetParams::default());
        self.ask(request).await
    }

    pub(crate) async fn list(&self, labels: &str) -> Result<Vec<Pod>, ApiError> {
        let request = self.pods.list(&ListParams::default().labels(labels));
        self.ask(request).await.map(|listed: Listed| listed.items)
    }

    /// Deletes a pod; whether it was there. With a `uid`, only the pod that has it.
    pub(crate) async fn delete(&self, name: &str, uid: Option<String>) -> Result<bool, ApiError> {
        let params = DeleteParams {
            preconditions: uid.map(|uid| Preconditions {
                uid: Some(uid),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let request = self.pods.delete(name, &params).map_err(ApiError::unbuilt)?;
        match self.send(request).await {
            Err(error) if error.is(404) || error.is(409) => Ok(false),
            other => other.map(|_| true),
        }
    }

    /// What becomes of a pod from a version of it on.
    pub(crate) async fn watch(&self, name: &str, version: &str) -> Result<Watch, ApiError> {
        let params = WatchParams::default().fields(&format!("metadata.name={name}"));
        let request = self
            .pods
            .watch(&params, version)
            .map_err(ApiError::unbuilt)?;
        self.counted(async {
            let response = self.respond(request).await?;
            if response.status().is_success() {
                return Ok(Watch::new(response.into_body()));
            }
            let code = response.status().as_u16();
            let body = self.body(response).await?;
            Err(ApiError::told(code, &body))
        })
        .await
    }

    /// Runs a program in a pod.
    pub(crate) async fn exec(
        &self,
        name: &str,
        command: &[String],
        params: &AttachParams,
    ) -> Result<Connection, ApiError> {
        let request = self.pods.exec(name, command, params);
        let request = request.map_err(|_| ApiError::Unbuilt(TOO_LONG.to_owned()))?;
        self.limiter.admit().await;
        self.counted(async {
            let connected = self.timely(self.client.connect(request)).await?;
            connected.map_err(ApiError::of)
        })
        .await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<T, ApiError> {
        let body = self.send(request.map_err(ApiError::unbuilt)?).await?;
        // What serde says of it might quote it.
        serde_json::from_slice(&body).map_err(|_| ApiError::Nonsense("not the JSON of pods"))
    }

    async fn send(&self, request: http::Request<Vec<u8>>) -> Result<Vec<u8>, ApiError> {
        self.counted(async {
            let response = self.respond(request).await?;
            let status = response.status();
            let body = self.body(response).await?;
            if status.is_success() {
                return Ok(body);
            }
            Err(ApiError::told(status.as_u16(), &body))
        })
        .await
    }

    async fn respond(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<kube::client::Body>, ApiError> {
        self.limiter.admit().await;
        let sent = self.client.send(request.map(Into::into));
        self.timely(sent).await?.map_err(ApiError::of)
    }

    /// That something is not there, or is there already, is an answer.
    async fn counted<T>(
        &self,
        asked: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let failed = |error: &ApiError| !error.is(404) && !error.is(409);
        self.counters.requests.count(asked.await, failed)
    }

    async fn body(
        &self,
        response: http::Response<kube::client::Body>,
    ) -> Result<Vec<u8>, ApiError> {
        let body = Limited::new(response.into_body(), ANSWER_BYTES).collect();
        match self.timely(body).await? {
            Ok(all) => Ok(all.to_bytes().into()),
            Err(error) => Err(ApiError::Unreachable(error.to_string())),
        }
    }

    async fn timely<T>(&self, what: impl Future<Output = T>) -> Result<T, ApiError> {
        let limit = self.timeout;
        timeout(limit, what)
            .await
            .map_err(|_| ApiError::TimedOut(limit))
    }
}

const TOO_LONG: &str =
    "the command and its variables are too long for a request of the Kubernetes API (64 KiB)";
