//! The library's callbacks.

use super::outlet::{Outlet, Reply};
use super::{Certificate, methods};
use crate::backend::{Originator, Program, Target};
use crate::session::{Answer, Asked, Challenge, Channel, Ended, Link, Login, Opening, PROMPT};
use ::russh::server::{
    Auth, ChannelOpenHandle, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey,
};
use ::russh::{ChannelId, Pty as Mode, Sig};
use auditssh_log::message::{Pty, Window, X11};
use bytes::Bytes;
use futures::FutureExt;
use std::borrow::Cow;
use std::sync::Arc;
use zeroize::Zeroizing;

type LibraryChannel = ::russh::Channel<Msg>;

/// One connection, as the library calls it.
pub(crate) struct Handler {
    link: Arc<Link>,
    login: Login,
    opening: Opening,
}

impl Handler {
    pub(super) fn new(link: Arc<Link>, login: Login) -> Self {
        Self {
            opening: Opening::new(Arc::clone(&link)),
            link,
            login,
        }
    }

    /// What the library answers to an attempt. Too many of them end the connection: the goodbye
    /// is queued here and sent after the refusal.
    fn auth(&self, answer: Result<Answer, Ended>) -> Result<Auth, Ended> {
        match answer {
            Ok(Answer::Accept) => Ok(Auth::Accept),
            Ok(Answer::Reject) => Ok(reject()),
            Err(Ended::Attempts) => {
                let goodbye = self.link.disconnect("Too many authentication failures");
                match goodbye.now_or_never() {
                    Some(()) => Ok(reject()),
                    None => Err(Ended::Attempts),
                }
            }
            Err(ended) => Err(ended),
        }
    }

    fn channel(&self, id: ChannelId) -> Option<Arc<Channel>> {
        self.link.channel(id.number())
    }

    async fn start(
        &self,
        id: ChannelId,
        program: Program,
        session: &mut Session,
    ) -> Result<(), Ended> {
        match self.channel(id) {
            Some(channel) => {
                let result = channel.start(&self.link, program).await;
                reply(id, result, session)
            }
            None => reply(id, Ok(false), session),
        }
    }
}

fn reject() -> Auth {
    Auth::Reject {
        // Said each time: the library else forgets a method that failed once.
        proceed_with_methods: Some(methods()),
        partial_success: false,
    }
}

fn reply(id: ChannelId, good: Result<bool, Ended>, session: &mut Session) -> Result<(), Ended> {
    if good? {
        session.channel_success(id)?;
    } else {
        session.channel_failure(id)?;
    }
    Ok(())
}

impl ::russh::server::Handler for Handler {
    type Error = Ended;

    async fn authentication_banner(&mut self) -> Result<Option<String>, Ended> {
        let banner = &self.link.settings.banner;
        Ok((!banner.is_empty()).then(|| banner.clone()))
    }

