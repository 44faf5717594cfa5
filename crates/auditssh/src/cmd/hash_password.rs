//! `auditssh hash-password`.

use anyhow::{Context, bail, ensure};
use auditssh_gateway::auth::{self, PASSWORD_BYTES};
use nix::sys::signal::{SigSet, Signal};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::io::{self, BufRead, ErrorKind, IsTerminal, Read, Write};
use std::process::ExitCode;
use std::thread;
use zeroize::Zeroizing;

/// Hash a password for the configuration (argon2id)
///
/// Asks twice on a terminal, without echo; otherwise the first line of standard input is the
/// password. The hash goes to standard output.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args) -> anyhow::Result<ExitCode> {
    let password = if io::stdin().is_terminal() {
        guard_terminal()?;
        asked()?
    } else {
        first_line(&mut io::stdin().lock())?
    };
    let hash = auth::hash(&password)?;
    // RFC 4252, 8; the SSH library ends the connection at one that is not.
    ensure!(
        std::str::from_utf8(&password).is_ok(),
        "the password is not UTF-8: no client can log in with it; convert it, for instance with \
         `iconv -t UTF-8`"
    );
    let mut out = io::stdout().lock();
    writeln!(out, "{hash}")?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// From the terminal, twice.
fn asked() -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let ask = |prompt| {
        match rpassword::prompt_password(prompt) {
            // Ctrl-C is a character here, and the terminal is as it was.
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                std::process::exit(128 + Signal::SIGINT as i32)
            }
            result => result
                .map(Zeroizing::new)
                .context("the password cannot be read from the terminal"),
        }
    };
    let password = ask("Password: ")?;
    if *password != *ask("The same again: ")? {
        bail!("the two passwords differ; nothing was hashed");
    }
    Ok(Zeroizing::new(password.as_bytes().to_vec()))
}

/// Sets the terminal right if a signal ends the program while the echo is off.
fn guard_terminal() -> anyhow::Result<()> {
    let before = tcgetattr(io::stdin()).context("the terminal cannot be asked")?;
    let mut ends = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        ends.add(signal);
    }
    // Blocked here, and so in the thread too, which takes them instead.
    ends.thread_block()?;
    thread::spawn(move || {
        if let Ok(signal) = ends.wait() {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
            std::process::exit(128 + signal as i32);
        }
    });
    Ok(())
}

/// Without its line end.
fn first_line(input: &mut impl BufRead) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(PASSWORD_BYTES + 2));
    input
        .take(PASSWORD_BYTES as u64 + 2)
        .read_until(b'\n', &mut line)
        .context("the password cannot be read from standard input")?;
    ensure!(
        !line.is_empty(),
        "standard input is empty; it is to hold the password"
    );
    if line.ends_with(b"\n") {
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_password() {
        for (input, expected) in [
            ("secret\n", "secret"),
            ("secret", "secret"),
            ("secret\r\nmore\n", "secret"),
            (" a b \n", " a b "),
            ("\n", ""),
        ] {
            let line = first_line(&mut input.as_bytes()).unwrap();
            assert_eq!(*line, expected.as_bytes(), "{input:?}");
        }
        assert!(first_line(&mut "".as_bytes()).is_err());
    }

    #[test]
    fn what_is_read_is_bounded() {
        let input = vec![b'x'; 1 << 20];
        let line = first_line(&mut input.as_slice()).unwrap();
        assert!(line.len() <= PASSWORD_BYTES + 2);
        assert!(auth::hash(&line).is_err());
    }
}
