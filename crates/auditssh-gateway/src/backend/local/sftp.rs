//! sshd's `internal-sftp`, which the configuration and keys may name: an SFTP server that needs no
//! shell, for accounts that may have none.

use std::collections::BTreeMap;
use std::process::Command;

/// The SFTP server of OpenSSH as Debian has it.
pub(super) const SERVER: &str = "/usr/lib/openssh/sftp-server";

const NAME: &str = "internal-sftp";

/// Whether a command is `internal-sftp`, with arguments or without.
pub(super) fn is_internal(command: &[u8]) -> bool {
    command
        .split(u8::is_ascii_whitespace)
        .find(|word| !word.is_empty())
        == Some(NAME.as_bytes())
}

/// What runs for it: the program of the subsystem `sftp`, or [`SERVER`] if that names none, with the
/// arguments of `internal-sftp`, which blanks divide as sshd has it.
pub(super) fn command(internal: &str, subsystems: &BTreeMap<String, String>) -> Command {
    let configured = subsystems.get("sftp").map(|line| line.trim_start());
    let program = configured
        .and_then(|line| line.split_ascii_whitespace().next())
        .filter(|program| program.starts_with('/'));
    let mut command = Command::new(program.unwrap_or(SERVER));
    command.args(internal.split_ascii_whitespace().skip(1));
    command
}

/// What runs if it is forced and something else than a subsystem is asked for.
pub(super) fn only() -> Command {
    let mut command = Command::new("/bin/sh");
    command.args([
        "-c",
        "echo 'This service allows sftp connections only.'; exit 1",
    ]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_that_of_the_subsystem() {
        let of = |sftp: &str, internal: &str| {
            let subsystems = BTreeMap::from([("sftp".to_owned(), sftp.to_owned())]);
            format!("{:?}", command(internal, &subsystems))
        };
        assert!(is_internal(b" internal-sftp -R"));
        assert!(
            !is_internal(b"internal-sftpd")
                && !is_internal(b"")
                && !is_internal(b"x internal-sftp")
        );
        assert_eq!(
            of("/opt/sftp -l INFO", "internal-sftp  -R -d /a"),
            r#""/opt/sftp" "-R" "-d" "/a""#
        );
        assert_eq!(
            of(" internal-sftp", " internal-sftp -R"),
            format!("{SERVER:?} \"-R\"")
        );
    }
}
