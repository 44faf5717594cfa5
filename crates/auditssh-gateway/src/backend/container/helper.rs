//! What stands between an engine and a program in a container, so that the program's process id is
//! known: signals are sent to it by a second program in the container.

use super::modes;
use std::fmt::Write as _;

/// The shell that images have.
pub const SHELL: &str = "/bin/sh";

/// What a program that waits is sent, once its terminal has its size.
pub const GO: &[u8] = b"\n";

/// Tells its process id, waits for a line, sets the terminal, says that the program begins, and
/// becomes it. The variable's name is one that nobody else uses, since it may be exported.
const WRAPPER: &str = r#"printf '%s\n' "$$"; IFS= read -r _auditssh || exit 1; for _auditssh in $1; do stty "${_auditssh%%:*}" "${_auditssh#*:}" 2>/dev/null; done; shift; unset _auditssh; printf '\002'; exec "$@""#;
/// Which word of the command line holds the terminal's settings.
const MODES: usize = 4;
/// Signals the group of a process, as sshd does; a program that is no leader of one is signalled
/// alone. The form is the one in which every shell takes a group: with `--`, busybox's signals
/// it and fails all the same; with `-s` alone, dash does not take it.
const SIGNAL: &str = r#"kill "-$1" "-$2" 2>/dev/null || kill -s "$1" "$2""#;
/// Signals one process: of the first one of a container, the group would be everybody.
const SIGNAL_ALONE: &str = r#"kill -s "$1" "$2""#;

/// The signals that a client may send (RFC 4254, 6.9).
const SIGNALS: [&str; 13] = [
    "ABRT", "ALRM", "FPE", "HUP", "ILL", "INT", "KILL", "PIPE", "QUIT", "SEGV", "TERM", "USR1",
    "USR2",
];

/// What is there in the container to help with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Helper {
    /// A shell, `/bin/sh`.
    Shell,
    /// ContainerSSH's agent, at this path.
    Agent(String),
    /// Nothing: programs are started as they are, and can't be signalled.
    None,
}

/// A command line that is to be run, and what comes out of it before the program begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// What to expect of its standard output.
    pub opening: super::Opening,
}

impl Helper {
    /// The helper that runs the program. `terminal` holds the encoded modes, where there is one.
    pub fn wrap(&self, line: Vec<String>, terminal: Option<&[u8]>) -> Wrapped {
        let (mut words, opening) = match self {
            Self::Shell => {
                let modes = terminal.map(modes::words).unwrap_or_default().join(" ");
                let words = [SHELL, "-c", WRAPPER, "sh", &modes].map(str::to_owned);
                (words.to_vec(), super::Opening::shell())
            }
            Self::Agent(path) => {
                let words = [path, "console", "--pid", "--"].map(str::to_owned);
                (words.to_vec(), super::Opening::agent(terminal.is_some()))
            }
            Self::None => (Vec::new(), super::Opening::none()),
        };
        words.extend(line);
        Wrapped { words, opening }
    }

    /// What is to be run in the container to signal a program; `None` if that can't be done.
    pub fn signal(&self, name: &str, pid: u32) -> Option<Vec<String>> {
        let script = if pid <= 1 { SIGNAL_ALONE } else { SIGNAL };
        let pid = pid.to_string();
        let words = match self {
            Self::Shell => vec![SHELL, "-c", script, "sh", name, &pid],
            Self::Agent(path) => vec![path, "signal", "--pid", &pid, "--signal", name],
            Self::None => return None,
        };
        Some(words.into_iter().map(str::to_owned).collect())
    }
}

impl Wrapped {
    /// Has the terminal set to a size before the program begins: for engines that take a size, but
    /// do not say when it is there.
    pub fn set_size(&mut self, columns: u16, rows: u16) {
        let wrapped = self.words.get(2).is_some_and(|script| script == WRAPPER);
        if let Some(modes) = self.words.get_mut(MODES)
            && wrapped
            && columns > 0
            && rows > 0
        {
            let _ = write!(modes, " rows:{rows} cols:{columns}");
        }
    }
}

/// Whether a client may send a signal of this name.
pub fn is_signal(name: &str) -> bool {
    SIGNALS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::container::Step;
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    fn line(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn the_shell_tells_its_process_id_and_becomes_the_program() {
        let script = line(&[
            "/bin/sh",
            "-c",
            "read line; echo $$ $line \"$1\"",
            "sh",
            "it's",
        ]);
        let mut wrapped = Helper::Shell.wrap(script, None);
        let mut child = Command::new(&wrapped.words[0])
            .args(&wrapped.words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut pid = None;
        loop {
            let mut byte = [0];
            stdout.read_exact(&mut byte).unwrap();
            match wrapped.opening.take(byte[0]).unwrap() {
                Step::More => {}
                Step::Waits(told) => {
                    pid = Some(told);
                    stdin.write_all(GO).unwrap();
                }
                Step::Begins(_) => break,
            }
        }
        stdin.write_all(b"typed\n").unwrap();
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(pid, Some(child.id()));
        assert_eq!(rest, format!("{} typed it's\n", child.id()));
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn the_agent_is_called_as_with_containerssh() {
        let agent = Helper::Agent("/agent".to_owned());
        let wrapped = agent.wrap(line(&["ls", "-l"]), None);
        assert_eq!(
            wrapped.words,
            ["/agent", "console", "--pid", "--", "ls", "-l"]
        );
        let words = agent.signal("TERM", 7).unwrap();
        assert_eq!(
            words,
            ["/agent", "signal", "--pid", "7", "--signal", "TERM"]
        );
        assert!(Helper::Shell.signal("HUP", 7).unwrap()[2].contains("-$2"));
        assert!(!Helper::Shell.signal("HUP", 1).unwrap()[2].contains("-$2"));
        assert_eq!(Helper::None.wrap(line(&["ls"]), None).words, ["ls"]);
        assert_eq!(Helper::None.signal("TERM", 7), None);
        assert!(is_signal("TERM") && !is_signal("SIGTERM") && !is_signal("9"));
    }
}
