//! The Unix account that programs run under.

#[cfg(test)]
mod tests;

use nix::unistd::{AccessFlags, Gid, Group, Uid, User, access, getgrouplist};
use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The shell where the account database names none (passwd(5)).
const DEFAULT_SHELL: &str = "/bin/sh";
/// Most bytes of `/etc/nologin` that are shown.
const NOLOGIN_BYTES: usize = 4096;

/// An account, looked up once for each connection.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: Uid,
    pub(super) gid: Gid,
    pub(super) home: PathBuf,
    pub(super) shell: PathBuf,
    /// The groups to take on; `None` if the account is the one that the server has already.
    pub(super) groups: Option<Vec<Gid>>,
    /// Who owns its terminals, and their bits; `None` where the kernel does that right already.
    pub(super) terminal: Option<(Uid, Gid, u32)>,
}

/// Why nothing can run under an account. The text is for the server's log; of all of them only
/// that of `/etc/nologin` is for users.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The machine has no such account.
    #[error("no Unix account is named `{}`; create it (`useradd`)", .0.escape_debug())]
    None(String),
    /// It is root, and that is not wanted.
    #[error("account `{0}` is root (uid 0); `local.allowRoot: true` would let it in")]
    Root(String),
    /// It has passed its date (shadow(5)).
    #[error("account `{0}` has expired; renew it with `chage -E`")]
    Expired(String),
    /// Its password is locked: a `!` stands before its hash, as `usermod -L` puts it.
    #[error("account `{0}` is locked; unlock it with `usermod -U`")]
    Locked(String),
    /// `/etc/nologin` is there; its text.
    #[error("{0}")]
    NoLogin(String),
    /// The shell can't be run.
    #[error("the shell {} of account `{name}` can't be run: {reason}", shell.display())]
    Shell {
        /// The account.
        name: String,
        /// Its shell.
        shell: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The account database failed.
    #[error("the account database failed: {0}")]
    Database(String),
}

impl Account {
    /// The account that the server has; one that the database does not know gets by with its
    /// number as name, `/` as home and [`DEFAULT_SHELL`].
    pub(super) fn own(shell: Option<PathBuf>) -> Result<Self, AccountError> {
        let uid = Uid::effective();
        let known = User::from_uid(uid).map_err(database)?;
        let account = match known {
            Some(user) => Self::from(user, shell),
            None => Self {
                name: uid.to_string(),
                uid,
                gid: Gid::effective(),
                home: PathBuf::from("/"),
                shell: shell.unwrap_or_else(|| DEFAULT_SHELL.into()),
                groups: None,
                terminal: None,
            },
        };
        account.check_shell()?;
        Ok(account)
    }

    /// The account of a login name, with everything that sshd asks of it: a shell that can be
    /// run, neither expired nor locked, no `/etc/nologin` (which does not concern root).
    pub(super) fn of_login(name: &str, allow_root: bool) -> Result<Self, AccountError> {
        let user = User::from_name(name)
            .map_err(database)?
            .ok_or_else(|| AccountError::None(name.to_owned()))?;
        if user.uid.is_root() {
            if !allow_root {
                return Err(AccountError::Root(name.to_owned()));
            }
        } else {
            no_nologin(Path::new("/etc/nologin"))?;
        }
        let shadow = fs::read_to_string("/etc/shadow").unwrap_or_default();
        check_shadow(name, &shadow, today())?;
        let mut account = Self::from(user, None);
        account.check_shell()?;
        account.groups = Some(groups(&account)?);
        account.terminal = Some(terminal(&account));
        Ok(account)
    }

    /// One account for everyone, which is never root. Its own home and shell are as a rule made
    /// so that nobody can log in.
    pub(super) fn named(name: &str, shell: Option<PathBuf>) -> Result<Self, AccountError> {
        let user = User::from_name(name)
            .map_err(database)?
            .ok_or_else(|| AccountError::None(name.to_owned()))?;
        if user.uid.is_root() {
            return Err(AccountError::Root(name.to_owned()));
        }
        let shell = shell.unwrap_or_else(|| DEFAULT_SHELL.into());
        let mut account = Self::from(user, Some(shell));
        account.home = PathBuf::from("/");
        account.check_shell()?;
        account.groups = Some(groups(&account)?);
        Ok(account)
    }

    fn from(user: User, shell: Option<PathBuf>) -> Self {
        let own = Some(user.shell).filter(|shell| !shell.as_os_str().is_empty());
        Self {
            name: user.name,
            uid: user.uid,
            gid: user.gid,
            home: user.dir,
            shell: shell.or(own).unwrap_or_else(|| DEFAULT_SHELL.into()),
            groups: None,
            terminal: None,
        }
    }

    fn check_shell(&self) -> Result<(), AccountError> {
        let fault = |reason: &str| AccountError::Shell {
            name: self.name.clone(),
            shell: self.shell.clone(),
            reason: reason.to_owned(),
        };
        let metadata = fs::metadata(&self.shell).map_err(|error| fault(&error.to_string()))?;
        if !metadata.is_file() {
            return Err(fault("it is not a file"));
        }
        access(&self.shell, AccessFlags::X_OK).map_err(|error| fault(error.desc()))
    }
}

fn groups(account: &Account) -> Result<Vec<Gid>, AccountError> {
    let name = CString::new(account.name.as_bytes())
        .map_err(|_| AccountError::None(account.name.clone()))?;
    getgrouplist(&name, account.gid).map_err(database)
}

/// The group `tty` may write, so that write(1) and wall(1) work.
fn terminal(account: &Account) -> (Uid, Gid, u32) {
    match Group::from_name("tty") {
        Ok(Some(group)) => (account.uid, group.gid, 0o620),
        _ => (account.uid, account.gid, 0o600),
    }
}

fn no_nologin(path: &Path) -> Result<(), AccountError> {
    let Ok(text) = fs::read(path) else {
        return match path.try_exists() {
            Ok(false) => Ok(()),
            _ => Err(AccountError::NoLogin("logins are not allowed".to_owned())),
        };
    };
    let text = text.get(..NOLOGIN_BYTES).unwrap_or(&text);
    let text = String::from_utf8_lossy(text).trim().to_owned();
    Err(AccountError::NoLogin(if text.is_empty() {
        "logins are not allowed now (/etc/nologin)".to_owned()
    } else {
        text
    }))
}

/// Field 2 is the password, field 8 the last day (since 1970) of the account. Accounts that are
/// not in the file (from a directory service) pass, and so do those that never had a password
/// (`!` alone, as `useradd` leaves them).
fn check_shadow(name: &str, shadow: &str, today: u64) -> Result<(), AccountError> {
    let line = shadow
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let Some(line) = line else {
        return Ok(());
    };
    let mut fields = line.split(':');
    let locked = |password: &str| {
        let hash = password.trim_start_matches('!');
        hash.len() < password.len() && hash.starts_with('$')
    };
    if fields.next().is_some_and(locked) {
        return Err(AccountError::Locked(name.to_owned()));
    }
    let expires = fields.nth(5).and_then(|day| day.parse::<u64>().ok());
    if expires.is_some_and(|day| today > day) {
        return Err(AccountError::Expired(name.to_owned()));
    }
    Ok(())
}

fn today() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() / 86_400)
}

fn database(error: nix::errno::Errno) -> AccountError {
    AccountError::Database(error.desc().to_owned())
}
