//! The SSH library's client side: a connection to a server behind the gateway.
//!
//! What its source imposes beyond the rules of the parent module (0.65.1):
//! - It grants the whole window again on receipt of data, whoever has taken them, and what
//!   `adjust_window` answers is not used. What holds a server back is that the callback waits
//!   (`Port::put`), so that nothing more is read of that connection; so channels have connections
//!   of their own (`backend::sshproxy`, `legs`).
//! - Each answer of a server in authentication goes into an unbounded queue, which is why the
//!   time for that is bounded.
//! - A key exchange of our own tolerates twice [`WINDOW`] bytes that were already under way.
//! - Dropping its handle ends it only when nothing waits to be sent; cutting its line always does.

mod agent;
mod channel;
mod forward;
mod issue;
mod outcome;
mod watcher;

pub(crate) use channel::UpstreamChannel;
pub(crate) use issue::{Issued, Request, issue};
pub(crate) use outcome::{Failure, Methods, Verdict};

use crate::backend::sshproxy::{Ports, Presented, Secret};
use crate::mark::Mark;
use crate::russh::{Algorithms, HashAlg, PrivateKey, PublicKey};
use crate::wire::{Line, Wire};
use ::russh::client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse as Interactive};
use ::russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use ::russh::{Disconnect, MethodKind, MethodSet, SshId};
use std::borrow::Cow;
use std::sync::Arc;
use watcher::Watcher;

/// Bytes that a server may send on a channel before it is granted more. A power of two above
/// what the socket buffers of both sides hold, so that a key exchange finds no more under way.
const WINDOW: u32 = 4 * 1024 * 1024;
/// Bytes of the largest packet of data that a server may send.
const PACKET_BYTES: u32 = 32 * 1024;
/// Messages of the library's own queues, which are not used.
const QUEUE: usize = 4;
/// Rounds of questions that a server may put; two is what any puts.
const ROUNDS: usize = 8;

/// What checks a server's key.
pub(crate) type Check = Box<dyn Fn(&Presented<'_>) -> Result<(), String> + Send + Sync>;

/// What the library is told.
#[derive(Clone)]
pub(crate) struct ClientConfig(Arc<client::Config>);

impl ClientConfig {
    /// `rekey_bytes` in either direction have keys exchanged anew.
    pub(crate) fn new(version: &str, algorithms: &Algorithms, rekey_bytes: usize) -> Self {
        Self(Arc::new(client::Config {
            limits: super::rekey(rekey_bytes),
            client_id: SshId::Standard(Cow::Owned(version.to_owned())),
            window_size: WINDOW,
            maximum_packet_size: PACKET_BYTES,
            channel_buffer_size: QUEUE,
            preferred: algorithms.preferred(),
            inactivity_timeout: None,
            keepalive_interval: None,
            nodelay: true,
            ..client::Config::default()
        }))
    }
}

impl std::fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientConfig")
    }
}

/// A connection to a server, whose host key is known to be right.
pub(crate) struct Upstream {
    handle: Handle<Watcher>,
    ports: Arc<Ports>,
}

impl Upstream {
    /// Exchanges keys and has the server's checked. Nothing secret was sent when this returns.
    pub(crate) async fn connect(
        config: &ClientConfig,
        line: &Arc<Line>,
        mark: Mark,
        ports: &Arc<Ports>,
        check: Check,
    ) -> Result<Self, Failure> {
        let wire = Wire::new(Arc::clone(line), mark);
        let watcher = Watcher::new(Arc::clone(ports), check);
        let handle = client::connect_stream(Arc::clone(&config.0), wire, watcher).await?;
        let ports = Arc::clone(ports);
        Ok(Self { handle, ports })
    }

    /// Asks which methods there are; some servers let users in with that.
    pub(crate) async fn none(&mut self, user: &str) -> Result<Verdict, Failure> {
        let answer = self.handle.authenticate_none(user).await;
        self.verdict(answer)
    }

    pub(crate) async fn password(
        &mut self,
        user: &str,
        password: &Secret,
    ) -> Result<Verdict, Failure> {
        let password = password.expose();
        let answer = self.handle.authenticate_password(user, password).await;
        self.verdict(answer)
    }

