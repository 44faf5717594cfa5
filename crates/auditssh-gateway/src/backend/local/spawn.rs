//! Starting a program: what happens between fork and exec.
#![expect(
    unsafe_code,
    reason = "a new session, its terminal and its account can only be set up between fork and exec"
)]

use super::account::Account;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::SigSet;
use nix::unistd::{Gid, Uid, chdir, getresgid, getresuid, setgroups, setresgid, setresuid, setsid};
use rustix::process::ioctl_tiocsctty;
use std::ffi::CString;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

/// Signals of Linux: 1 to 64.
const SIGNALS: std::ops::RangeInclusive<i32> = 1..=64;
/// For files of programs, as sshd has it from init.
const UMASK: libc::mode_t = 0o022;

/// Everything the child does to itself before exec, prepared while memory may be had.
struct Plan {
    terminal: bool,
    become_account: Option<(Uid, Gid, Vec<Gid>)>,
    home: CString,
    no_home: Vec<u8>,
    open_files: Option<u64>,
}

/// Starts the command in a session of its own, under the account, in its home.
///
/// Its standard streams, arguments and environment are the caller's. With `terminal` its standard
/// input becomes the controlling terminal. No other descriptor gets through, no signal is ignored
/// or blocked. Blocks until exec has succeeded or failed.
pub(super) fn spawn(
    mut command: Command,
    account: &Account,
    terminal: bool,
    open_files: Option<u64>,
) -> io::Result<Child> {
    let home = account.home.as_os_str().as_bytes();
    let plan = Plan {
        terminal,
        become_account: account
            .groups
            .clone()
            .map(|groups| (account.uid, account.gid, groups)),
        home: CString::new(home)?,
        no_home: [b"Could not change to home directory ", home, b"\r\n"].concat(),
        open_files,
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed, since another
    // thread may have held any lock at the fork. `Plan::run` makes system calls only: it takes
    // no lock, allocates nothing and frees nothing.
    unsafe { command.pre_exec(move || plan.run()) };
    command.spawn()
}

impl Plan {
    fn run(&self) -> io::Result<()> {
        setsid()?;
        if self.terminal {
            // SAFETY: descriptor 0 is open: it is what the command was given as its input.
            let input = unsafe { BorrowedFd::borrow_raw(0) };
            ioctl_tiocsctty(input)?;
        }
        default_signals();
        SigSet::empty().thread_set_mask()?;
        // SAFETY: takes and gives numbers only.
        unsafe { libc::umask(UMASK) };
        if let Some(soft) = self.open_files {
            let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
            setrlimit(Resource::RLIMIT_NOFILE, soft.min(hard), hard)?;
        }
        if let Some((uid, gid, groups)) = &self.become_account {
            become_account(*uid, *gid, groups)?;
        }
        if chdir(self.home.as_c_str()).is_err() {
            // SAFETY: the buffer is as long as said. Whether it could be shown does not matter.
            unsafe { libc::write(2, self.no_home.as_ptr().cast(), self.no_home.len()) };
            chdir(c"/")?;
        }
        close_on_exec()
    }
}

/// Gives up the server's account for good, and makes sure that it did.
fn become_account(uid: Uid, gid: Gid, groups: &[Gid]) -> io::Result<()> {
    setgroups(groups)?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    let (users, gids) = (getresuid()?, getresgid()?);
    let became = [users.real, users.effective, users.saved] == [uid; 3]
        && [gids.real, gids.effective, gids.saved] == [gid; 3];
    let back = !uid.is_root() && nix::unistd::setuid(Uid::from_raw(0)).is_ok();
    if !became || back {
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    Ok(())
}

/// What the server ignores would stay ignored across exec; what it catches would not.
fn default_signals() {
    for signal in SIGNALS {
        // SAFETY: sets no handler of ours. Fails for those that can't be changed.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Marks every descriptor but the standard streams to be closed by exec, also those that the
/// server itself was started with.
fn close_on_exec() -> io::Result<()> {
    const FIRST: libc::c_uint = 3;
    // SAFETY: takes numbers only.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            FIRST,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if outcome == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
