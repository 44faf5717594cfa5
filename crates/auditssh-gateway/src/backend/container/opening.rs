//! What a helper writes before the program begins: its process id.

/// Says that the program begins.
const BEGIN: u8 = 2;
/// Bytes that a helper may write before the program begins: what a terminal adds, and more.
const MOST: usize = 4096;
/// Digits of the largest process id.
const DIGITS: usize = 10;

/// Reads what a helper writes, byte by byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    state: State,
    taken: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Decimal digits and the end of a line.
    Digits(String),
    /// The rest of what a terminal shows until the program begins.
    Begin(u32),
    /// Four bytes, the lowest first. A terminal makes two bytes of a line feed.
    Bytes {
        bytes: Vec<u8>,
        terminal: bool,
        returned: bool,
    },
    /// All bytes are the program's.
    Begun(Option<u32>),
}

/// What one more byte tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet.
    More,
    /// The helper with this process id waits: [`GO`](super::GO) has it go on.
    Waits(u32),
    /// What follows is the program's own, and this is its process id.
    Begins(u32),
}

/// What was written is not what a helper writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the program's process id was not told")]
pub struct BadOpening;

impl Opening {
    /// Of the shell.
    pub(super) fn shell() -> Self {
        Self::of(State::Digits(String::new()))
    }

    /// Of the agent, on a terminal or not.
    pub(super) fn agent(terminal: bool) -> Self {
        Self::of(State::Bytes {
            bytes: Vec::new(),
            terminal,
            returned: false,
        })
    }

    /// Of no helper.
    pub(super) fn none() -> Self {
        Self::of(State::Begun(None))
    }

    fn of(state: State) -> Self {
        Self { state, taken: 0 }
    }

    /// Whether what comes next is the program's own.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Begun(_))
    }

    /// The process id, once it was told.
    pub fn pid(&self) -> Option<u32> {
        match self.state {
            State::Begin(pid) => Some(pid),
            State::Begun(pid) => pid,
            _ => None,
        }
    }

    /// The next byte of the standard output; not after the program has begun.
    pub fn take(&mut self, byte: u8) -> Result<Step, BadOpening> {
        self.taken += 1;
        if self.taken > MOST {
            return Err(BadOpening);
        }
        match &mut self.state {
            State::Digits(digits) => match byte {
                b'0'..=b'9' if digits.len() < DIGITS => digits.push(char::from(byte)),
                b'\r' => {}
                b'\n' => {
                    let pid = digits.parse().map_err(|_| BadOpening)?;
                    let pid = positive(pid)?;
                    self.state = State::Begin(pid);
                    return Ok(Step::Waits(pid));
                }
                _ => return Err(BadOpening),
            },
            State::Begin(pid) if byte == BEGIN => {
                let pid = *pid;
                return Ok(begin(&mut self.state, pid));
            }
            State::Begin(_) => {}
            State::Bytes {
                bytes,
                terminal,
                returned,
            } => {
                if *returned && byte == b'\n' {
                    bytes.pop();
                }
                *returned = *terminal && byte == b'\r';
                bytes.push(byte);
                if let [a, b, c, d] = **bytes {
                    let pid = positive(u32::from_le_bytes([a, b, c, d]))?;
                    return Ok(begin(&mut self.state, pid));
                }
            }
            State::Begun(_) => return Err(BadOpening),
        }
        Ok(Step::More)
    }
}

fn begin(state: &mut State, pid: u32) -> Step {
    *state = State::Begun(Some(pid));
    Step::Begins(pid)
}

/// Signals to 0 and to negative numbers mean groups and everybody.
fn positive(pid: u32) -> Result<u32, BadOpening> {
    match i32::try_from(pid) {
        Ok(1..) => Ok(pid),
        _ => Err(BadOpening),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(mut opening: Opening, bytes: &[u8]) -> Result<Vec<Step>, BadOpening> {
        let steps: Result<Vec<_>, _> = bytes.iter().map(|byte| opening.take(*byte)).collect();
        Ok(steps?
            .into_iter()
            .filter(|step| *step != Step::More)
            .collect())
    }

    #[test]
    fn a_shell_waits_and_then_begins() {
        let expected = [Step::Waits(4711), Step::Begins(4711)];
        assert_eq!(steps(Opening::shell(), b"4711\n\x02").unwrap(), expected);
        assert_eq!(
            steps(Opening::shell(), b"4711\r\n\r\n\x02").unwrap(),
            expected
        );
        for wrong in [
            b"sh: not found\n" as &[u8],
            b"\n",
            b"-1\n",
            b"0\n",
            b"99999999999\n",
            b"4294967295\n",
        ] {
            assert_eq!(steps(Opening::shell(), wrong), Err(BadOpening));
        }
        assert_eq!(
            steps(
                Opening::shell(),
                &[b"7\n".to_vec(), vec![b'x'; 5000]].concat()
            ),
            Err(BadOpening)
        );
    }

    #[test]
    fn an_agent_begins_at_once() {
        let plain = steps(Opening::agent(false), &[0x0d, 0x0a, 0, 0]).unwrap();
        assert_eq!(plain, [Step::Begins(0x0a0d)]);
        // On a terminal, a line feed becomes two bytes.
        let ten = steps(Opening::agent(true), &[0x0d, 0x0a, 0, 0, 0]).unwrap();
        assert_eq!(ten, [Step::Begins(10)]);
        let both = steps(Opening::agent(true), &[0x0d, 0x0d, 0x0a, 0, 0]).unwrap();
        assert_eq!(both, [Step::Begins(0x0a0d)]);
        assert_eq!(steps(Opening::agent(false), &[0, 0, 0, 0]), Err(BadOpening));
    }

    #[test]
    fn without_a_helper_all_is_the_program_s() {
        assert!(Opening::none().is_over());
        assert_eq!(Opening::none().pid(), None);
        assert!(!Opening::shell().is_over());
    }
}
