//! Connections over the one to a server, in the words of the library.

use super::{Failure, Upstream, UpstreamChannel};
use crate::backend::{Bind, Target};

impl Upstream {
    /// `direct-tcpip`, `direct-streamlocal@openssh.com`.
    pub(crate) async fn reach(&self, target: &Target) -> Result<UpstreamChannel, Failure> {
        let opened = match target {
            Target::Tcp {
                host,
                port,
                originator,
            } => {
                let (port, from) = (u32::from(*port), originator.host.as_str());
                let handle = &self.handle;
                handle
                    .channel_open_direct_tcpip(host, port, from, originator.port)
                    .await
            }
            Target::Socket(path) => self.handle.channel_open_direct_streamlocal(path).await,
        };
        match opened {
            Ok(channel) => Ok(UpstreamChannel::new(channel, &self.ports)),
            Err(::russh::Error::ChannelOpenFailure(reason)) => {
                Err(Failure::Ended(format!("the host refused it: {reason:?}")))
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// `tcpip-forward`, `streamlocal-forward@openssh.com`; the port that the server chose, if it was
    /// to.
    pub(crate) async fn listen(&self, bind: &Bind) -> Result<u16, String> {
        let answer = match bind {
            Bind::Tcp { interface, port } => {
                let address = interface.to_string();
                self.handle.tcpip_forward(address, (*port).into()).await
            }
            Bind::Socket(path) => self.handle.streamlocal_forward(path).await.map(|()| 0),
        };
        match answer {
            Ok(chosen) => u16::try_from(chosen).map_err(|_| "the host chose no port".to_owned()),
            Err(::russh::Error::RequestDenied) => Err("the host refused it".to_owned()),
            Err(error) => Err(self.failed(error).to_string()),
        }
    }

    /// Takes that back. A server that does not answer, or refuses, can open what it likes: it is not
    /// taken any more.
    pub(crate) async fn stop_listening(&self, bind: &Bind) {
        let _ = match bind {
            Bind::Tcp { interface, port } => {
                let address = interface.to_string();
                let port = (*port).into();
                self.handle.cancel_tcpip_forward(address, port).await
            }
            Bind::Socket(path) => self.handle.cancel_streamlocal_forward(path).await,
        };
    }
}
