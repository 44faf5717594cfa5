//! Plays a program: shows its screen as it was, moment by moment.

use super::frame::Frame;
use super::keys::Key;
use super::overview::Program;
use super::recording::{Event, Recording, What};
use super::terminal::{Input, Terminal};
use super::time;
use auditssh_view::Visible;
use auditssh_view::runs::Start;
use auditssh_view::screen::Screen;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

const SECOND: u64 = 1_000_000_000;
/// The shortest time between two pictures, and the longest.
const PICTURE: Duration = Duration::from_millis(33);
const LONGEST: Duration = Duration::from_millis(250);
/// How long is worked between two looks at the keys.
const WORK: Duration = Duration::from_millis(100);
const SLOWEST: f64 = 1.0 / 64.0;
const FASTEST: f64 = 1024.0;
/// Going back to a command goes to the one before, if it is so near.
const NEAR: u64 = SECOND;

/// How fast to play.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) speed: f64,
    /// The longest pause, in nanoseconds.
    pub(super) idle_limit: Option<u64>,
}

pub(super) struct Player<'a> {
    recording: &'a Recording,
    program: &'a Program,
    pace: Pace,
    events: Receiver<Event>,
    next: Option<Event>,
    /// Whether there is no further event.
    ended: bool,
    screen: Screen,
    /// How far it is, and when the last event was, in nanoseconds of the recording.
    position: u64,
    last: u64,
    /// Where it is on the way to.
    target: Option<u64>,
    paused: bool,
    /// Whether what comes is shown at once, as it comes.
    live: bool,
    frame: Frame,
}

