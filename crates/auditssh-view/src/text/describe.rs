//! What an event says, in a line.

use crate::{Visible, files};
use auditssh_log::extension::{
    Access, ClockStep, Continued, Forced, ForwardAnswer, Gap, Handshake, MaskedInput,
};
use auditssh_log::message::{ChannelRequestUnknown, Event, Message, Pty, Text, Window};
use std::fmt::Write as _;

/// Says what happened, in one line that is safe to show.
///
/// Of bytes that passed only their type is told: [`Text`](super::Text) shows them.
pub fn describe(message: &Message) -> String {
    let event = &message.event;
    login(message)
        .or_else(|| forwarding(event))
        .or_else(|| program(message))
        .or_else(|| session(event))
        .or_else(|| notice(message))
        .unwrap_or_else(|| other(event))
}

fn login(message: &Message) -> Option<String> {
    Some(match &message.event {
        Event::Connect(connect) => format!("connected from {}", show(&connect.remote_addr)),
        Event::Disconnect => "disconnected".to_owned(),
        Event::AuthPassword(auth) => format!("password for {}", show(&auth.username)),
        Event::AuthPasswordSuccessful(auth) => {
            format!("password for {} accepted", show(&auth.username))
        }
        Event::AuthPasswordFailed(auth) => format!("password for {} refused", show(&auth.username)),
        Event::AuthPasswordBackendError(auth) => format!(
            "password for {} not checked: {}",
            show(&auth.username),
            show(&auth.reason)
        ),
        Event::AuthPubKey(auth) => {
            format!("key for {}: {}", show(&auth.username), show(&auth.key))
        }
        Event::AuthPubKeySuccessful(auth) => format!("key for {} accepted", show(&auth.username)),
        Event::AuthPubKeyFailed(auth) => format!("key for {} refused", show(&auth.username)),
        Event::AuthPubKeyBackendError(auth) => format!(
            "key for {} not checked: {}",
            show(&auth.username),
            show(&auth.reason)
        ),
        Event::KeyboardInteractiveChallenge(auth) => {
            let questions = auth.questions.iter().flatten();
            let questions = questions.map(|question| show(&question.question).to_string());
            let questions: Vec<String> = questions.take(16).collect();
            format!("asked {}: {}", show(&auth.username), questions.join(" / "))
        }
        Event::KeyboardInteractiveAnswer(auth) => format!("{} answered", show(&auth.username)),
        Event::KeyboardInteractiveFailed(auth) => {
            format!("answers of {} refused", show(&auth.username))
        }
        Event::KeyboardInteractiveBackendError(auth) => format!(
            "answers of {} not checked: {}",
            show(&auth.username),
            show(&auth.reason)
        ),
        Event::HandshakeFailed(failed) => format!("login failed: {}", show(&failed.reason)),
        Event::HandshakeSuccessful(success) => logged_in(&success.username, message),
        _ => return None,
    })
}

fn logged_in(username: &Text, message: &Message) -> String {
    let handshake = Handshake::from_extra(&message.extra);
    let mut parts = vec![format!("logged in as {}", show(username))];
    if let Some(method) = &handshake.auth_method {
        parts.push(format!("by {}", show(method)));
    }
    if let Some(key) = &handshake.key_fingerprint {
        parts.push(format!("with key {}", show(key)));
    }
    if let Some(certificate) = &handshake.certificate {
        let serial = certificate.serial;
        let authority = show(&certificate.authority);
        parts.push(format!("and certificate {serial} of {authority}"));
    }
    if let Some(client) = &handshake.client_version {
        parts.push(format!("({})", show(client)));
    }
    parts.join(" ")
}

fn forwarding(event: &Event) -> Option<String> {
    Some(match event {
        Event::ForwardTcpip(forward) => format!(
            "asks to forward {}",
            place(&forward.bind_host, forward.bind_port)
        ),
        Event::CancelForwardTcpip(forward) => format!(
            "ends the forwarding of {}",
            place(&forward.bind_host, forward.bind_port)
        ),
        Event::ForwardStreamLocal(socket) => format!("asks to forward {}", show(&socket.path)),
        Event::CancelForwardStreamLocal(socket) => {
            format!("ends the forwarding of {}", show(&socket.path))
        }
        Event::NewChannelDirectTcpip(channel) => format!(
            "channel to {} for {}",
            place(&channel.host_to_connect, channel.port_to_connect),
            place(&channel.originator_host, channel.originator_port)
        ),
        Event::NewChannelForwardedTcpip(channel) => format!(
            "channel for a connection to {} from {}",
            place(&channel.connected_host, channel.connected_port),
            place(&channel.originator_host, channel.originator_port)
        ),
        Event::NewChannelX11(channel) => format!(
            "channel for an X11 connection from {}",
            place(&channel.originator_host, channel.originator_port)
        ),
        Event::NewChannelDirectStreamLocal(socket) => {
            format!("channel to {}", show(&socket.path))
        }
        Event::NewChannelForwardedStreamLocal(socket) => {
            format!("channel for a connection to {}", show(&socket.path))
        }
        _ => return None,
    })
}

