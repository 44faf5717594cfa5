//! Which command line runs for what a client asks for.

use super::helper::SHELL;
use crate::auth::Restrictions;
use crate::backend::{Program, Refused};
use std::collections::BTreeMap;

/// sshd's own SFTP server, which a key may force. In a container it is the subsystem `sftp`.
const INTERNAL_SFTP: &str = "internal-sftp";
const SFTP: &str = "sftp";
/// The SFTP server of OpenSSH as Debian has it.
pub const SFTP_SERVER: &str = "/usr/lib/openssh/sftp-server";
/// What runs if `internal-sftp` is forced and something else than a subsystem is asked for.
const SFTP_ONLY: &str = "echo 'This service allows sftp connections only.'; exit 1";

/// What a container has for each kind of request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    /// `shellCommand`: what runs for `shell`.
    pub shell: Vec<String>,
    /// `subsystems`: the command line of each.
    pub subsystems: BTreeMap<String, String>,
}

/// What is to run, and what the client had asked for if that is something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// For `SSH_ORIGINAL_COMMAND`.
    pub original: Option<String>,
}

impl Programs {
    /// The command line for a request. A command forced on the login takes the place of whatever is
    /// asked for.
    pub fn line(&self, asked: &Program, restrictions: &Restrictions) -> Result<Line, Refused> {
        let subsystem = matches!(asked, Program::Subsystem(_));
        let Some(forced) = &restrictions.command else {
            let words = match asked {
                Program::Shell => self.shell()?,
                Program::Exec(command) => words(text(command)?),
                Program::Subsystem(name) => self.subsystem(name)?,
            };
            let original = None;
            return whole(Line { words, original });
        };
        let original = match asked {
            Program::Shell => None,
            Program::Exec(command) => Some(text(command)?.to_owned()),
            Program::Subsystem(name) => Some(name.clone()),
        };
        let words = match internal_sftp(forced) {
            Some(arguments) if subsystem => self.sftp(arguments),
            Some(_) => shell(SFTP_ONLY),
            None => words(forced),
        };
        whole(Line { words, original })
    }

    fn shell(&self) -> Result<Vec<String>, Refused> {
        if self.shell.is_empty() {
            return Err(Refused::new("no shell is configured (shellCommand)"));
        }
        Ok(self.shell.clone())
    }

    fn subsystem(&self, name: &str) -> Result<Vec<String>, Refused> {
        let unknown = || format!("no subsystem `{}` is configured", name.escape_debug());
        let command = self.subsystems.get(name);
        let command = command.ok_or_else(|| Refused::new(unknown()))?;
        Ok(match internal_sftp(command) {
            Some(arguments) => {
                let words = std::iter::once(SFTP_SERVER).chain(arguments);
                words.map(str::to_owned).collect()
            }
            None => words(command),
        })
    }

    /// What runs for `internal-sftp`: the program of the subsystem `sftp`, or [`SFTP_SERVER`] if
    /// that names none, with the arguments given, which blanks divide as sshd has it.
    fn sftp<'a>(&'a self, arguments: impl Iterator<Item = &'a str>) -> Vec<String> {
        let configured = self.subsystems.get(SFTP);
        let program = configured.and_then(|line| line.split_ascii_whitespace().next());
        let program = program.filter(|program| program.starts_with('/'));
        let words = std::iter::once(program.unwrap_or(SFTP_SERVER)).chain(arguments);
        words.map(str::to_owned).collect()
    }
}

/// The arguments, if the command is `internal-sftp`.
fn internal_sftp(command: &str) -> Option<impl Iterator<Item = &str>> {
    let mut words = command.split_ascii_whitespace();
    (words.next() == Some(INTERNAL_SFTP)).then_some(words)
}

/// By a shell, as sshd has it. A command that begins with a path and means the same without a
/// shell is run without: an image needs none for it.
fn words(command: &str) -> Vec<String> {
    let path = ["/", "./", "../"]
        .iter()
        .any(|one| command.starts_with(one));
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./,:@%+= ".contains(letter);
    if path && command.chars().all(plain) {
        let words = command.split(' ').filter(|word| !word.is_empty());
        return words.map(str::to_owned).collect();
    }
    shell(command)
}

