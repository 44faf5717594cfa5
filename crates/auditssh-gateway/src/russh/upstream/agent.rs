//! An SSH agent of the gateway's own account.

use super::{Failure, Upstream, Verdict};
use crate::russh::PublicKey;
use ::russh::keys::agent::AgentIdentity;
use ::russh::keys::agent::client::AgentClient;
use std::path::Path;
use tokio::net::UnixStream;

/// Keys of an agent that are tried: servers end the connection after a few refusals.
const KEYS: usize = 5;

impl Upstream {
    /// `publickey`, by the keys of an agent in their order. A key that comes with a certificate is
    /// used with that.
    pub(crate) async fn agent(&mut self, user: &str, socket: &Path) -> Result<Verdict, Failure> {
        let path = socket.display();
        let told = |error: ::russh::keys::Error| {
            Failure::Credential(format!("the agent at {path} can't be used: {error}"))
        };
        let mut agent = AgentClient::connect_uds(socket).await.map_err(told)?;
        if let Some(binding) = self.handle.agent_session_binding() {
            // Agents that do not know it do without.
            let _ = agent.bind_session(binding, false).await;
        }
        let identities = agent.request_identities().await.map_err(told)?;
        if identities.is_empty() {
            return Err(Failure::Credential(format!(
                "the agent at {path} has no keys; add one with `ssh-add FILE`"
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

    async fn identity(
        &mut self,
        user: &str,
        identity: AgentIdentity,
        agent: &mut AgentClient<UnixStream>,
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
