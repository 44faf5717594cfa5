//! The embedded default: a server to try, with no configuration at all.

use crate::config::raw::{Format, Log, OnFailure};
use crate::config::{
    Audit, Backend, Config, Directory, Durability, HostKeys, Monitor, PerConnection, Ssh, Web,
};
use anyhow::Context;
use auditssh_gateway::auth::{self, User, Users};
use auditssh_gateway::backend::local::{self, RunAs};
use auditssh_gateway::geoip::Countries;
use auditssh_gateway::security::Security;
use auditssh_gateway::{Algorithms, Balancers, HostKey, Limits, Settings};
use auditssh_log::policy::{Intercept, Stdin};
use auditssh_view::cast::Version;
use nix::unistd::Uid;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// The only user.
const USER: &str = "demo";
/// What a server that is root runs programs as.
const UNPRIVILEGED: &str = "nobody";
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 2222);
/// Without letters and digits that look like others.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A server to try.
pub(super) struct Demo {
    pub(super) config: Config,
    pub(super) greeting: Greeting,
}

/// What the person at the terminal is told once the server listens.
pub(super) struct Greeting {
    data: PathBuf,
    password: Zeroizing<String>,
    /// The account that programs run as if it is not the server's own.
    account: Option<String>,
}

impl Demo {
    /// Makes the directory and a password; the password is kept nowhere.
    pub(super) fn new(
        data: &Path,
        listen: &[SocketAddr],
        allow_root: bool,
    ) -> anyhow::Result<Self> {
        // One that is there already is left as it is: what is secret in it is closed by itself.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data)
            .with_context(|| format!("{} cannot be made; see --data-dir", data.display()))?;
        let data = fs::canonicalize(data).with_context(|| data.display().to_string())?;
        refuse_open(&data)?;
        let password = password();
        let hash = auth::hash(password.as_bytes())?;
        let user = User {
            password: Some(hash.parse()?),
            ..User::default()
        };
        let local = local(allow_root);
        let account = match &local.run_as {
            RunAs::Named(name) => Some(name.clone()),
            _ => None,
        };
        let config = Config {
            audit: vec![audit(&data)],
            ssh: ssh(&data, listen),
            limits: Limits::default(),
            security: Security::default(),
            countries: Countries::default(),
            users: Users::new([(USER.to_owned(), user)], Vec::new())?,
            backend: Backend::Local(local),
            place_separator: None,
            webhooks: None,
            elsewhere: None,
            per_connection: PerConnection::none()?,
            log: Log::default(),
            monitor: Monitor::default(),
            web: Web::default(),
        };
        let greeting = Greeting {
            data,
            password,
            account,
        };
        Ok(Self { config, greeting })
    }
}

/// Everything but passwords.
fn audit(data: &Path) -> Audit {
    Audit {
        format: Format::Audit,
        version: Version::default(),
        intercept: Intercept {
            stdin: Stdin::Yes,
            stdout: true,
            stderr: true,
            passwords: false,
            forwarding: true,
            // The streams are there, and tell it.
            files: false,
        },
        directory: Directory {
            path: data.join("audit"),
            group: None,
            allow_insecure: false,
        },
        bucket: None,
        durability: Durability::Interval(Duration::from_secs(1)),
        seal_interval: Duration::from_mins(1),
        on_failure: OnFailure::Terminate,
        signing_key: None,
        index: false,
    }
}

fn ssh(data: &Path, listen: &[SocketAddr]) -> Ssh {
    Ssh {
        listen: if listen.is_empty() {
            vec![LISTEN]
        } else {
            listen.to_vec()
        },
        balancers: Balancers::default(),
        host_keys: HostKeys::Made(data.join("ssh_host_ed25519_key")),
        banner: String::new(),
        server_version: Settings::SERVER_VERSION.to_owned(),
        client_alive_interval: None,
        client_alive_count_max: 3,
        rekey_bytes: 1 << 30,
        algorithms: Algorithms::for_clients(),
    }
}

/// A server that is root gives nobody a root shell unasked: who is recorded could end the
/// recording.
fn local(allow_root: bool) -> local::Settings {
    let defaults = local::Settings::default();
    if allow_root || !Uid::effective().is_root() {
        return local::Settings {
            allow_root,
            ..defaults
        };
    }
    let bash = Path::new("/bin/bash");
    local::Settings {
        run_as: RunAs::Named(UNPRIVILEGED.to_owned()),
        shell: bash.exists().then(|| bash.to_owned()),
        ..defaults
    }
}