    /// `keyboard-interactive`: a question whose answer is not shown gets the password, once;
    /// rounds without questions are passed over. Anything else is not for machines.
    pub(crate) async fn interactive(
        &mut self,
        user: &str,
        password: &Secret,
    ) -> Result<Verdict, Failure> {
        let start = self
            .handle
            .authenticate_keyboard_interactive_start(user, None::<String>);
        let mut answer = start.await;
        let mut told = false;
        for _ in 0..ROUNDS {
            let prompts = match answer.map_err(|error| self.failed(error))? {
                Interactive::Success => return Ok(Verdict::Accepted),
                Interactive::Failure {
                    remaining_methods,
                    partial_success,
                } => return self.refused(&remaining_methods, partial_success),
                Interactive::InfoRequest { prompts, .. } => prompts,
            };
            let answers = match prompts.as_slice() {
                [] => Vec::new(),
                [prompt] if !prompt.echo && !told => {
                    told = true;
                    vec![password.expose().to_owned()]
                }
                // The library waits for an answer before it does anything else: an empty one to
                // each question has the server refuse.
                _ if !told => {
                    told = true;
                    prompts.iter().map(|_| String::new()).collect()
                }
                _ => return Err(Failure::Ended("asks more than a password".to_owned())),
            };
            let respond = self
                .handle
                .authenticate_keyboard_interactive_respond(answers);
            answer = respond.await;
        }
        Err(Failure::Hostile("it asks without end"))
    }

    /// `publickey`, with a signature at once.
    pub(crate) async fn key(
        &mut self,
        user: &str,
        key: &Arc<PrivateKey>,
    ) -> Result<Verdict, Failure> {
        let hash = self.rsa_hash(key.public_key()).await?;
        let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
        let answer = self.handle.authenticate_publickey(user, key).await;
        self.verdict(answer)
    }

    /// `publickey`, by a certificate.
    pub(crate) async fn certificate(
        &mut self,
        user: &str,
        issued: Issued,
    ) -> Result<Verdict, Failure> {
        let (key, certificate) = (Arc::new(issued.key), issued.certificate);
        let handle = &mut self.handle;
        let answer = handle
            .authenticate_openssh_cert(user, key, certificate)
            .await;
        self.verdict(answer)
    }

    /// The hash for signatures of an RSA key: the best that the server knows, never SHA-1.
    async fn rsa_hash(&self, key: &PublicKey) -> Result<Option<HashAlg>, Failure> {
        if !key.algorithm().is_rsa() {
            return Ok(None);
        }
        let known = self.handle.best_supported_rsa_hash().await;
        let known = known.map_err(|error| self.failed(error))?;
        Ok(Some(known.flatten().unwrap_or(HashAlg::Sha512)))
    }

    /// Opens a session channel.
    pub(crate) async fn open(&self) -> Result<UpstreamChannel, Failure> {
        let opened = self.handle.channel_open_session().await;
        let channel = opened.map_err(|error| self.failed(error))?;
        Ok(UpstreamChannel::new(channel, &self.ports))
    }

    /// Says goodbye (RFC 4253, 11.1).
    pub(crate) async fn disconnect(&self) {
        // Fails only if the connection has ended, which is what is wanted.
        let _ = self
            .handle
            .disconnect(Disconnect::ByApplication, "", "")
            .await;
    }

    fn verdict(&self, answer: Result<AuthResult, ::russh::Error>) -> Result<Verdict, Failure> {
        match answer.map_err(|error| self.failed(error))? {
            AuthResult::Success => Ok(Verdict::Accepted),
            AuthResult::Failure {
                remaining_methods,
                partial_success,
            } => self.refused(&remaining_methods, partial_success),
        }
    }

    /// The library says the same for a connection that has ended as for a refusal.
    fn refused(&self, methods: &MethodSet, partial: bool) -> Result<Verdict, Failure> {
        if let Some(reason) = self.ports.ended() {
            return Err(reason);
        }
        Ok(Verdict::Refused(Methods {
            public_key: methods.contains(&MethodKind::PublicKey),
            password: methods.contains(&MethodKind::Password),
            interactive: methods.contains(&MethodKind::KeyboardInteractive),
            partial,
        }))
    }

    /// Why the connection ended says more than that it did.
    fn failed(&self, error: ::russh::Error) -> Failure {
        self.ports.ended().unwrap_or_else(|| error.into())
    }
}

impl<'a> Presented<'a> {
    fn of(key: &'a PublicKeyOrCertificate) -> Self {
        match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => Self::Key(Cow::Borrowed(key)),
            PublicKeyOrCertificate::Certificate(certificate) => Self::Certificate(certificate),
        }
    }
}
