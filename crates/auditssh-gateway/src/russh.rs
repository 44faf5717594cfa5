//! The SSH library; nothing else of this crate names it. Its types for keys, and (in the modules
//! below) the adapter between its callbacks and our sessions.
//!
//! Rules that its source imposes (0.65.1):
//! - Its loop runs one callback at a time and neither reads nor writes meanwhile, so a callback
//!   waits only for what cannot wait for the client; requests are answered inside their callback.
//! - Its queue of outgoing messages is short and emptied by that loop alone: bytes for the client
//!   are sent from tasks, never from a callback.
//! - A channel's read half has a bounded queue that would block the loop: it is dropped at once.
//! - A channel that the server closed first gets no callback when the client closes it, too.
//! - A key exchange of the server's own tolerates twice the first window in bytes that were
//!   already under way, for all channels together (`Link::window` keeps to that).

mod algorithms;
mod handler;
mod key;
mod outlet;
mod upstream;

pub use ::russh::keys::ssh_key::LineEnding;
pub use ::russh::keys::ssh_key::certificate::CertType;
pub use ::russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PrivateKey, PublicKey};

pub use algorithms::{Algorithms, NoHostKey, Unsupported};

/// What can go wrong with a key.
pub use ::russh::keys::ssh_key::Error as KeyError;

pub(crate) use handler::signal_name;
pub(crate) use key::read_private_key;
pub(crate) use outlet::{Control, Outlet, Reply};
pub(crate) use upstream::{ClientConfig, Failure, Methods, Upstream, UpstreamChannel, Verdict};
pub(crate) use upstream::{Issued, Request, issue};

#[cfg(test)]
pub(crate) use ::russh::keys::PublicKeyOrCertificate as ServerKey;
#[cfg(test)]
pub(crate) use ::russh::{ChannelMsg, Error as LibraryError, Sig, client};

#[cfg(test)]
pub(crate) type LibraryChannel = ::russh::Channel<client::Msg>;
#[cfg(test)]
pub(crate) type LibraryReader = ::russh::ChannelReadHalf;

use crate::session::{Ended, Link, Login};
use crate::settings::Settings;
use crate::wire::Wire;
use ::russh::server::RunningSession;
use ::russh::{MethodKind, MethodSet, SshId};
use handler::Handler;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Where the library logs what a server behind the gateway does, however often.
pub const NOISE: &str = "russh::client";

/// Bytes of the largest packet of data that a client may send.
const PACKET_BYTES: u32 = 32 * 1024;
/// How long keys are used (RFC 4253, 9).
const KEY_LIFETIME: Duration = Duration::from_hours(1);
/// Refusals that are no attempts: of the one `none` by which clients ask for the methods. The
/// library, which counts those that it keeps to itself (bad signatures, unknown methods), too,
/// ends the connection after so many more than are allowed.
const FREE_REFUSALS: usize = 1;

/// A new Ed25519 key of the operating system's random numbers.
pub fn generate_ed25519() -> Result<PrivateKey, KeyError> {
    PrivateKey::random(&mut ::russh::keys::key::safe_rng(), Algorithm::Ed25519)
}

/// The library's own settings, one for all connections.
pub(crate) struct Config(Arc<::russh::server::Config>);

impl Config {
    pub(crate) fn new(settings: &Settings) -> Self {
        let limits = &settings.limits;
        let window = crate::session::first_window(limits.channel_buffer);
        let keys = settings.shown_keys();
        Self(Arc::new(::russh::server::Config {
            server_id: SshId::Standard(Cow::Owned(settings.server_version.clone())),
            methods: methods(),
            // Refusals take their time in our own hands: `none` is answered at once.
            auth_rejection_time: Duration::ZERO,
            auth_rejection_time_initial: Some(Duration::ZERO),
            max_auth_attempts: limits.auth_attempts.saturating_add(FREE_REFUSALS),
            keys: keys.map(|key| key.private().clone()).collect(),
            window_size: window,
            maximum_packet_size: PACKET_BYTES,
            limits: rekey(settings.rekey_bytes),
            preferred: settings.algorithms.preferred(),
            // An idle session may stay; who never logs in is our own deadline's.
            inactivity_timeout: None,
            keepalive_interval: settings.client_alive_interval,
            keepalive_max: settings.client_alive_count_max,
            ..::russh::server::Config::default()
        }))
    }
}

/// When keys are exchanged anew (RFC 4253, 9).
fn rekey(bytes: usize) -> ::russh::Limits {
    ::russh::Limits {
        rekey_read_limit: bytes.min(1 << 30),
        rekey_write_limit: bytes.min(1 << 30),
        rekey_time_limit: KEY_LIFETIME,
    }
}

fn methods() -> MethodSet {
    MethodSet::from(
        [
            MethodKind::PublicKey,
            MethodKind::KeyboardInteractive,
            MethodKind::Password,
        ]
        .as_slice(),
    )
}

/// A connection that the library serves in a task of its own.
pub(crate) struct Running(RunningSession<Handler>);

impl Running {
    /// Exchanges version strings and lets the library begin.
    pub(crate) async fn start(
        config: &Config,
        wire: Wire,
        link: &Arc<Link>,
        login: Login,
    ) -> Result<Self, Ended> {
        let handler = Handler::new(Arc::clone(link), login);
        let session = ::russh::server::run_stream(Arc::clone(&config.0), wire, handler).await?;
        link.set_control(Control::new(session.handle()));
        Ok(Self(session))
    }

    /// Resolves when the connection has ended, and why.
    pub(crate) async fn ended(&mut self) -> Result<(), Ended> {
        (&mut self.0).await
    }
}

impl From<::russh::Error> for Ended {
    fn from(error: ::russh::Error) -> Self {
        match error {
            ::russh::Error::Join(_) => Self::Panic,
            // Says "Disconnected", which is no reason.
            ::russh::Error::Disconnect | ::russh::Error::HUP => {
                Self::Protocol("the client hung up".to_owned())
            }
            error => Self::Protocol(error.to_string()),
        }
    }
}