/// 80 random bits.
pub(crate) fn password() -> Zeroizing<String> {
    let random: Zeroizing<[u8; 16]> = Zeroizing::new(rand::random());
    let mut password = Zeroizing::new(String::with_capacity(19));
    for (index, byte) in random.iter().enumerate() {
        if index > 0 && index % 4 == 0 {
            password.push('-');
        }
        let letter = ALPHABET.get(usize::from(byte % 32)).copied();
        password.push(char::from(letter.unwrap_or(b'a')));
    }
    password
}

impl Greeting {
    /// Writes the file by which the client knows the server, and says what to type.
    pub(super) fn text(
        &self,
        address: SocketAddr,
        key: &HostKey,
    ) -> anyhow::Result<Zeroizing<String>> {
        let host = reachable(address.ip());
        let port = address.port();
        let known = self.data.join("known_hosts");
        write_known(&known, &format!("[{host}]:{port} {}\n", key.public()))
            .with_context(|| format!("{} cannot be written", known.display()))?;
        let mut text = Zeroizing::new(String::new());
        let data = self.data.display();
        write!(
            text,
            "\nAuditSSH listens on {address} and records everything but passwords"
        )?;
        writeln!(text, " under {data}.")?;
        if let Some(account) = &self.account {
            write!(text, "Since it runs as root, programs run as `{account}`; ")?;
            text.push_str("start it with --allow-root to have them run as root.\n");
        }
        let option = known_hosts_option(&known);
        write!(
            text,
            "\nLog in from another terminal:\n\n    ssh -p {port}{option} {USER}@{host}\n\n"
        )?;
        write!(text, "with the password\n\n    {}\n\n", *self.password)?;
        let logs = quoted(&self.data.join("audit").display().to_string());
        let program = program();
        text.push_str("and read what was recorded:\n\n");
        write!(
            text,
            "    {program} decode --text \"$(ls -td {logs}/* | head -n 1)\"\n\n"
        )?;
        text.push_str("Ctrl-C ends the server.\n\n");
        Ok(text)
    }
}

/// Whoever may write the directory could put another host key, or other logs, in the place of ours.
fn refuse_open(data: &Path) -> anyhow::Result<()> {
    let mode = fs::metadata(data)
        .with_context(|| data.display().to_string())?
        .permissions()
        .mode();
    let (sticky, others_write) = (mode & 0o1000 != 0, mode & 0o002 != 0);
    anyhow::ensure!(
        sticky || !others_write,
        "{0}: everybody may write there, and so replace the host key and the logs; run `chmod o-w {0}`, \
         or name another directory, which may be \
         one below it, with --data-dir",
        data.display()
    );
    Ok(())
}

/// Whoever can write it says who the server is, so nobody else may, whatever the umask.
fn write_known(file: &Path, line: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o644);
    let mut file = options.open(file)?;
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.write_all(line.as_bytes())
}

/// An address to connect to: not the one that means all of them.
fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

/// So that the client knows the server without a question, and no earlier server of the same
/// address is in the way.
fn known_hosts_option(file: &Path) -> String {
    match file.to_str().and_then(configured) {
        Some(file) => format!(" -o {}", quoted(&format!("UserKnownHostsFile={file}"))),
        // The client asks whether it is the right server.
        None => String::new(),
    }
}

/// A path as ssh takes it for one file (ssh_config(5)), if it can be told that one at all.
fn configured(path: &str) -> Option<String> {
    // A variable is replaced however it is quoted; a line ends the option.
    if path.contains("${") || path.contains(char::is_control) {
        return None;
    }
    let path = path.replace('%', "%%");
    if !path.contains(|c: char| c.is_whitespace() || "\"'\\".contains(c)) {
        return Some(path);
    }
    let path = path.replace('\\', "\\\\").replace('"', "\\\"");
    Some(format!("\"{path}\""))
}

/// How the person can start this program: as it was started if it is in the search path.
fn program() -> String {
    let named = std::env::args().next().filter(|name| !name.contains('/'));
    let path = || std::env::current_exe().map(|path| path.display().to_string());
    quoted(
        &named
            .or_else(|| path().ok())
            .unwrap_or_else(|| "auditssh".into()),
    )
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-=:@+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests;