impl<'a> Player<'a> {
    pub(super) fn new(
        recording: &'a Recording,
        program: &'a Program,
        pace: Pace,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            recording,
            program,
            pace,
            events: recording.events(program.channel, program.nth)?,
            next: None,
            ended: false,
            screen: blank(),
            position: 0,
            last: 0,
            target: None,
            paused: false,
            live: false,
            frame: Frame::default(),
        })
    }

    /// Plays until the watcher ends it; the number of the signal, if that was it.
    ///
    /// It begins at a time, or where the session is now if that is followed.
    pub(super) fn play(
        mut self,
        at: Option<u64>,
        terminal: &mut Terminal,
    ) -> anyhow::Result<Option<u8>> {
        match at {
            None if self.recording.follow => self.live = true,
            at => self.seek(at.unwrap_or(0))?,
        }
        let mut clock = Instant::now();
        loop {
            let now = Instant::now();
            self.advance(now.duration_since(clock));
            clock = now;
            let size = terminal.size();
            let status = self.status(size.0);
            let picture = self.frame.draw(&self.screen, &status, size);
            terminal.write(picture.as_bytes())?;
            match terminal.wait(self.pause())? {
                Input::Keys(keys) => {
                    for key in keys {
                        if key == Key::Quit {
                            return Ok(None);
                        }
                        self.key(key)?;
                    }
                }
                Input::Signal(number) => return Ok(Some(number)),
                Input::Gone => return Ok(None),
                Input::Resized => self.frame = Frame::default(),
                Input::Nothing => {}
            }
        }
    }

    /// How long nothing changes but by a key.
    fn pause(&self) -> Duration {
        if self.target.is_some() || self.live && !self.paused && !self.ended {
            return Duration::ZERO;
        }
        let Some(next) = self.next.as_ref().filter(|_| !self.paused) else {
            return LONGEST;
        };
        let mut wait = next.at.saturating_sub(self.position);
        if let Some(limit) = self.pace.idle_limit {
            let idle = self.position.saturating_sub(self.last);
            wait = wait.min(limit.saturating_sub(idle));
        }
        Duration::from_nanos(wait)
            .div_f64(self.pace.speed)
            .clamp(PICTURE, LONGEST)
    }

    /// Goes on, so much time having passed.
    fn advance(&mut self, passed: Duration) {
        let begun = Instant::now();
        if let Some(target) = self.target {
            self.show_until(target, begun);
            let is_last = self.recording.follow && self.next.is_none();
            let is_behind = self.next.as_ref().is_some_and(|next| next.at > target);
            if self.ended || is_behind || is_last {
                self.target = None;
                self.position = target;
                self.last = target;
            }
            return;
        }
        if self.paused || self.ended {
            return;
        }
        if self.live {
            while begun.elapsed() < WORK && self.fetch() {
                if let Some(event) = self.next.take() {
                    self.position = event.at;
                    self.show(&event);
                }
            }
            return;
        }
        let passed = passed.mul_f64(self.pace.speed).as_nanos();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.position = self.position.saturating_add(passed).min(self.end());
        self.fetch();
        if let (Some(next), Some(limit)) = (&self.next, self.pace.idle_limit)
            && self.position.saturating_sub(self.last) >= limit
        {
            self.position = self.position.max(next.at);
        }
        self.show_until(self.position, begun);
        if self.ended {
            self.position = self.end();
        }
        // Nothing is left of what was there: what comes is shown as it comes.
        self.live = self.recording.follow && !self.ended && self.next.is_none();
    }

    /// Where the recording ends, as far as that is known.
    fn end(&self) -> u64 {
        let next = self.next.as_ref().map_or(0, |next| next.at);
        self.program.length.max(self.last).max(next)
    }

    /// Shows what was up to that time, or as much as can be for now.
    fn show_until(&mut self, time: u64, begun: Instant) {
        while begun.elapsed() < WORK && self.fetch() {
            let Some(event) = self.next.take_if(|next| next.at <= time) else {
                return;
            };
            self.show(&event);
        }
    }

    /// Whether the next event is known.
    fn fetch(&mut self) -> bool {
        if self.next.is_none() && !self.ended {
            match self.events.recv_timeout(PICTURE) {
                Ok(event) => self.next = Some(event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.ended = true,
            }
        }
        self.next.is_some()
    }

    fn show(&mut self, event: &Event) {
        self.last = event.at;
        // Others may go on in the same log.
        self.ended |= matches!(event.what, What::End);
        if let What::Begin(start) = &event.what {
            self.screen = Screen::new(start);
        }
        self.screen.push(&event.step());
    }

    fn key(&mut self, key: Key) -> anyhow::Result<()> {
        let commands = &self.program.commands;
        match key {
            Key::Pause if self.ended => {
                self.paused = false;
                self.seek(0)?;
            }
            Key::Pause => self.paused = !self.paused,
            Key::Step => {
                self.paused = true;
                if self.fetch()
                    && let Some(event) = self.next.take()
                {
                    self.position = event.at;
                    self.show(&event);
                }
            }
            Key::Seek(seconds) => {
                let by = seconds.unsigned_abs().saturating_mul(SECOND);
                let to = if seconds < 0 {
                    self.position.saturating_sub(by)
                } else {
                    self.position.saturating_add(by)
                };
                self.seek(to)?;
            }
            Key::Tenth(tenths) => self.seek(self.program.length / 10 * u64::from(tenths))?,
            Key::NextCommand => {
                if let Some(at) = commands.iter().find(|at| **at > self.position) {
                    self.seek(*at)?;
                }
            }
            Key::PreviousCommand => {
                let near = self.position.saturating_sub(NEAR);
                let before = commands.iter().rev().find(|at| **at < near);
                self.seek(before.copied().unwrap_or(0))?;
            }
            Key::Faster => self.pace.speed = (self.pace.speed * 2.0).min(FASTEST),
            Key::Slower => self.pace.speed = (self.pace.speed / 2.0).max(SLOWEST),
            Key::Quit => {}
        }
        Ok(())
    }

    /// Goes to a time. What was before is shown again from the beginning.
    fn seek(&mut self, to: u64) -> anyhow::Result<()> {
        let to = to.min(self.end());
        self.live = false;
        if to < self.last || self.ended && to < self.program.length {
            let Program { channel, nth, .. } = self.program;
            self.events = self.recording.events(*channel, *nth)?;
            (self.next, self.ended, self.last) = (None, false, 0);
            self.screen = blank();
        }
        self.target = Some(to);
        self.position = to;
        Ok(())
    }

    /// The line below the screen.
    fn status(&self, columns: usize) -> String {
        let sign = match (self.target, self.ended, self.paused) {
            (Some(_), ..) => "…",
            (None, true, _) => "■",
            (None, false, true) => "‖",
            (None, false, false) if self.live => "●",
            (None, false, false) => "▶",
        };
        let length = self.end().max(1);
        let done = self.position.min(length);
        let (now, end) = (time::shown(done), time::shown(self.end()));
        let commands = self.program.commands.as_slice();
        let given = commands.partition_point(|at| *at <= self.position);
        let count = match commands.len() {
            0 => String::new(),
            all => format!("  {given}/{all} commands"),
        };
        let speed = self.pace.speed;
        let what = self.program.what.to_string();
        let what = Visible(what.as_bytes()).to_string();
        let (width, height) = self.screen.terminal().size();
        let head = format!(" {sign} {now} / {end}  {}", bar(done, length));
        let tail = format!(
            "  ×{speed}{count}  #{} {what}  {width}x{height}  space pause, ← → seek, n next, q quit",
            self.program.channel
        );
        let line: String = head.chars().chain(tail.chars()).take(columns).collect();
        let padding = columns.saturating_sub(line.chars().count());
        format!("\x1b[0;7m{line}{}", " ".repeat(padding))
    }
}

const BAR: u64 = 20;

fn bar(done: u64, length: u64) -> String {
    let filled = u128::from(done) * u128::from(BAR) / u128::from(length);
    let filled = usize::try_from(filled).unwrap_or(0);
    let all = usize::try_from(BAR).unwrap_or(0);
    format!(
        "{}{}",
        "━".repeat(filled),
        "─".repeat(all.saturating_sub(filled))
    )
}

/// The screen before the program begins.
fn blank() -> Screen {
    Screen::new(&Start {
        time: 0,
        what: None,
        forced: None,
        terminal: None,
        environment: Vec::new(),
    })
}
