use auditssh_log::Message;
use auditssh_log::codec::json::{self, Style};
use auditssh_view::{Text, Visible};
use std::io::{self, BufWriter, StdoutLock, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// How much text may be made of a log, in bytes: so much, and so much more for each byte of the log.
/// Sessions of people need less than 100 for each.
const FREE_TEXT: u64 = 64 << 20;
const TEXT_PER_BYTE: u64 = 256;

type Out = BufWriter<StdoutLock<'static>>;

/// Writes messages to standard output.
#[derive(Debug)]
pub(super) enum Printer {
    Json { out: Out, style: Style },
    Text(Text<Out>),
}

impl Printer {
    pub(super) fn json(rfc3339: bool) -> Self {
        let style = Style {
            rfc3339,
            ..Style::FULL
        };
        Self::Json { out: out(), style }
    }

    pub(super) fn text() -> Self {
        Self::Text(Text::new(out()))
    }

    pub(super) fn raw() -> Self {
        Self::Text(Text::raw(out()))
    }

    /// Prints a message, which stands about at `offset` of the log.
    pub(super) fn message(&mut self, message: &Message, offset: u64) -> io::Result<()> {
        match self {
            Self::Json { out, style } => {
                json::write(message, *style, out)?;
                out.write_all(b"\n")
            }
            Self::Text(text) => {
                text.set_limit(FREE_TEXT.saturating_add(offset.saturating_mul(TEXT_PER_BYTE)));
                text.push(message)
            }
        }
    }

    /// Reports what is wrong with the log: in JSON as a line of its own, else on standard error.
    pub(super) fn error(&mut self, error: &str, file: &Path, remedy: &str) -> io::Result<()> {
        match self {
            Self::Json { out, .. } => {
                json::error(error, out)?;
                out.write_all(b"\n")
            }
            Self::Text(text) => {
                text.output().flush()?;
                let file = Visible(file.as_os_str().as_bytes());
                writeln!(io::stderr(), "auditssh: {file}: {error}{remedy}")
            }
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Json { out, .. } => out.flush(),
            Self::Text(text) => text.output().flush(),
        }
    }

    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::Json { mut out, .. } => out.flush(),
            Self::Text(text) => text.finish()?.flush(),
        }
    }
}

fn out() -> Out {
    BufWriter::with_capacity(64 * 1024, io::stdout().lock())
}
