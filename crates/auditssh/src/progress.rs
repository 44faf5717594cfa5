//! Bars on standard error, for people who wait.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal as _};

/// From so many bytes on it takes long enough to be worth a bar.
const LONG: u64 = 1 << 20;

/// The same of logs.
const MANY: u64 = 16;

const COUNT: &str = "{bar:30} {pos}/{len} logs {eta}";
const TEMPLATE: &str = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}";

/// A bar for so many bytes; hidden if nobody would see it, or it would stand in the output.
pub(crate) fn bar(bytes: u64) -> ProgressBar {
    let shown = bytes >= LONG && io::stderr().is_terminal() && !io::stdout().is_terminal();
    if shown {
        visible(bytes)
    } else {
        ProgressBar::hidden()
    }
}

/// A bar for so many logs; hidden as one for bytes.
pub(crate) fn count(logs: u64) -> ProgressBar {
    if logs < MANY || !io::stderr().is_terminal() || io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(logs), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template(COUNT) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A bar that is there whenever standard error is a terminal.
pub(crate) fn visible(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template(TEMPLATE) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
