//! Everything that stood on a screen, line by line: what scrolled off it, what was cleared, and what
//! is there at the end.

use super::{Screen, is_blank};
use crate::runs::{Did, Start, Step};
use avt::parser::{EdScope, Function};
use avt::{Line, Observation, Observer, Operation, ScreenKind, Terminal};
use std::io::{self, Write};

/// How much may be written for a recording, in bytes: so much, and so much more for each byte of it.
/// A few bytes can fill a screen.
const FREE: u64 = 64 << 20;
const PER_BYTE: u64 = 256;
const PIECE: usize = 1 << 10;

/// How a line is written.
pub(super) trait Paint {
    /// Writes what precedes the first line.
    fn begin(&mut self, start: &Start, out: &mut dyn Write) -> io::Result<()>;
    /// Writes the cells of a line; blank ones at its end are left out unless it goes on in the next.
    fn line(&mut self, line: &Line, out: &mut dyn Write) -> io::Result<()>;
    /// Writes what follows the last line.
    fn end(&mut self, out: &mut dyn Write) -> io::Result<()>;
}

/// Writes blanks, of which there may be far more than what made them.
pub(super) fn write_blanks(mut count: usize, out: &mut dyn Write) -> io::Result<()> {
    const BLANKS: [u8; 256] = [b' '; 256];
    while let Some(some) = BLANKS.get(..count.min(BLANKS.len()))
        && count > 0
    {
        out.write_all(some)?;
        count -= some.len();
    }
    Ok(())
}

/// Writes the lines of a screen.
#[derive(Debug)]
pub(super) struct Page<P> {
    screen: Screen,
    lines: Lines<P>,
    /// Nanoseconds from the beginning to the only moment that is shown.
    moment: Option<u64>,
    ended: bool,
}

#[derive(Debug)]
struct Lines<P> {
    paint: P,
    /// Empty lines that are written when one follows that is not.
    blank: u64,
    /// Whether the last line goes on.
    open: bool,
    /// How many bytes are still allowed.
    left: u64,
}

impl<P: Paint> Page<P> {
    pub(super) fn new(start: &Start, mut paint: P, out: &mut dyn Write) -> io::Result<Self> {
        paint.begin(start, out)?;
        Ok(Self {
            screen: Screen::new(start),
            lines: Lines {
                paint,
                blank: 0,
                open: false,
                left: FREE,
            },
            moment: None,
            ended: false,
        })
    }

    /// The same of what stands on the screen at a moment: nothing that was there before.
    pub(super) fn at(self, moment: u64) -> Self {
        Self {
            moment: Some(moment),
            ..self
        }
    }

    pub(super) fn push(&mut self, step: &Step<'_>, out: &mut dyn Write) -> io::Result<()> {
        if let Some(moment) = self.moment {
            return self.until(moment, step, out);
        }
        match step.what {
            Did::Output(data) => self.written(step, data, Did::Output, out),
            Did::Errors(data) => self.written(step, data, Did::Errors, out),
            Did::Resize(_) => self.watched(step, out),
            Did::End => {
                self.watched(step, out)?;
                self.end(out)
            }
            Did::Begin(_) | Did::Input(_) | Did::Exit(_) => Ok(()),
        }
    }

    fn until(&mut self, moment: u64, step: &Step<'_>, out: &mut dyn Write) -> io::Result<()> {
        if self.ended {
            return Ok(());
        }
        let ends = matches!(step.what, Did::End);
        if step.at <= moment {
            self.screen.push(step);
        }
        if step.at <= moment && !ends {
            return Ok(());
        }
        self.ended = true;
        for line in self.screen.terminal().screen().visible_lines() {
            self.lines.push(line, out)?;
        }
        self.close(out)
    }

    /// Shows what was written, piece by piece: if it is too much, soon.
    fn written<'a>(
        &mut self,
        step: &Step<'a>,
        data: &'a [u8],
        did: fn(&'a [u8]) -> Did<'a>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        for piece in data.chunks(PIECE) {
            let more = (piece.len() as u64).saturating_mul(PER_BYTE);
            self.lines.left = self.lines.left.saturating_add(more);
            let what = did(piece);
            self.watched(&Step { what, ..*step }, out)?;
        }
        Ok(())
    }

    fn watched(&mut self, step: &Step<'_>, out: &mut dyn Write) -> io::Result<()> {
        let mut watch = Watch {
            lines: &mut self.lines,
            out,
            result: Ok(()),
        };
        self.screen.push_with(step, &mut watch);
        watch.result
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let terminal = self.screen.terminal();
        self.lines.all(terminal, out)?;
        if terminal.active_screen_kind() == ScreenKind::Alternate {
            for line in terminal.screen().visible_lines() {
                self.lines.push(line, out)?;
            }
        }
        self.close(out)
    }

    fn close(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.lines.open {
            out.write_all(b"\n")?;
        }
        self.lines.paint.end(out)
    }
}

impl<P: Paint> Lines<P> {
    fn push(&mut self, line: &Line, out: &mut dyn Write) -> io::Result<()> {
        let is_blank = line.cells().iter().all(is_blank);
        if is_blank && !line.is_wrapped() && !self.open {
            self.blank += 1;
            return Ok(());
        }
        let mut out = Limited {
            out,
            left: &mut self.left,
        };
        for _ in 0..std::mem::take(&mut self.blank) {
            out.write_all(b"\n")?;
        }
        self.paint.line(line, &mut out)?;
        self.open = line.is_wrapped();
        if !self.open {
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// The lines of the screen that scrolls.
    fn all(&mut self, terminal: &Terminal, out: &mut dyn Write) -> io::Result<()> {
        let mut lines = terminal.primary_screen().all_lines();
        let result = lines.try_for_each(|line| self.push(line, out));
        self.blank = 0;
        result
    }
}

/// Sees lines go.
struct Watch<'a, P> {
    lines: &'a mut Lines<P>,
    out: &'a mut dyn Write,
    result: io::Result<()>,
}

impl<P: Paint> Observer for Watch<'_, P> {
    type Output = ();

    fn before(&mut self, context: &mut Observation<'_>, operation: &Operation) {
        let Operation::Function(function) = operation else {
            return;
        };
        let terminal = context.terminal();
        let cursor = terminal.cursor();
        let is_home = (cursor.col, cursor.row) == (0, 0);
        let clears = match function {
            Function::Ris => true,
            Function::Ed(EdScope::Below) => {
                is_home && terminal.active_screen_kind() == ScreenKind::Primary
            }
            _ => false,
        };
        if clears && self.result.is_ok() {
            self.result = self.lines.all(terminal, self.out);
        }
    }

    fn evicted(&mut self, _: &mut Observation<'_>, line: &Line) {
        if self.result.is_ok() {
            self.result = self.lines.push(line, self.out);
        }
    }

    fn end(&mut self, _: &mut Observation<'_>) {}
}

struct Limited<'a> {
    out: &'a mut dyn Write,
    left: &'a mut u64,
}

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            return Err(io::Error::other(
                "the screen was filled so often that its text would be far larger than the \
                 recording; `auditssh replay` shows it",
            ));
        };
        *self.left = left;
        self.out.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
