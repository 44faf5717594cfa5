//! SSH agents: of the gateway's own account, and of the client.

use super::{Failure, Upstream, Verdict};
use crate::backend::Client;
use crate::russh::PublicKey;
use ::russh::keys::agent::AgentIdentity;
use ::russh::keys::agent::client::AgentClient;
use std::path::Path;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

/// Keys of an agent that are tried: servers end the connection after a few refusals.
const KEYS: usize = 5;

/// The way to an agent.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

impl Upstream {
    /// `publickey`, by the keys of an agent of the gateway.
    pub(crate) async fn agent(&mut self, user: &str, socket: &Path) -> Result<Verdict, Failure> {
        let name = format!("the agent at {}", socket.display());
        let stream = UnixStream::connect(socket).await;
        let stream = stream
            .map_err(|error| Failure::Credential(format!("{name} can't be used: {error}")))?;
        self.keys(user, &name, stream).await
    }

    /// `publickey`, by the keys of the client's agent.
    pub(crate) async fn client_agent(
        &mut self,
        user: &str,
        client: &dyn Client,
    ) -> Result<Verdict, Failure> {
        let pipe = client.agent().await.map_err(|refused| {
            let reason = refused.reason();
            Failure::Credential(format!(
                "the client's agent can't be had: {reason}; users of `sshproxy.forwardAgent` connect \
                 with `ssh -A`"
            ))
        })?;
        let stream = tokio::io::join(pipe.reader, pipe.writer);
        self.keys(user, "the client's agent", stream).await
    }

    /// The keys of an agent in their order. A key that comes with a certificate is used with that.
    async fn keys<S: Stream>(
        &mut self,
        user: &str,
        name: &str,
        stream: S,
    ) -> Result<Verdict, Failure> {
        let told = |error: ::russh::keys::Error| {
            Failure::Credential(format!("{name} can't be used: {error}"))
        };
        let mut agent = AgentClient::connect(stream);
        if let Some(binding) = self.handle.agent_session_binding() {
            // Agents that do not know it do without.
            let _ = agent.bind_session(binding, false).await;
        }
        let identities = agent.request_identities().await.map_err(told)?;
        if identities.is_empty() {
            return Err(Failure::Credential(format!(
                "{name} has no keys; add one with `ssh-add FILE`"
            )));
        }
        let mut verdict = Verdict::Refused(super::Methods::default());
        for identity in identities.into_iter().take(KEYS) {
            verdict = self.identity(user, identity, &mut agent).await?;
            match verdict {
                Verdict::Refused(methods) if methods.public_key && !methods.partial => {}
                other => return Ok(other),
            }
        }
        Ok(verdict)
    }

    async fn identity<S: Stream>(
        &mut self,
        user: &str,
        identity: AgentIdentity,
        agent: &mut AgentClient<S>,
    ) -> Result<Verdict, Failure> {
        let key: PublicKey = identity.public_key().into_owned();
        let hash = self.rsa_hash(&key).await?;
        let answer = match identity {
            AgentIdentity::PublicKey { key, .. } => {
                let handle = &mut self.handle;
                handle
                    .authenticate_publickey_with(user, key, hash, agent)
                    .await
            }
            AgentIdentity::Certificate { certificate, .. } => {
                let handle = &mut self.handle;
                handle
                    .authenticate_certificate_with(user, certificate, hash, agent)
                    .await
            }
        };
        let answer = answer.map_err(|error| {
            let ended = self.ports.ended();
            ended
                .unwrap_or_else(|| Failure::Credential(format!("the agent does not sign: {error}")))
        })?;
        self.verdict(Ok(answer))
    }
}
