//! Clients of the service. One is made when it is first needed, and another when the credentials
//! turn out to be refused: so new ones are found without a restart.

use super::credentials::Key;
use super::tls;
use crate::lock::lock;
use crate::settings::{Connection, Credentials};
use aws_config::BehaviorVersion;
use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::region::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
};
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// How long those who read wait for an answer, or more of one.
const ANSWER: Duration = Duration::from_secs(30);

/// Clients are not made more often: what other sources of credentials are asked is not ours.
const RENEWAL: Duration = Duration::from_secs(5);

/// The region where none is known.
const REGION: &str = "us-east-1";

/// Makes clients.
pub(super) struct Clients {
    connection: Connection,
    reads: bool,
    current: tokio::sync::Mutex<Option<Client>>,
    http: Mutex<Option<SharedHttpClient>>,
    refusal: Mutex<Refusal>,
}

#[derive(Default)]
struct Refusal {
    renewed: Option<Instant>,
    due: bool,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

impl Clients {
    /// For uploads: tries, waits and what follows from failures are the uploader's, which knows
    /// what was asked before.
    pub(super) fn to_write(connection: Connection) -> Self {
        Self::new(connection, false)
    }

    /// For those who read, and know nothing but the answer.
    pub(super) fn to_read(connection: Connection) -> Self {
        Self::new(connection, true)
    }

    fn new(connection: Connection, reads: bool) -> Self {
        Self {
            connection,
            reads,
            current: tokio::sync::Mutex::default(),
            http: Mutex::default(),
            refusal: Mutex::default(),
        }
    }

    /// The client; credentials are looked for when it is first used.
    pub(super) async fn get(&self) -> Client {
        let mut current = self.current.lock().await;
        if std::mem::take(&mut lock(&self.refusal).due) {
            *current = None;
        }
        match &*current {
            Some(client) => client.clone(),
            None => current.insert(self.make().await).clone(),
        }
    }

    /// The credentials were refused: the next client looks for others.
    pub(super) fn renew(&self) {
        let mut refusal = lock(&self.refusal);
        let young = |at: Instant| at.elapsed() < RENEWAL;
        if !refusal.renewed.is_some_and(young) {
            refusal.renewed = Some(Instant::now());
            refusal.due = true;
        }
    }

    async fn make(&self) -> Client {
        let connection = &self.connection;
        let mut timeouts = TimeoutConfig::builder().connect_timeout(CONNECT);
        let (mut retries, mut stalls) = (
            RetryConfig::disabled(),
            StalledStreamProtectionConfig::disabled(),
        );
        if self.reads {
            timeouts = timeouts.read_timeout(ANSWER);
            retries = RetryConfig::standard();
            stalls = StalledStreamProtectionConfig::enabled()
                .grace_period(ANSWER)
                .build();
        }
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(self.http())
            .retry_config(retries)
            .timeout_config(timeouts.build())
            .stalled_stream_protection(stalls)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        let elsewhere = connection.endpoint.is_some();
        let own = matches!(connection.credentials, Credentials::Key { .. });
        if let Some(region) = &connection.region {
            loader = loader.region(Region::new(region.clone()));
        } else if elsewhere || own {
            // The metadata service of a machine of AWS has nothing to say here.
            let known = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
                .or_else(ProfileFileRegionProvider::new())
                .or_else(Region::new(REGION));
            loader = loader.region(known);
        }
        if let Some(endpoint) = &connection.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Credentials::Key {
            access,
            secret,
            token,
        } = &connection.credentials
        {
            loader = loader.credentials_provider(Key {
                access: access.clone(),
                secret: secret.clone(),
                token: token.clone(),
            });
        }
        let shared = loader.load().await;
        let mut settings =
            aws_sdk_s3::config::Builder::from(&shared).force_path_style(connection.path_style);
        if shared.region().is_none() {
            settings = settings.region(Region::new(REGION));
        }
        Client::from_conf(settings.build())
    }

    /// Connections are kept when clients change.
    fn http(&self) -> SharedHttpClient {
        let mut http = lock(&self.http);
        http.get_or_insert_with(|| tls::http_client(&self.connection))
            .clone()
    }
}