/// What was asked to be started, and what ran in its place if something was forced.
fn program(message: &Message) -> Option<String> {
    let asked = match &message.event {
        Event::Exec(exec) => format!("exec {}", show(&exec.program)),
        Event::Shell(_) => "shell".to_owned(),
        Event::Subsystem(subsystem) => format!("subsystem {}", show(&subsystem.subsystem)),
        _ => return None,
    };
    let Some(Forced { command, by }) = Forced::from_extra(&message.extra) else {
        return Some(asked);
    };
    Some(format!(
        "{asked}; forced by the {} instead: {}",
        show(&by),
        show(&command)
    ))
}

fn session(event: &Event) -> Option<String> {
    Some(match event {
        Event::NewChannel(channel) => format!("asks for {}", show(&channel.channel_type)),
        Event::NewChannelSuccessful(channel) => format!("{} opened", show(&channel.channel_type)),
        Event::NewChannelFailed(channel) => format!(
            "{} refused: {}",
            show(&channel.channel_type),
            show(&channel.reason)
        ),
        Event::SetEnv(env) => format!("env {}={}", show(&env.name), show(&env.value)),
        Event::Pty(Pty {
            term,
            columns,
            rows,
            ..
        }) => format!("terminal {} {columns}x{rows}", show(term)),
        Event::Signal(signal) => format!("signal {}", show(&signal.signal)),
        Event::Window(Window { columns, rows, .. }) => format!("window {columns}x{rows}"),
        Event::X11(x11) => format!("asks for X11 forwarding, screen {}", x11.screen),
        Event::RequestFailed(failed) => {
            format!(
                "request {} refused: {}",
                failed.request_id,
                show(&failed.reason)
            )
        }
        Event::CloseWrite => "end of output".to_owned(),
        Event::Close => "channel closed".to_owned(),
        Event::ExitSignal(exit) => format!(
            "ended by signal {}{}",
            show(&exit.signal),
            if exit.core_dumped {
                ", core dumped"
            } else {
                ""
            }
        ),
        Event::ExitStatus(exit) => format!("ended with status {}", exit.exit_status),
        _ => return None,
    })
}

fn notice(message: &Message) -> Option<String> {
    if let Some(MaskedInput { bytes }) = MaskedInput::read(message) {
        return Some(format!("in  | ({bytes} bytes typed without echo)"));
    }
    if let Some(gap) = Gap::read(message) {
        let Gap {
            messages,
            bytes,
            reason,
            ..
        } = gap;
        let reason = show(&reason).to_string();
        let before = Continued::read(message).map_or_else(String::new, |before| goes_on(&before));
        return Some(format!(
            "GAP: {messages} messages, {bytes} bytes not recorded: {reason}{before}"
        ));
    }
    if let Some(access) = Access::read(message) {
        return Some(accessed(&access));
    }
    if let Some(answer) = ForwardAnswer::read(message) {
        return Some(match (answer.refused, answer.port) {
            (Some(reason), _) => format!("forwarding refused: {}", show(&reason)),
            (None, Some(port)) => format!("forwarding accepted, on port {port}"),
            (None, None) => "forwarding accepted".to_owned(),
        });
    }
    if let Some(text) = files::describe(message) {
        return Some(text);
    }
    let step = ClockStep::read(message)?.nanoseconds;
    Some(format!("the clock jumped by {} s", step / 1_000_000_000))
}

/// Where a session was recorded before, and whose it is.
fn goes_on(before: &Continued) -> String {
    let mut text = format!(
        "; the session's log before this one is {}",
        show(&before.log)
    );
    if let Some(user) = &before.username {
        let _ = write!(text, "; it is that of {}", show(user));
    }
    if let Some(address) = &before.remote_addr {
        let _ = write!(text, "; from {}", show(address));
    }
    text
}

/// Who looked at what.
fn accessed(access: &Access) -> String {
    let nobody = access.user.as_bytes().is_empty();
    let mut text = if nobody {
        "nobody".to_owned()
    } else {
        format!("{} ({})", show(&access.user), show(&access.role))
    };
    let _ = write!(
        text,
        " from {}: {}",
        show(&access.address),
        show(&access.action)
    );
    if let Some(connection) = &access.connection {
        let _ = write!(text, " {}", show(connection));
    }
    if !access.detail.as_bytes().is_empty() {
        let _ = write!(text, " {}", show(&access.detail));
    }
    if !access.allowed {
        text.push_str("; REFUSED");
    }
    text
}

fn other(event: &Event) -> String {
    match event {
        Event::GlobalRequestUnknown(request) => {
            format!("global request {}", show(&request.request_type))
        }
        Event::GlobalRequestDecodeFailed(request) => format!(
            "global request {} not understood: {}",
            show(&request.request_type),
            show(&request.reason)
        ),
        Event::ChannelRequestUnknown(ChannelRequestUnknown { request_type, .. }) => {
            format!("request {}", show(request_type))
        }
        Event::ChannelRequestDecodeFailed(request) => format!(
            "request {} not understood: {}",
            show(&request.request_type),
            show(&request.reason)
        ),
        event => format!("{} (type {})", event.type_name(), event.type_number()),
    }
}

fn show(text: &Text) -> Visible<'_> {
    Visible(text.as_bytes())
}

fn place(host: &Text, port: u64) -> String {
    let host = show(host).to_string();
    // An IPv6 address has colons of its own.
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
