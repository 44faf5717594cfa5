//! A pseudo-terminal: the master here, the slave for the program.

use super::account::Account;
use super::descriptor::Descriptor;
use super::modes;
use auditssh_log::message;
use rustix::fs::{Gid, Mode, OFlags, Uid, fchmod, fchown, fcntl_setfl};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};
use rustix::termios::{
    LocalModes, OptionalActions, Termios, Winsize, tcgetattr, tcsetattr, tcsetwinsize,
};
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;

/// The master's side.
pub(super) struct Pty {
    /// Reads and writes without waiting.
    pub(super) master: Arc<Descriptor>,
    /// Path of the slave, for `SSH_TTY`.
    pub(super) device: PathBuf,
    /// Value for `TERM`.
    pub(super) term: Vec<u8>,
    /// The slave, until the program has it.
    pub(super) slave: Option<OwnedFd>,
}

impl Pty {
    /// A terminal with the modes and size that were asked for, owned by the account.
    pub(super) fn open(request: &message::Pty, account: &Account) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags)?;
        unlockpt(&master)?;
        let device = ptsname(&master, Vec::new())?;
        let slave = ioctl_tiocgptpeer(&master, flags)?;
        if let Some((uid, gid, mode)) = account.terminal {
            let (uid, gid) = (Uid::from_raw(uid.as_raw()), Gid::from_raw(gid.as_raw()));
            fchown(&slave, Some(uid), Some(gid))?;
            fchmod(&slave, Mode::from_raw_mode(mode))?;
        }
        let mut termios = tcgetattr(&slave)?;
        modes::apply(&request.modelist, &mut termios);
        set(&slave, &termios)?;
        fcntl_setfl(&master, OFlags::NONBLOCK)?;
        let pty = Self {
            master: Arc::new(Descriptor::new(master)?),
            device: OsStr::from_bytes(device.as_bytes()).into(),
            term: request.term.as_bytes().to_vec(),
            slave: Some(slave),
        };
        pty.resize(request.columns, request.rows, request.width, request.height)?;
        Ok(pty)
    }

    /// A new size; the kernel tells the program by SIGWINCH. What does not fit is cut to 65535.
    pub(super) fn resize(
        &self,
        columns: u64,
        rows: u64,
        width: u64,
        height: u64,
    ) -> io::Result<()> {
        let cut = |size| u16::try_from(size).unwrap_or(u16::MAX);
        let size = Winsize {
            ws_col: cut(columns),
            ws_row: cut(rows),
            ws_xpixel: cut(width),
            ws_ypixel: cut(height),
        };
        Ok(tcsetwinsize(self.master.get_ref(), size)?)
    }

    /// Whether the terminal itself shows what is typed.
    ///
    /// This is what holds at this moment. A program may change it between this call and the
    /// moment the bytes arrive: what was typed ahead of a password prompt counts as shown (and
    /// the terminal did show it). Programs that edit the line themselves (shells, editors)
    /// switch the terminal's echo off; what is typed into them is told by their output.
    pub(super) fn echoes(&self) -> Option<bool> {
        let termios = tcgetattr(self.master.get_ref()).ok()?;
        Some(termios.local_modes.contains(LocalModes::ECHO))
    }
}

fn set(slave: &OwnedFd, termios: &Termios) -> io::Result<()> {
    Ok(tcsetattr(slave, OptionalActions::Now, termios)?)
}
