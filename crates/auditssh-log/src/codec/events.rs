//! Number, name and payload of every message type: the one place that knows them.

#![allow(clippy::wildcard_imports, reason = "every payload is named here")]

use super::record::{Reader, Record, Writer};
use crate::message::*;

macro_rules! events {
    (
        with_payload { $($id:literal $event:ident($payload:ty) $name:literal $title:literal;)+ }
        without_payload { $($bare_id:literal $bare:ident $bare_name:literal $bare_title:literal;)+ }
    ) => {
        impl Event {
            /// Number of the type on the wire.
            pub fn type_number(&self) -> u64 {
                match self {
                    $(Self::$event(_) => $id,)+
                    $(Self::$bare => $bare_id,)+
                    Self::Unknown { id, .. } => *id,
                }
            }

            /// Number, short name (`auth_password`) and title of every known type.
            pub fn types() -> &'static [(u64, &'static str, &'static str)] {
                &[
                    $(($id, $name, $title),)+
                    $(($bare_id, $bare_name, $bare_title),)+
                ]
            }

            /// How many fields the payload has; `None` where the type has no payload.
            pub(super) fn payload_length(&self) -> Option<usize> {
                match self {
                    $(Self::$event(_) => Some(<$payload as Record>::LENGTH),)+
                    $(Self::$bare => None,)+
                    Self::Unknown { .. } => None,
                }
            }

            /// Hands out the fields of the payload.
            pub(super) fn write_payload<W: Writer>(&self, to: &mut W) -> Result<(), W::Error> {
                match self {
                    $(Self::$event(payload) => payload.write(to),)+
                    $(Self::$bare => Ok(()),)+
                    Self::Unknown { .. } => Ok(()),
                }
            }

            /// Makes an event of its number and the fields of its payload; `None` for a type
            /// that is not known.
            pub(super) fn read_payload<R: Reader>(id: u64, from: &mut R) -> Option<Self> {
                match id {
                    $($id => Some(Self::$event(Record::read(from))),)+
                    $($bare_id => Some(Self::$bare),)+
                    _ => None,
                }
            }
        }
    };
}

events! {
    with_payload {
        0 Connect(Connect) "connect" "Connect";
        100 AuthPassword(AuthPassword) "auth_password" "Password authentication";
        101 AuthPasswordSuccessful(AuthPassword) "auth_password_successful" "Password authentication successful";
        102 AuthPasswordFailed(AuthPassword) "auth_password_failed" "Password authentication failed";
        103 AuthPasswordBackendError(AuthPasswordBackendError) "auth_password_backend_error" "Password authentication backend error";
        104 AuthPubKey(AuthPubKey) "auth_pubkey" "Public key authentication";
        105 AuthPubKeySuccessful(AuthPubKey) "auth_pubkey_successful" "Public key authentication successful";
        106 AuthPubKeyFailed(AuthPubKey) "auth_pubkey_failed" "Public key authentication failed";
        107 AuthPubKeyBackendError(AuthPubKeyBackendError) "auth_pubkey_backend_error" "Public key authentication backend error";
        108 KeyboardInteractiveChallenge(KeyboardInteractiveChallenge) "auth_keyboard_interactive_challenge" "Keyboard-interactive authentication challenge";
        109 KeyboardInteractiveAnswer(KeyboardInteractiveAnswers) "auth_keyboard_interactive_answer" "Keyboard-interactive authentication answer";
        110 KeyboardInteractiveFailed(KeyboardInteractiveFailed) "auth_keyboard_interactive_failed" "Keyboard-interactive authentication failed";
        111 KeyboardInteractiveBackendError(KeyboardInteractiveBackendError) "auth_keyboard_interactive_backend_error" "Keyboard-interactive authentication backend error";
        198 HandshakeFailed(HandshakeFailed) "handshake_failed" "Handshake failed";
        199 HandshakeSuccessful(HandshakeSuccessful) "handshake_successful" "Handshake successful";
        200 GlobalRequestUnknown(GlobalRequestUnknown) "global_request_unknown" "Unknown global request";
        201 GlobalRequestDecodeFailed(GlobalRequestDecodeFailed) "global_request_decode_failed" "Failed to decode global request";
        202 ForwardTcpip(ReverseForward) "forward_tcpip" "Request reverse port forwarding";
        203 CancelForwardTcpip(ReverseForward) "cancel_forward_tcpip" "Request to stop reverse port forwarding";
        204 ForwardStreamLocal(StreamLocal) "forward_streamlocal" "Request reverse socket forwarding";
        205 CancelForwardStreamLocal(StreamLocal) "cancel_forward_streamlocal" "Request to stop reverse socket forwarding";
        300 NewChannel(NewChannel) "new_channel" "New channel request";
        301 NewChannelSuccessful(NewChannel) "new_channel_successful" "New channel successful";
        302 NewChannelFailed(NewChannelFailed) "new_channel_failed" "New channel failed";
        303 NewChannelDirectTcpip(ForwardChannel) "new_channel_direct_tcpip" "New client-to-server port forwarding channel";
        304 NewChannelForwardedTcpip(ReverseForwardChannel) "new_channel_forwarded_tcpip" "New server-to-client port forwarding channel";
        305 NewChannelX11(X11ForwardChannel) "new_channel_x11" "New server-to-client X11 forwarding channel";
        306 NewChannelDirectStreamLocal(StreamLocal) "new_channel_direct_streamlocal" "New client-to-server unix socket forwarding channel";
        307 NewChannelForwardedStreamLocal(StreamLocal) "new_channel_forwarded_streamlocal" "New server-to-client unix socket forwarding channel";
        400 ChannelRequestUnknown(ChannelRequestUnknown) "channel_request_unknown" "Unknown channel request";
        401 ChannelRequestDecodeFailed(ChannelRequestDecodeFailed) "channel_request_decode_failed" "Failed to decode channel request";
        402 SetEnv(SetEnv) "setenv" "Set environment variable";
        403 Exec(Exec) "exec" "Execute program";
        404 Pty(Pty) "pty" "Request interactive terminal";
        405 Shell(Shell) "shell" "Run shell";
        406 Signal(Signal) "signal" "Send signal to running process";
        407 Subsystem(Subsystem) "subsystem" "Request subsystem";
        408 Window(Window) "window" "Change window size";
        409 X11(X11) "x11-req" "Request X11 forwarding";
        498 ExitSignal(ExitSignal) "exit_signal" "Program exited with signal";
        499 ExitStatus(ExitStatus) "exit" "Program exited";
        500 Io(Io) "io" "I/O";
        501 RequestFailed(RequestFailed) "request_failed" "Request failed";
    }
    without_payload {
        1 Disconnect "disconnect" "Disconnect";
        496 CloseWrite "close_write" "Close channel for writing";
        497 Close "close" "Close channel";
    }
}

/// Short name of types that are not known.
const UNKNOWN: (u64, &str, &str) = (0, "unknown", "Unknown");

impl Event {
    /// Short name of the type, as in JSON (`typeId`): `auth_password`.
    pub fn type_id(&self) -> &'static str {
        self.entry().1
    }

    /// Title of the type, as in JSON (`typeName`): `Password authentication`.
    pub fn type_name(&self) -> &'static str {
        self.entry().2
    }

    fn entry(&self) -> (u64, &'static str, &'static str) {
        let number = self.type_number();
        let known = Self::types().iter().find(|(id, ..)| *id == number);
        known.copied().unwrap_or(UNKNOWN)
    }
}
