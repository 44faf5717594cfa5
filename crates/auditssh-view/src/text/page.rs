use super::lines::{Key, Show};
use crate::Visible;
use auditssh_log::message::Stream;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Writes lines with their times, up to a limit.
#[derive(Debug)]
pub(super) struct Page<W> {
    pub(super) out: W,
    /// How many bytes may be written; what goes beyond is only counted.
    pub(super) limit: u64,
    written: u64,
    omitted: Omitted,
    /// The line that is being written.
    line: String,
    /// The time that was written last, in nanoseconds and as text.
    moment: (i64, String),
}

/// What was not written.
#[derive(Clone, Copy, Debug, Default)]
struct Omitted {
    lines: u64,
    bytes: u64,
}

impl<W: Write> Page<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            limit: u64::MAX,
            written: 0,
            omitted: Omitted::default(),
            line: String::new(),
            moment: (0, moment(0)),
        }
    }

    /// Whether nothing may be written for now.
    pub(super) fn is_full(&self) -> bool {
        self.written >= self.limit
    }

    /// Leaves bytes of a stream out.
    pub(super) fn omit(&mut self, bytes: usize) {
        self.omitted.bytes += bytes as u64;
    }

    /// Writes a line that says what happened.
    pub(super) fn event(
        &mut self,
        time: i64,
        channel: Option<u64>,
        what: impl FnOnce() -> String,
    ) -> io::Result<()> {
        if self.is_full() {
            self.omitted.lines += 1;
            return Ok(());
        }
        self.tell_omitted()?;
        self.begin(time, channel);
        self.line.push_str(&what());
        self.end()
    }

    /// Says what was left out, if something was.
    pub(super) fn tell_omitted(&mut self) -> io::Result<()> {
        let Omitted { lines, bytes } = std::mem::take(&mut self.omitted);
        if (lines, bytes) == (0, 0) {
            return Ok(());
        }
        writeln!(
            self.out,
            "… {lines} events and {bytes} bytes of streams left out: the log expands out of all \
             proportion; JSON has them all"
        )
    }

    fn begin(&mut self, time: i64, channel: Option<u64>) {
        if self.moment.0 != time {
            self.moment = (time, moment(time));
        }
        self.line.clear();
        self.line.push_str(&self.moment.1);
        let channel = channel.map_or_else(|| "-".to_owned(), |id| format!("#{id}"));
        // Writing to a string never fails.
        let _ = write!(self.line, "  {channel:<3} ");
    }

    fn end(&mut self) -> io::Result<()> {
        self.line.push('\n');
        self.written += self.line.len() as u64;
        self.out.write_all(self.line.as_bytes())
    }
}

impl<W: Write> Show for Page<W> {
    fn show(&mut self, (channel, stream): Key, time: i64, bytes: &[u8]) -> io::Result<()> {
        if self.is_full() {
            self.omit(bytes.len() + 1);
            return Ok(());
        }
        self.tell_omitted()?;
        self.begin(time, channel);
        // Writing to a string never fails.
        let _ = match stream {
            Stream::Stdin => write!(self.line, "in  | "),
            Stream::Stdout => write!(self.line, "out | "),
            Stream::Stderr => write!(self.line, "err | "),
            Stream::Other(number) => write!(self.line, "stream {number} | "),
        };
        let _ = write!(self.line, "{}", Visible(bytes));
        self.end()
    }
}

/// A time in UTC to the millisecond.
pub(crate) fn moment(nanoseconds: i64) -> String {
    match jiff::Timestamp::from_nanosecond(nanoseconds.into()) {
        Ok(time) => format!("{time:.3}").replace('T', " "),
        Err(_) => nanoseconds.to_string(),
    }
}