fn shell(command: &str) -> Vec<String> {
    [SHELL, "-c", command].map(str::to_owned).to_vec()
}

fn text(command: &[u8]) -> Result<&str, Refused> {
    let text = std::str::from_utf8(command);
    text.map_err(|_| Refused::new("the command is not UTF-8, which a container can't be told"))
}

fn whole(line: Line) -> Result<Line, Refused> {
    let mut words = line.words.iter().chain(&line.original);
    if words.any(|word| word.contains('\0')) {
        return Err(Refused::new("the command holds a zero byte"));
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn programs() -> Programs {
        let sftp = ("sftp".to_owned(), "/opt/sftp-server -l INFO".to_owned());
        let internal = ("inner".to_owned(), "internal-sftp -R".to_owned());
        Programs {
            shell: vec!["/bin/bash".to_owned(), "-l".to_owned()],
            subsystems: BTreeMap::from([sftp, internal]),
        }
    }

    fn exec(command: &str) -> Program {
        Program::Exec(Bytes::from(command.to_owned()))
    }

    fn run(asked: &Program, forced: Option<&str>) -> (Vec<String>, Option<String>) {
        let restrictions = Restrictions {
            command: forced.map(str::to_owned),
            ..Restrictions::default()
        };
        let line = programs().line(asked, &restrictions).unwrap();
        (line.words, line.original)
    }

    #[test]
    fn what_runs_is_what_was_asked_for() {
        assert_eq!(run(&Program::Shell, None).0, ["/bin/bash", "-l"]);
        assert_eq!(run(&exec("ls | wc"), None).0, ["/bin/sh", "-c", "ls | wc"]);
        let sftp = Program::Subsystem("sftp".to_owned());
        assert_eq!(run(&sftp, None).0, ["/opt/sftp-server", "-l", "INFO"]);
        let inner = Program::Subsystem("inner".to_owned());
        assert_eq!(run(&inner, None).0, [SFTP_SERVER, "-R"]);
        let unknown = Program::Subsystem("x".to_owned());
        assert!(programs().line(&unknown, &Restrictions::default()).is_err());
    }

    #[test]
    fn no_shell_runs_where_it_would_change_nothing() {
        assert_eq!(
            run(&exec("/bin/echo  a b"), None).0,
            ["/bin/echo", "a", "b"]
        );
        for command in [
            "/bin/echo $HOME",
            "/bin/a | /bin/b",
            "/bin/echo 'a'",
            "/bin/*",
            "/a~",
        ] {
            assert_eq!(run(&exec(command), None).0, ["/bin/sh", "-c", command]);
        }
    }

    #[test]
    fn a_forced_command_takes_the_place_of_everything() {
        let backup = ["/bin/sh", "-c", "backup --all"];
        let asked = [
            (Program::Shell, None),
            (exec("ls"), Some("ls")),
            (Program::Subsystem("sftp".to_owned()), Some("sftp")),
        ];
        for (asked, original) in asked {
            let (words, told) = run(&asked, Some("backup --all"));
            assert_eq!(
                (words, told.as_deref()),
                (backup.map(str::to_owned).to_vec(), original)
            );
        }
    }

    #[test]
    fn a_forced_internal_sftp_is_the_subsystem_and_nothing_else() {
        let sftp = Program::Subsystem("sftp".to_owned());
        let forced = Some(" internal-sftp -R -d /srv");
        assert_eq!(
            run(&sftp, forced).0,
            ["/opt/sftp-server", "-R", "-d", "/srv"]
        );
        assert_eq!(run(&exec("sh"), forced).0, ["/bin/sh", "-c", SFTP_ONLY]);
        assert_eq!(run(&Program::Shell, forced).0, ["/bin/sh", "-c", SFTP_ONLY]);
    }

    #[test]
    fn what_a_container_can_not_be_told_is_refused() {
        let bytes = Program::Exec(Bytes::from_static(b"echo \xff"));
        assert!(programs().line(&bytes, &Restrictions::default()).is_err());
        assert!(
            programs()
                .line(&exec("a\0b"), &Restrictions::default())
                .is_err()
        );
    }
}
