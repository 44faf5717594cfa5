use super::line::Current;
use super::marks::Backlog;
use super::{Command, How, LONGEST};
use crate::Visible;
use crate::runs::{Did, Start, Step};
use crate::screen::Screen;
use avt::parser::{Function, Osc, ShellIntegration};
use avt::{Observation, Observer, Operation, ScreenKind, Terminal};

/// Largest screen, in characters, that is looked at.
const LARGEST: u32 = 32 << 10;
/// After such a pause, in nanoseconds, a program waits for somebody.
const PAUSE: u64 = 20_000_000;
/// Most commands of a single step that are told.
const MOST: usize = 4096;

/// Finds the commands of one program.
#[derive(Debug)]
pub struct Watch {
    /// What it was started with, until that is told.
    started: Option<Command>,
    screen: Option<Screen>,
    backlog: Backlog,
    /// When it wrote last.
    wrote: Option<u64>,
    shell: Shell,
}

/// What is known of lines and prompts.
#[derive(Debug, Default)]
struct Shell {
    /// Time of the step.
    at: u64,
    /// What stands before the line that is being typed, and how that is known.
    prompt: Option<(String, How)>,
    /// The prompts before.
    known: [String; 2],
    /// What was typed there.
    typed: Typed,
    /// When the return key was pressed, if nothing came of it yet.
    entered: Option<u64>,
    /// Whether input is in the log.
    has_input: bool,
    /// Whether the shell marks prompts, and commands.
    marks_prompts: bool,
    marks_commands: bool,
    /// A command that is told when no mark of it comes.
    pending: Option<Command>,
    found: Vec<Command>,
}

/// What was typed at a prompt.
#[derive(Debug, Default)]
struct Typed {
    text: Vec<u8>,
    /// Whether there were other keys than letters: the line may be another.
    edited: bool,
}

impl Watch {
    /// Begins with a program.
    pub fn new(start: &Start) -> Self {
        let command = start.command().filter(|_| !start.is_sftp());
        let size = start.size();
        let fits = u32::from(size.columns) * u32::from(size.rows) <= LARGEST;
        Self {
            started: command.map(|command| Command {
                at: 0,
                text: text(&Visible(command.as_bytes()).to_string()),
                how: How::Started,
            }),
            screen: (start.terminal.is_some() && fits).then(|| Screen::new(start)),
            backlog: Backlog::default(),
            wrote: None,
            shell: Shell::default(),
        }
    }

    /// Takes a step, and tells the commands that are known with it.
    pub fn push(&mut self, step: &Step<'_>, to: &mut dyn FnMut(Command)) {
        if let Some(started) = self.started.take() {
            to(started);
        }
        self.shell.at = step.at;
        match step.what {
            Did::Input(data) => self.input(data, step),
            Did::Output(data) | Did::Errors(data) => self.output(data, step),
            Did::Resize(_) => {
                self.settle(step);
                if let Some(screen) = &mut self.screen {
                    screen.push_with(step, &mut self.shell);
                }
            }
            Did::End => {
                let rest = self.backlog.rest();
                self.show(&rest, step);
                self.shell.flush();
            }
            Did::Begin(_) | Did::Exit(_) => {}
        }
        self.shell.found.drain(..).for_each(to);
    }

    fn input(&mut self, data: &[u8], step: &Step<'_>) {
        let enters = data.contains(&b'\r') || data.contains(&b'\n');
        self.shell.has_input = true;
        self.settle(step);
        let Some(screen) = &self.screen else { return };
        if self.wrote.is_none() {
            // What was typed may be a secret, since it is not known whether it was shown.
            if enters {
                self.shell.tell(Command {
                    at: step.at,
                    text: String::new(),
                    how: How::Typed,
                });
            }
            return;
        }
        self.shell.typed(screen.terminal(), data);
    }

    fn output(&mut self, data: &[u8], step: &Step<'_>) {
        let Some(screen) = &self.screen else { return };
        let pause = self.wrote.map_or(0, |wrote| step.at.saturating_sub(wrote));
        self.wrote = Some(step.at);
        if self.shell.prompt.is_none() && pause >= PAUSE {
            self.settle(step);
            let Some(screen) = &self.screen else { return };
            self.shell.paused(screen.terminal());
        } else if screen.terminal().active_screen_kind() == ScreenKind::Alternate {
            self.shell.entered = None;
        }
        self.backlog.push(data);
        let waits = self.shell.prompt.is_none() && self.shell.entered.is_none();
        if !waits || self.backlog.is_marked() {
            self.settle(step);
        }
    }

    /// Shows what waits.
    fn settle(&mut self, step: &Step<'_>) {
        let bytes = self.backlog.take();
        self.show(&bytes, step);
    }

    fn show(&mut self, bytes: &[u8], step: &Step<'_>) {
        if let Some(screen) = &mut self.screen
            && !bytes.is_empty()
        {
            let what = Did::Output(bytes);
            screen.push_with(&Step { what, ..*step }, &mut self.shell);
        }
    }
}

