//! Names of signals on the wire (RFC 4254, 6.9 and 6.10).

use auditssh_log::message::ExitSignal;
use nix::sys::signal::Signal;

/// The signals that a client may send.
const KNOWN: [(&str, Signal); 13] = [
    ("ABRT", Signal::SIGABRT),
    ("ALRM", Signal::SIGALRM),
    ("FPE", Signal::SIGFPE),
    ("HUP", Signal::SIGHUP),
    ("ILL", Signal::SIGILL),
    ("INT", Signal::SIGINT),
    ("KILL", Signal::SIGKILL),
    ("PIPE", Signal::SIGPIPE),
    ("QUIT", Signal::SIGQUIT),
    ("SEGV", Signal::SIGSEGV),
    ("TERM", Signal::SIGTERM),
    ("USR1", Signal::SIGUSR1),
    ("USR2", Signal::SIGUSR2),
];

/// The signal of a name without `SIG`.
pub(super) fn from_name(name: &str) -> Option<Signal> {
    KNOWN
        .iter()
        .find_map(|(known, signal)| (*known == name).then_some(*signal))
}

/// What is told of a death by signal. A signal that the protocol has no name for is called
/// `SIG@openssh.com`, as OpenSSH does, and named in the message.
pub(super) fn exit(number: i32, core_dumped: bool) -> ExitSignal {
    let known = KNOWN
        .iter()
        .find(|(_, signal)| *signal as i32 == number)
        .map(|(name, _)| *name);
    let message = match (known, Signal::try_from(number)) {
        (Some(_), _) => String::new(),
        (None, Ok(signal)) => signal.as_str().to_owned(),
        (None, Err(_)) => format!("signal {number}"),
    };
    ExitSignal {
        signal: known.unwrap_or("SIG@openssh.com").into(),
        core_dumped,
        error_message: message.into(),
        language_tag: "".into(),
    }
}
