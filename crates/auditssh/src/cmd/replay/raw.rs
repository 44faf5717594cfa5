//! Writes the output of a program to the terminal as it was.

use super::keys::Key;
use super::overview::Program;
use super::player::Pace;
use super::recording::{Event, Recording, What};
use super::terminal::{Input, Terminal};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// How long to wait for an event or a key.
const WAIT: Duration = Duration::from_millis(50);

/// A time at which everything is due that is there.
pub(super) const NOW: u64 = u64::MAX / 2;

/// Plays to the end; the number of the signal, if one ended it.
pub(super) fn play(
    recording: &Recording,
    program: &Program,
    mut pace: Pace,
    at: u64,
    terminal: &mut Terminal,
) -> anyhow::Result<Option<u8>> {
    let events = recording.events(program.channel, program.nth)?;
    let (mut position, mut last, mut paused) = (at, at, false);
    let mut clock = Instant::now();
    let mut lines = None;
    let mut next: Option<Event> = None;
    loop {
        if next.is_none() {
            next = match events.recv_timeout(WAIT) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            };
        }
        let now = Instant::now();
        if !paused {
            let elapsed = now.duration_since(clock).mul_f64(pace.speed).as_nanos();
            position = position.saturating_add(u64::try_from(elapsed).unwrap_or(u64::MAX));
        }
        clock = now;
        let mut wait = Duration::ZERO;
        if let Some(event) = &next {
            let due = pace
                .idle_limit
                .map_or(event.at, |limit| event.at.min(last.saturating_add(limit)));
            if due <= position {
                position = position.max(event.at);
                last = event.at;
                write(event, &mut lines, terminal)?;
                next = None;
            } else {
                wait = Duration::from_nanos(due - position)
                    .div_f64(pace.speed)
                    .min(WAIT);
            }
        }
        match terminal.wait(if paused { WAIT } else { wait })? {
            Input::Keys(keys) => {
                for key in keys {
                    match key {
                        Key::Quit => return Ok(None),
                        Key::Pause => paused = !paused,
                        Key::Step => {
                            paused = true;
                            position = next.as_ref().map_or(position, |next| next.at.max(position));
                        }
                        Key::Faster => pace.speed = (pace.speed * 2.0).min(1024.0),
                        Key::Slower => pace.speed = (pace.speed / 2.0).max(1.0 / 64.0),
                        _ => {}
                    }
                }
            }
            Input::Signal(number) => return Ok(Some(number)),
            Input::Gone => return Ok(None),
            Input::Resized | Input::Nothing => {}
        }
    }
}

/// Writes what an event shows. `lines` says, of a program without a terminal, whether the last
/// character was a carriage return: yours wants one before each line feed.
fn write(event: &Event, lines: &mut Option<bool>, terminal: &mut Terminal) -> std::io::Result<()> {
    let (What::Output(data) | What::Errors(data)) = &event.what else {
        if let What::Begin(start) = &event.what {
            *lines = start.has_bare_lines().then_some(false);
        }
        return Ok(());
    };
    let Some(returned) = lines else {
        return terminal.write(data);
    };
    let mut mended = Vec::with_capacity(data.len());
    for byte in data {
        if *byte == b'\n' && !*returned {
            mended.push(b'\r');
        }
        *returned = *byte == b'\r';
        mended.push(*byte);
    }
    terminal.write(&mended)
}