impl Shell {
    /// Keys were pressed.
    fn typed(&mut self, terminal: &Terminal, data: &[u8]) {
        if terminal.active_screen_kind() == ScreenKind::Alternate {
            self.entered = None;
            return;
        }
        if !self.marks_prompts {
            let before = Current::of(terminal).before;
            let goes_on = self.entered.is_none();
            match &mut self.prompt {
                Some((prompt, how)) if goes_on && before.starts_with(prompt.as_str()) => {
                    *how = How::Typed;
                }
                Some((prompt, how)) => {
                    let [last, _] = &mut self.known;
                    *last = std::mem::replace(prompt, before);
                    *how = How::Typed;
                    self.typed = Typed::default();
                }
                None => {
                    self.prompt = Some((before, How::Typed));
                    self.typed = Typed::default();
                }
            }
        }
        let end = data.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        self.typed
            .push(data.get(..end.unwrap_or(data.len())).unwrap_or_default());
        self.entered = end.map(|_| self.at);
    }

    /// Nothing was written for a while, and then something is.
    fn paused(&mut self, terminal: &Terminal) {
        if self.marks_prompts || terminal.active_screen_kind() == ScreenKind::Alternate {
            return;
        }
        let current = Current::of(terminal);
        if current.is_prompt() {
            self.prompt = Some((current.before, How::Shown));
        }
    }

    /// A line ends.
    fn line_feed(&mut self, terminal: &Terminal) {
        let Some((_, how)) = &self.prompt else { return };
        let how = *how;
        let waits = match how {
            How::Typed => self.entered.is_none(),
            _ => self.has_input && self.marks_prompts && self.entered.is_none(),
        };
        if waits || terminal.active_screen_kind() == ScreenKind::Alternate {
            return;
        }
        let line = Current::of(terminal).whole();
        // What ends may be the line of a program that still writes.
        if how == How::Typed && !self.typed.is_in(&line) {
            return;
        }
        let Some((prompt, _)) = self.prompt.take() else {
            return;
        };
        let at = self.entered.take().unwrap_or(self.at);
        let text = self.without_prompt(&prompt, &line);
        if text.is_empty() {
            return;
        }
        let [_, known] = &mut self.known;
        *known = prompt;
        let command = Command { at, text, how };
        if self.marks_prompts || self.marks_commands {
            self.pending = Some(command);
        } else {
            self.tell(command);
        }
    }

    /// What follows the prompt. A prompt without anything behind it has no blank at its end.
    fn without_prompt(&self, prompt: &str, line: &str) -> String {
        if line == prompt.trim_end() {
            return String::new();
        }
        let [last, known] = &self.known;
        let mut prompts = [prompt, last, known].into_iter();
        let command = prompts
            .find(|prompt| !prompt.is_empty() && line.starts_with(prompt))
            .and_then(|prompt| line.get(prompt.len()..));
        text(command.unwrap_or(line))
    }

    fn mark(&mut self, mark: ShellIntegration, terminal: &Terminal) {
        match mark {
            ShellIntegration::PromptStart | ShellIntegration::CommandFinished { .. } => {
                self.flush();
                self.marks_prompts |= mark == ShellIntegration::PromptStart;
                self.prompt = None;
            }
            ShellIntegration::CommandStart => {
                self.marks_prompts = true;
                self.entered = None;
                self.prompt = Some((Current::of(terminal).before, How::Marked));
            }
            ShellIntegration::CommandExecuted => {
                self.marks_commands = true;
                let text = match (self.pending.take(), self.prompt.take()) {
                    (Some(pending), _) => pending.text,
                    (None, Some((prompt, _))) => {
                        self.without_prompt(&prompt, &Current::of(terminal).whole())
                    }
                    (None, None) => String::new(),
                };
                self.entered = None;
                self.tell(Command {
                    at: self.at,
                    text,
                    how: How::Marked,
                });
            }
        }
    }

    /// No mark of a command comes any more.
    fn flush(&mut self) {
        if let Some(pending) = self.pending.take().filter(|_| !self.marks_commands) {
            self.tell(pending);
        }
    }

    fn tell(&mut self, command: Command) {
        if self.found.len() < MOST {
            self.found.push(command);
        }
    }
}

impl Typed {
    fn push(&mut self, data: &[u8]) {
        self.edited |= data.iter().any(u8::is_ascii_control);
        if self.text.len() + data.len() <= LONGEST {
            self.text.extend_from_slice(data);
        } else {
            self.edited = true;
        }
    }

    /// Whether a line may be what was typed.
    fn is_in(&self, line: &str) -> bool {
        let text = String::from_utf8_lossy(&self.text);
        self.edited || line.contains(text.trim())
    }
}

impl Observer for Shell {
    type Output = ();

    fn before(&mut self, context: &mut Observation<'_>, operation: &Operation) {
        match operation {
            Operation::Function(Function::Lf | Function::Nel) => {
                self.line_feed(context.terminal());
            }
            Operation::Function(Function::Osc(Osc::ShellIntegration(mark))) => {
                self.mark(*mark, context.terminal());
            }
            Operation::Function(Function::Ris) => self.prompt = None,
            _ => {}
        }
    }

    fn end(&mut self, _: &mut Observation<'_>) {}
}

/// A text of at most [`LONGEST`] bytes, without blanks around it.
fn text(line: &str) -> String {
    let line = line.trim();
    line.get(..line.floor_char_boundary(LONGEST))
        .unwrap_or_default()
        .to_owned()
}
