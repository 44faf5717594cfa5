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

mod handler;
mod key;
mod outlet;
mod upstream;

pub use ::russh::keys::ssh_key::LineEnding;
pub use ::russh::keys::ssh_key::certificate::CertType;
pub use ::russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PrivateKey, PublicKey};

/// What can go wrong with a key.
pub use ::russh::keys::ssh_key::Error as KeyError;

pub(crate) use handler::signal_name;
pub(crate) use key::read_private_key;
pub(crate) use outlet::{Control, Outlet, Reply};
pub use upstream::{Algorithms, Unsupported};
pub(crate) use upstream::{ClientConfig, Failure, Methods, Upstream, UpstreamChannel, Verdict};
pub(crate) use upstream::{Issued, Request, issue};

#[cfg(test)]
pub(crate) use ::russh::keys::PublicKeyOrCertificate as ServerKey;
#[cfg(test)]
pub(crate) use ::russh::{ChannelMsg, Error as LibraryError, Sig, client};

#[cfg(test)]
pub(crate) type LibraryChannel = ::russh::Channel<client::Msg>;

use crate::session::{Ended, Link, Login};
use crate::settings::Settings;
use crate::wire::Wire;
use ::russh::server::RunningSession;
use ::russh::{MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};
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

/// Key exchanges, the best first: with a post-quantum part, then elliptic, then classic. Of those
/// that sshd offers and the library knows, none with SHA-1 or a curve of NIST.
const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::DH_G16_SHA512,
    kex::DH_G18_SHA512,
    kex::DH_G14_SHA256,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];

/// Host key algorithms, as far as there is a key for them; never SHA-1.
const HOST_KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP384,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP521,
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha512),
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha256),
    },
];

/// Ciphers; GCM costs the least with the instructions that processors have for it.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// MACs: over the ciphertext, and over the clear text for clients that know nothing better (libssh2
/// before 1.11, as in Debian 12's curl). None with SHA-1.
const MACS: &[mac::Name] = &[
    mac::HMAC_SHA512_ETM,
    mac::HMAC_SHA256_ETM,
    mac::HMAC_SHA512,
    mac::HMAC_SHA256,
];

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
        let keys = settings.host_keys.iter();
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
            preferred: Preferred {
                kex: Cow::Borrowed(KEX),
                key: Cow::Borrowed(HOST_KEYS),
                cipher: Cow::Borrowed(CIPHERS),
                mac: Cow::Borrowed(MACS),
                compression: Cow::Borrowed(&[compression::NONE]),
                ..Preferred::DEFAULT
            },
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
