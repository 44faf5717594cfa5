//! One output for each program of a log.

use super::output::{Output, Target};
use auditssh_archive::is_id;
use auditssh_log::Message;
use auditssh_view::cast::{Cast, Style};
use auditssh_view::runs::{Did, Runs, Start, Step};
use auditssh_view::screen::{Html, Plain};
use auditssh_view::{View as Form, Visible};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};

/// How programs are shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum View {
    Cast(Style),
    Text,
    Html,
}

/// Most programs that are converted at once: each may need a large screen, or but little.
const MOST_SCREENS: usize = 10;
const MOST_CASTS: usize = 256;
/// Most programs that are named when they are left out.
const NAMED: usize = 8;

/// Writes each program that is wanted.
pub(super) struct Programs {
    runs: Runs,
    writer: Writer,
}

struct Writer {
    view: View,
    target: Target,
    channels: Vec<u64>,
    extension: &'static str,
    /// What files are called by.
    name: Option<String>,
    open: BTreeMap<u64, (Box<dyn Form>, Output)>,
    /// How often a channel was used so far, beyond once.
    again: BTreeMap<u64, u32>,
    found: Found,
}

/// What was found in a log.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) written: u64,
    sftp: u64,
    others: Vec<String>,
    more: u64,
}

impl Programs {
    pub(super) fn new(
        view: View,
        target: Target,
        channels: &[u64],
        extension: &'static str,
    ) -> Self {
        Self {
            runs: Runs::default(),
            writer: Writer {
                view,
                target,
                channels: channels.to_vec(),
                extension,
                name: None,
                open: BTreeMap::new(),
                again: BTreeMap::new(),
                found: Found::default(),
            },
        }
    }

    pub(super) fn push(&mut self, message: &Message) -> anyhow::Result<()> {
        let writer = &mut self.writer;
        writer.name.get_or_insert_with(|| {
            let id = message.connection_id.as_str().filter(|id| is_id(id));
            id.unwrap_or("log").to_owned()
        });
        self.runs.push(message, |step| writer.step(&step))
    }

    /// Writes what waits to be written.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let mut open = self.writer.open.values_mut();
        open.try_for_each(|(_, out)| out.flush())
    }

    pub(super) fn finish(mut self) -> anyhow::Result<Found> {
        let left_out = self.runs.left_out();
        self.runs.finish(|step| self.writer.step(&step))?;
        self.writer.found.more += left_out;
        Ok(self.writer.found)
    }
}

impl Writer {
    fn step(&mut self, step: &Step<'_>) -> anyhow::Result<()> {
        if let Did::Begin(start) = step.what {
            return self.begin(step.channel, start);
        }
        let Some((view, out)) = self.open.get_mut(&step.channel) else {
            return Ok(());
        };
        view.push(step, out)?;
        if matches!(step.what, Did::End)
            && let Some((_, out)) = self.open.remove(&step.channel)
        {
            out.finish()?;
        }
        Ok(())
    }

    fn begin(&mut self, channel: u64, start: &Start) -> anyhow::Result<()> {
        if !self.channels.is_empty() && !self.channels.contains(&channel) {
            return Ok(());
        }
        if start.is_sftp() {
            self.found.sftp += 1;
            return Ok(());
        }
        let one = !matches!(self.target, Target::Directory { .. });
        let most = match self.view {
            View::Cast(_) => MOST_CASTS,
            View::Text | View::Html => MOST_SCREENS,
        };
        if one && self.found.written > 0 || self.open.len() >= most {
            self.found.leave_out(channel, start);
            return Ok(());
        }
        let mut out = self.output(channel)?;
        let view: Box<dyn Form> = match self.view {
            View::Cast(style) => Box::new(Cast::new(start, style, &mut out)?),
            View::Text => Box::new(Plain::new(start, &mut out)?),
            View::Html => Box::new(Html::new(start, &mut out)?),
        };
        self.found.written += 1;
        self.open.insert(channel, (view, out));
        Ok(())
    }

    fn output(&mut self, channel: u64) -> anyhow::Result<Output> {
        let Target::Directory { path, force } = &self.target else {
            return self.target.open();
        };
        let (name, extension) = (self.name.as_deref().unwrap_or("log"), self.extension);
        let uses = self.again.get(&channel).copied();
        if self.again.len() < auditssh_view::runs::MOST_CHANNELS {
            self.again
                .insert(channel, uses.map_or(1, |uses| uses.saturating_add(1)));
        }
        let file = match uses {
            None => format!("{name}.{channel}.{extension}"),
            Some(uses) => format!("{name}.{channel}-{}.{extension}", uses.saturating_add(1)),
        };
        Output::file(&path.join(file), *force)
    }
}

impl Found {
    fn leave_out(&mut self, channel: u64, start: &Start) {
        if self.others.len() >= NAMED {
            self.more += 1;
            return;
        }
        let mut what = format!("#{channel}");
        let command = start.command();
        let _ = match command {
            Some(command) => write!(what, " ({})", Visible(command.as_bytes())),
            None => write!(what, " (shell)"),
        };
        self.others.push(what);
    }

    /// Why nothing was written.
    pub(super) fn nothing(&self, channels: &[u64]) -> &'static str {
        match (self.sftp, channels.is_empty()) {
            (0, true) => "no program ran; `auditssh decode --text` shows what happened",
            (0, false) => "no program ran on that channel; `auditssh show` lists the channels",
            _ => "nothing but SFTP ran; `auditssh files` shows the files that went through",
        }
    }

    /// What was not written, if there is any.
    pub(super) fn left_out(&self) -> Option<String> {
        if self.others.is_empty() && self.more == 0 {
            return None;
        }
        let mut names = self.others.join(", ");
        if self.more > 0 {
            let _ = write!(names, " and {} more", self.more);
        }
        Some(format!(
            "other programs ran as well, and were left out: {names}; name one with --channel, or a \
             directory with --output"
        ))
    }
}
