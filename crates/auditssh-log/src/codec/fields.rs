//! The keys of every payload, in the order of the wire: the one place that knows them.
//!
//! Some begin with a capital letter: they are the names of Go's struct fields, as ContainerSSH
//! writes them.

#![allow(clippy::wildcard_imports, reason = "every payload is named here")]

use super::record::{Field, Reader, Record, Writer};
use crate::message::*;

macro_rules! records {
    ($($name:ident { $($field:ident = $key:literal),+ $(,)? })+) => {$(
        impl Record for $name {
            const LENGTH: usize = [$($key),+].len();

            fn write<W: Writer>(&self, to: &mut W) -> Result<(), W::Error> {
                $(self.$field.put($key, to)?;)+
                Ok(())
            }

            fn read<R: Reader>(from: &mut R) -> Self {
                Self { $($field: Field::take($key, from)),+ }
            }
        }
    )+};
}

records! {
    Connect { remote_addr = "remoteAddr", country = "country" }

    AuthPassword { username = "username", password = "password" }
    AuthPasswordBackendError { username = "username", password = "password", reason = "reason" }
    AuthPubKey { username = "username", key = "key" }
    AuthPubKeyBackendError { username = "username", key = "key", reason = "reason" }
    KeyboardInteractiveChallenge {
        username = "username", instruction = "instruction", questions = "questions",
    }
    KeyboardInteractiveQuestion { question = "question", echo = "echo" }
    KeyboardInteractiveAnswers { username = "username", answers = "answers" }
    KeyboardInteractiveAnswer { question = "question", answer = "answer" }
    KeyboardInteractiveFailed { username = "Username" }
    KeyboardInteractiveBackendError { username = "username", reason = "reason" }

    HandshakeFailed { reason = "reason" }
    HandshakeSuccessful { username = "username" }
    GlobalRequestUnknown { request_type = "requestType" }
    GlobalRequestDecodeFailed {
        request_id = "requestId", request_type = "requestType", payload = "payload",
        reason = "reason",
    }

    ReverseForward { bind_host = "BindHost", bind_port = "BindPort" }
    ForwardChannel {
        host_to_connect = "HostToConnect", port_to_connect = "PortToConnect",
        originator_host = "OriginatorHost", originator_port = "OriginatorPort",
    }
    ReverseForwardChannel {
        connected_host = "ConnectedHost", connected_port = "ConnectedPort",
        originator_host = "OriginatorHost", originator_port = "OriginatorPort",
    }
    X11ForwardChannel { originator_host = "OriginatorHost", originator_port = "OriginatorPort" }
    StreamLocal { path = "Path" }

    NewChannel { channel_type = "channelType" }
    NewChannelFailed { channel_type = "channelType", reason = "reason" }

    ChannelRequestUnknown {
        request_id = "requestId", request_type = "requestType", payload = "payload",
    }
    ChannelRequestDecodeFailed {
        request_id = "requestId", request_type = "requestType", payload = "payload",
        reason = "reason",
    }
    SetEnv { request_id = "requestId", name = "name", value = "value" }
    Exec { request_id = "requestId", program = "program" }
    Pty {
        request_id = "requestId", term = "term", columns = "columns", rows = "rows",
        width = "width", height = "height", modelist = "modelist",
    }
    Shell { request_id = "requestId" }
    Signal { request_id = "requestId", signal = "signal" }
    Subsystem { request_id = "requestId", subsystem = "subsystem" }
    Window {
        request_id = "requestId", columns = "columns", rows = "rows", width = "width",
        height = "height",
    }
    X11 {
        request_id = "requestId", single_connection = "singleConnection",
        auth_protocol = "authProtocol", cookie = "cookie", screen = "screen",
    }
    RequestFailed { request_id = "requestId", reason = "reason" }

    ExitStatus { exit_status = "exitStatus" }
    ExitSignal {
        signal = "signal", core_dumped = "coreDumped", error_message = "errorMessage",
        language_tag = "languageTag",
    }
    Io { stream = "stream", data = "data" }
}
