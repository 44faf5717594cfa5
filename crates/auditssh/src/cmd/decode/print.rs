use auditssh_log::Message;
use auditssh_log::codec::json::{self, Style};
use auditssh_view::Text;
use std::io::{self, BufWriter, StdoutLock, Write};

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

    pub(super) fn message(&mut self, message: &Message) -> io::Result<()> {
        match self {
            Self::Json { out, style } => {
                json::write(message, *style, out)?;
                out.write_all(b"\n")
            }
            Self::Text(text) => text.push(message),
        }
    }

    /// Reports what is wrong with the log: in JSON as a line of its own, else on standard error.
    pub(super) fn error(&mut self, error: &str) -> io::Result<()> {
        match self {
            Self::Json { out, .. } => {
                json::error(error, out)?;
                out.write_all(b"\n")
            }
            Self::Text(text) => {
                text.output().flush()?;
                writeln!(io::stderr(), "auditssh: {error}")
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