    async fn auth_none(&mut self, _: &str) -> Result<Auth, Ended> {
        self.login.none();
        Ok(reject())
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Ended> {
        let answer = self.login.password(user, password).await;
        self.auth(answer)
    }

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Ended> {
        let login = &mut self.login;
        let answer = login.offered(user, offer.public_key, offer.algorithm).await;
        self.auth(answer)
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Ended> {
        let login = &mut self.login;
        let answer = login.proven_key(user, key.public_key, key.algorithm).await;
        self.auth(answer)
    }

    async fn auth_openssh_certificate(
        &mut self,
        user: &str,
        certificate: &Certificate,
    ) -> Result<Auth, Ended> {
        let answer = self.login.proven_certificate(user, certificate).await;
        self.auth(answer)
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Ended> {
        let Some(response) = response else {
            let (told, prompts) = match self.login.challenge(user).await {
                Ok(Challenge::Password) => (String::new(), vec![(Cow::Borrowed(PROMPT), false)]),
                Ok(Challenge::Told(text)) => (text, Vec::new()),
                Ok(Challenge::Refused(answer)) => return self.auth(Ok(answer)),
                Err(ended) => return self.auth(Err(ended)),
            };
            return Ok(Auth::Partial {
                name: Cow::Borrowed(""),
                instructions: Cow::Owned(told),
                prompts: Cow::Owned(prompts),
            });
        };
        let answers = response.map(|answer| Zeroizing::new(answer.to_vec()));
        let answers = answers.collect();
        let answer = self.login.answers(user, answers).await;
        self.auth(answer)
    }

    async fn auth_succeeded(&mut self, _: &mut Session) -> Result<(), Ended> {
        self.login.succeeded().await
    }

    async fn channel_open_session(
        &mut self,
        channel: LibraryChannel,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Ended> {
        let (_, half) = channel.split();
        let outlet = Outlet::new(half, session.handle());
        self.opening.session(outlet, Reply::new(reply)).await
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: LibraryChannel,
        host_to_connect: &str,
        port_to_connect: u32,
        originator_address: &str,
        originator_port: u32,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Ended> {
        let target = Target::Tcp {
            host: host_to_connect.to_owned(),
            // No port has 0: what is none is refused.
            port: u16::try_from(port_to_connect).unwrap_or_default(),
            originator: Originator {
                host: originator_address.to_owned(),
                port: originator_port,
            },
        };
        let (_, half) = channel.split();
        let outlet = Outlet::new(half, session.handle());
        self.opening
            .forward(target, port_to_connect, outlet, Reply::new(reply))
            .await
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        channel: LibraryChannel,
        socket_path: &str,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Ended> {
        let target = Target::Socket(socket_path.to_owned());
        let (_, half) = channel.split();
        let outlet = Outlet::new(half, session.handle());
        self.opening
            .forward(target, 0, outlet, Reply::new(reply))
            .await
    }

    async fn channel_open_forwarded_tcpip(
        &mut self,
        _: LibraryChannel,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Ended> {
        let reply = Reply::new(reply);
        self.opening
            .refused("forwarded-tcpip", "not for clients", reply)
            .await
    }

    async fn channel_open_x11(
        &mut self,
        _: LibraryChannel,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Ended> {
        let reply = Reply::new(reply);
        self.opening.refused("x11", "not for clients", reply).await
    }

    async fn channel_open_confirmation(
        &mut self,
        id: ChannelId,
        _: u32,
        _: u32,
        _: &mut Session,
    ) -> Result<(), Ended> {
        self.link.confirmed(id.number()).await
    }

    fn adjust_window(&mut self, _: ChannelId, _: u32) -> u32 {
        self.link.window()
    }

    async fn data(&mut self, id: ChannelId, bytes: &[u8], _: &mut Session) -> Result<(), Ended> {
        match self.channel(id) {
            Some(channel) => channel.data(&self.link, bytes).await,
            None => Ok(()),
        }
    }

    async fn channel_eof(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Ended> {
        match self.channel(id) {
            Some(channel) => channel.eof(&self.link).await,
            None => Ok(()),
        }
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Ended> {
        match self.channel(id) {
            Some(channel) => channel.closed(&self.link).await,
            None => Ok(()),
        }
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        width: u32,
        height: u32,
        modes: &[(Mode, u32)],
        session: &mut Session,
    ) -> Result<(), Ended> {
        let Some(channel) = self.channel(id) else {
            return reply(id, Ok(false), session);
        };
        let pty = Pty {
            request_id: 0,
            term: term.into(),
            columns: columns.into(),
            rows: rows.into(),
            width: width.into(),
            height: height.into(),
            modelist: modelist(modes),
        };
        let result = channel.pty(&self.link, pty).await;
        reply(id, result, session)
    }

    async fn window_change_request(
        &mut self,
        id: ChannelId,
        columns: u32,
        rows: u32,
        width: u32,
        height: u32,
        session: &mut Session,
    ) -> Result<(), Ended> {
        let Some(channel) = self.channel(id) else {
            return reply(id, Ok(false), session);
        };
        let window = Window {
            request_id: 0,
            columns: columns.into(),
            rows: rows.into(),
            width: width.into(),
            height: height.into(),
        };
        let result = channel.window(&self.link, window).await;
        reply(id, result, session)
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), Ended> {
        let Some(channel) = self.channel(id) else {
            return reply(id, Ok(false), session);
        };
        let result = channel.env(&self.link, name, value).await;
        reply(id, result, session)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Ended> {
        self.start(id, Program::Shell, session).await
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Ended> {
        let program = Program::Exec(Bytes::copy_from_slice(command));
        self.start(id, program, session).await
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Ended> {
        self.start(id, Program::Subsystem(name.to_owned()), session)
            .await
    }

    async fn signal(
        &mut self,
        id: ChannelId,
        signal: Sig,
        session: &mut Session,
    ) -> Result<(), Ended> {
        let Some(channel) = self.channel(id) else {
            return reply(id, Ok(false), session);
        };
        let result = channel.signal(&self.link, &signal_name(signal)).await;
        reply(id, result, session)
    }

    async fn x11_request(
        &mut self,
        id: ChannelId,
        single_connection: bool,
        auth_protocol: &str,
        cookie: &str,
        screen: u32,
        session: &mut Session,
    ) -> Result<(), Ended> {
        let Some(channel) = self.channel(id) else {
            return reply(id, Ok(false), session);
        };
        let x11 = X11 {
            request_id: 0,
            single_connection,
            auth_protocol: auth_protocol.into(),
            cookie: cookie.into(),
            screen: screen.into(),
        };
        let result = channel.x11(&self.link, x11).await;
        reply(id, result, session)
    }

    async fn agent_request(&mut self, id: ChannelId, _: &mut Session) -> Result<bool, Ended> {
        match self.channel(id) {
            Some(channel) => channel.agent(&self.link).await,
            None => Ok(false),
        }
    }

    async fn tcpip_forward(
        &mut self,
        address: &str,
        port: &mut u32,
        _: &mut Session,
    ) -> Result<bool, Ended> {
        let asked = Asked::Tcp(address.to_owned(), *port);
        let bound = self.link.listen(asked).await?;
        if let Some(bound) = bound {
            *port = bound.into();
        }
        Ok(bound.is_some())
    }

    async fn cancel_tcpip_forward(
        &mut self,
        address: &str,
        port: u32,
        _: &mut Session,
    ) -> Result<bool, Ended> {
        let asked = Asked::Tcp(address.to_owned(), port);
        self.link.stop_listening(asked).await
    }

    async fn streamlocal_forward(
        &mut self,
        socket_path: &str,
        _: &mut Session,
    ) -> Result<bool, Ended> {
        let asked = Asked::Socket(socket_path.to_owned());
        Ok(self.link.listen(asked).await?.is_some())
    }

    async fn cancel_streamlocal_forward(
        &mut self,
        socket_path: &str,
        _: &mut Session,
    ) -> Result<bool, Ended> {
        let asked = Asked::Socket(socket_path.to_owned());
        self.link.stop_listening(asked).await
    }
}

/// The modes as they are encoded (RFC 4254, 8); those that the library does not know it does not
/// show.
fn modelist(modes: &[(Mode, u32)]) -> Vec<u8> {
    let mut list = Vec::with_capacity(modes.len() * 5 + 1);
    for (mode, value) in modes {
        if *mode != Mode::TTY_OP_END {
            list.push(*mode as u8);
            list.extend(value.to_be_bytes());
        }
    }
    list.push(Mode::TTY_OP_END as u8);
    list
}

/// A signal's name without `SIG` (RFC 4254, 6.9).
pub(crate) fn signal_name(signal: Sig) -> String {
    match signal {
        Sig::Custom(name) => name,
        known => format!("{known:?}"),
    }
}
