//! The terminal of whoever watches. It is given back as it was, whatever happens.

use super::keys::{Key, keys};
use anyhow::Context as _;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::time::Duration;

/// Another screen, no cursor, no wrapping of lines.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE: &[u8] = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";
/// After whatever a program may have left: modes, character sets, colours, mouse, paste.
const MEND: &[u8] = b"\x1b[!p\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?25h\x1b(B\x1b[0m\r\n";

pub(super) struct Terminal {
    tty: File,
    signals: SignalFd,
    /// Which signals were let through before.
    mask: SigSet,
    /// How it was; `None` when it was given back.
    before: Option<Termios>,
    /// Whether it shows another screen.
    screen: bool,
}

/// What happened while waiting.
#[derive(Debug, PartialEq)]
pub(super) enum Input {
    Keys(Vec<Key>),
    /// It has another size.
    Resized,
    /// It is to end, by the signal of this number.
    Signal(u8),
    /// It is gone.
    Gone,
    /// Time is over.
    Nothing,
}

impl Terminal {
    /// Takes the terminal, to show a screen or to write raw output.
    pub(super) fn open(screen: bool) -> anyhow::Result<Self> {
        let tty = File::options().read(true).write(true).open("/dev/tty");
        let tty = tty.context("a replay needs a terminal")?;
        let mut watched = SigSet::empty();
        for signal in [
            Signal::SIGTERM,
            Signal::SIGHUP,
            Signal::SIGINT,
            Signal::SIGQUIT,
            Signal::SIGWINCH,
        ] {
            watched.add(signal);
        }
        let mask = SigSet::thread_get_mask()?;
        watched.thread_block()?;
        let signals =
            SignalFd::with_flags(&watched, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        let before = tcgetattr(&tty)?;
        let mut raw = before.clone();
        raw.make_raw();
        let mut terminal = Self {
            tty,
            signals,
            mask,
            before: Some(before),
            screen,
        };
        tcsetattr(&terminal.tty, OptionalActions::Now, &raw)?;
        if screen {
            terminal.tty.write_all(ENTER)?;
        }
        Ok(terminal)
    }

    /// How many columns and rows it has.
    pub(super) fn size(&self) -> (usize, usize) {
        match tcgetwinsize(&self.tty) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (size.ws_col.into(), size.ws_row.into())
            }
            _ => (80, 24),
        }
    }

    /// Writes at once.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tty.write_all(bytes)
    }

    /// Waits for a key or a signal, but no longer than that.
    pub(super) fn wait(&mut self, most: Duration) -> io::Result<Input> {
        let timeout = Timespec {
            tv_sec: i64::try_from(most.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: most.subsec_nanos().into(),
        };
        let mut watched = [
            PollFd::new(&self.tty, PollFlags::IN),
            PollFd::new(&self.signals, PollFlags::IN),
        ];
        match poll(&mut watched, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [tty, signals] = watched.map(|watched| watched.revents());
        if !signals.is_empty()
            && let Some(signal) = self.signals.read_signal()?
        {
            let number = u8::try_from(signal.ssi_signo).unwrap_or(1);
            let resized = Signal::SIGWINCH as i32;
            if i32::from(number) == resized {
                return Ok(Input::Resized);
            }
            return Ok(Input::Signal(number));
        }
        if tty.is_empty() {
            return Ok(Input::Nothing);
        }
        let mut bytes = [0; 256];
        match self.tty.read(&mut bytes) {
            Ok(0) | Err(_) => Ok(Input::Gone),
            Ok(length) => Ok(Input::Keys(keys(bytes.get(..length).unwrap_or_default()))),
        }
    }

    /// Gives the terminal back.
    pub(super) fn restore(&mut self) {
        let Some(before) = self.before.take() else {
            return;
        };
        // If it is gone, there is nothing to give back.
        let _ = self.tty.write_all(if self.screen { LEAVE } else { MEND });
        let _ = tcsetattr(&self.tty, OptionalActions::Drain, &before);
        let _ = self.mask.thread_set_mask();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.restore();
    }
}
