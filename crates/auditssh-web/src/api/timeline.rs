//! `/sessions/{id}/timeline`: when what happened, for each program.

use super::{Answer, line, seconds, time};
use crate::answer::Refusal;
use crate::app::App;
use crate::door::Passed;
use crate::log::{self, ON};
use auditssh_log::extension::Gap;
use auditssh_log::message::{Event, Message};
use auditssh_view::Visible;
use auditssh_view::runs::{Did, Runs, Start, Step};
use auditssh_view::summary::Exit;
use auditssh_view::survey::{Kind, Line, Survey};
use axum::extract::State;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;

/// Most programs, and most markers of one; more are counted.
const MOST: usize = 1000;
const MOST_MARKERS: usize = 2000;

pub(crate) async fn timeline(State(app): State<App>, passed: Passed) -> Result<Answer, Refusal> {
    let (store, id) = (app.store.clone(), passed.id()?);
    let found = app.readers(&id).ask(move || {
        let mut timeline = Timeline::default();
        let (mut runs, mut survey) = (Runs::default(), Survey::without_screens());
        let read = store.open(&id).and_then(|reader| {
            log::read(reader, |_, message, _| {
                let Ok(()) = runs.push(message, |step| {
                    timeline.step(&step);
                    Ok::<_, Infallible>(())
                });
                survey.push(message, |line| timeline.line(&line));
                timeline.message(message);
                ON
            })
        });
        read.map_err(|error| Refusal::unreadable(&error))?;
        let Ok(()) = runs.finish(|step| {
            timeline.step(&step);
            Ok::<_, Infallible>(())
        });
        let _ = survey.finish(|line| timeline.line(&line));
        Ok(timeline.json())
    });
    Ok(Answer(found.await?))
}

#[derive(Default)]
struct Timeline {
    programs: Vec<Program>,
    /// The program that runs on a channel, and how many began there.
    current: BTreeMap<u64, (usize, u32)>,
    more: u64,
}

struct Program {
    channel: u64,
    number: u32,
    start: i64,
    /// Whether lines that are typed are commands.
    is_shell: bool,
    lasted: u64,
    ended: bool,
    markers: Vec<Marker>,
    more: u64,
}

struct Marker {
    at: u64,
    kind: &'static str,
    label: String,
}

impl Timeline {
    fn step(&mut self, step: &Step<'_>) {
        if let Did::Begin(start) = step.what {
            self.begin(step.channel, start);
            return;
        }
        let Some(program) = self.running(step.channel) else {
            return;
        };
        program.lasted = program.lasted.max(step.at);
        match step.what {
            Did::Resize(size) => {
                program.mark(step.at, "resize", format!("{}x{}", size.columns, size.rows));
            }
            Did::Exit(Exit::Status(status)) => {
                program.mark(step.at, "exit", format!("exit {status}"));
            }
            Did::Exit(Exit::Signal(signal)) => {
                let label = format!("signal {}", Visible(signal.as_bytes()));
                program.mark(step.at, "exit", label);
            }
            Did::End => program.ended = true,
            _ => {}
        }
    }

    fn begin(&mut self, channel: u64, start: &Start) {
        if self.programs.len() >= MOST {
            self.more += 1;
            return;
        }
        let index = self.programs.len();
        let current = self.current.entry(channel);
        let current = current.and_modify(|(at, number)| (*at, *number) = (index, *number + 1));
        let (_, number) = *current.or_insert((index, 0));
        self.programs.push(Program {
            channel,
            number,
            start: start.time,
            is_shell: start.command().is_none() && start.terminal.is_some(),
            lasted: 0,
            ended: false,
            markers: Vec::new(),
            more: 0,
        });
    }

    /// What was typed into a shell, what ran, and which files went through.
    fn line(&mut self, line: &Line<'_>) {
        let program = self
            .programs
            .iter_mut()
            .rev()
            .find(|program| (program.channel, program.number) == (line.channel, line.program));
        let Some(program) = program else { return };
        let kind = match line.kind {
            Kind::Typed if !program.is_shell || line.text.trim().is_empty() => return,
            Kind::Typed | Kind::Command => "command",
            Kind::File => "file",
            Kind::Shown => return,
        };
        program.mark(line.at, kind, line.text.to_owned());
    }

    fn message(&mut self, message: &Message) {
        if Gap::read(message).is_some() {
            for program in self.programs.iter_mut().filter(|program| !program.ended) {
                let at = program.since(message.timestamp);
                program.mark(at, "gap", line(message));
            }
        }
        if let (Event::RequestFailed(_), Some(channel)) = (&message.event, message.channel_id)
            && let Some(program) = self.running(channel)
        {
            let at = program.since(message.timestamp);
            program.mark(at, "failed", line(message));
        }
    }

    fn running(&mut self, channel: u64) -> Option<&mut Program> {
        let (index, _) = self.current.get(&channel)?;
        self.programs.get_mut(*index)
    }

    fn json(self) -> Value {
        let programs: Vec<Value> = self.programs.into_iter().map(Program::json).collect();
        json!({"channels": programs, "more": self.more})
    }
}

impl Program {
    fn mark(&mut self, at: u64, kind: &'static str, label: String) {
        if self.markers.len() < MOST_MARKERS {
            self.markers.push(Marker { at, kind, label });
        } else {
            self.more += 1;
        }
    }

    /// Nanoseconds from the start.
    fn since(&self, time: i64) -> u64 {
        u64::try_from(time.saturating_sub(self.start)).unwrap_or(0)
    }

    fn json(mut self) -> Value {
        self.markers.sort_by_key(|marker| marker.at);
        let markers = self.markers.iter().map(
            |marker| json!({"at": seconds(marker.at), "kind": marker.kind, "label": marker.label}),
        );
        json!({
            "channel": self.channel,
            "program": self.number,
            "start": time(self.start),
            "duration": seconds(self.lasted),
            "markers": markers.collect::<Vec<_>>(),
            "more": self.more,
        })
    }
}
