//! Prints a log as ContainerSSH's program of the same name does.
//!
//! Arguments, output and exit status are the same: errors in a log are lines of the output, and
//! the status stays 0. It names types 198 and 199, goes on behind text that is not UTF-8 and holds
//! one message at a time. `auditssh decode` does more.

use auditssh_log::codec::json::{self, Style};
use auditssh_log::codec::{DecodeError, Decoder, End, Format, HeaderError};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Wrong usage in the sense of the program, and a file that cannot be opened.
const FAILURE: u8 = 1;
/// Wrong usage in the sense of Go's flag package.
const WRONG_FLAG: u8 = 2;

/// Where the header of a log ends, and where that of its first gzip member ends at the earliest.
const HEADER: u64 = 40;
const GZIP: u64 = 50;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        // Whoever read the output went away; there is nobody to tell.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(128 + 13),
        Err(error) => {
            let _ = writeln!(io::stderr(), "cannot write: {error}");
            ExitCode::from(FAILURE)
        }
    }
}

fn run() -> io::Result<ExitCode> {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let path = match file(arguments) {
        Flags::File(path) => path,
        Flags::Usage { code, complaint } => {
            usage(&program, complaint.as_deref())?;
            return Ok(ExitCode::from(code));
        }
    };
    match File::open(&path) {
        Ok(log) => decode(log),
        Err(error) => {
            let now = jiff::Zoned::now().strftime("%Y/%m/%d %H:%M:%S").to_string();
            let path = path.display();
            let line = format!("{now} failed to open audit log file {path} ({error})");
            writeln!(io::stderr(), "{line}")?;
            Ok(ExitCode::from(FAILURE))
        }
    }
}

fn usage(program: &OsStr, complaint: Option<&str>) -> io::Result<()> {
    let mut out = io::stderr().lock();
    if let Some(complaint) = complaint {
        writeln!(out, "{complaint}")?;
    }
    writeln!(out, "Usage of {}:", program.display())?;
    writeln!(out, "  -file string\n    \tFile to process")
}

/// What the arguments ask for.
enum Flags {
    File(PathBuf),
    Usage { code: u8, complaint: Option<String> },
}

impl Flags {
    fn wrong(complaint: String) -> Self {
        Self::Usage {
            code: WRONG_FLAG,
            complaint: Some(complaint),
        }
    }
}

/// Reads arguments as Go's flag package does: one dash or two, the value behind `=` or next, flags
/// end at the first argument that is none.
fn file(mut arguments: impl Iterator<Item = OsString>) -> Flags {
    let mut file = PathBuf::new();
    let mut has_rest = false;
    while let Some(argument) = arguments.next() {
        let bytes = argument.as_bytes();
        let Some(flag) = bytes.strip_prefix(b"-").filter(|flag| !flag.is_empty()) else {
            has_rest = true;
            break;
        };
        if flag == b"-" {
            has_rest = arguments.next().is_some();
            break;
        }
        let flag = flag.strip_prefix(b"-").unwrap_or(flag);
        let mut parts = flag.splitn(2, |byte| *byte == b'=');
        let name = parts.next().unwrap_or_default();
        let value = parts
            .next()
            .map(|value| OsStr::from_bytes(value).to_owned());
        let shown = String::from_utf8_lossy(name).into_owned();
        if name.is_empty() || name.starts_with(b"-") {
            return Flags::wrong(format!("bad flag syntax: {}", argument.display()));
        }
        match name {
            b"file" => match value.or_else(|| arguments.next()) {
                Some(value) => file = value.into(),
                None => return Flags::wrong("flag needs an argument: -file".to_owned()),
            },
            b"h" | b"help" => {
                return Flags::Usage {
                    code: 0,
                    complaint: None,
                };
            }
            _ => return Flags::wrong(format!("flag provided but not defined: -{shown}")),
        }
    }
    if has_rest || file.as_os_str().is_empty() {
        return Flags::Usage {
            code: FAILURE,
            complaint: None,
        };
    }
    Flags::File(file)
}

fn decode(log: File) -> io::Result<ExitCode> {
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    let mut decoder = Decoder::new(log);
    for message in decoder.by_ref() {
        match message {
            Ok(message) => json::write(&message, Style::UPSTREAM, &mut out)?,
            // The original has nothing to say of this one.
            Err(DecodeError::Header(HeaderError::Version(0))) => continue,
            Err(error) => json::error(&said(&error), &mut out)?,
        }
        out.write_all(b"\n")?;
    }
    if let Some(error) = early(&decoder) {
        json::error(error, &mut out)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// What the original says of a log that ends early. Of a sequence that is cut, as of one that is
/// still being written, that is nothing.
fn early(decoder: &Decoder<File>) -> Option<&'static str> {
    if !matches!(decoder.end(), Some(End::Cut | End::Open)) {
        return None;
    }
    match (decoder.format(), decoder.offset()) {
        (None, 0) => Some("EOF"),
        (None, _) => Some("unexpected EOF"),
        (Some(_), HEADER) => Some("failed to open gzip stream (EOF)"),
        (Some(_), ..GZIP) => Some("failed to open gzip stream (unexpected EOF)"),
        (Some(Format::Audit), _) => Some("failed to decode messages (unexpected EOF)"),
        (Some(Format::Binary), _) => None,
    }
}

/// An error in the words of the original, as far as it has any.
fn said(error: &DecodeError) -> String {
    match error {
        DecodeError::Header(HeaderError::Version(version)) => {
            format!("file format version is higher than supported: {version}")
        }
        DecodeError::Header(HeaderError::Magic(magic)) => {
            let bytes: Vec<String> = magic.iter().map(u8::to_string).collect();
            format!("invalid file format header: [{}]", bytes.join(" "))
        }
        error => format!("failed to decode messages ({error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<PathBuf, (u8, Option<String>)> {
        match file(arguments.iter().map(OsString::from)) {
            Flags::File(path) => Ok(path),
            Flags::Usage { code, complaint } => Err((code, complaint)),
        }
    }

    #[test]
    fn the_file_is_named_in_every_way_that_go_knows() {
        for arguments in [
            &["-file", "x"][..],
            &["--file", "x"],
            &["-file=x"],
            &["--file=x"],
            &["-file", "y", "-file", "x"],
            &["-file", "x", "--"],
        ] {
            assert_eq!(read(arguments), Ok("x".into()), "{arguments:?}");
        }
        assert_eq!(read(&["-file", "-h"]), Ok("-h".into()));
    }

    #[test]
    fn wrong_usage_ends_with_1_and_wrong_flags_with_2() {
        for arguments in [
            &[][..],
            &["x"],
            &["-file", "x", "y"],
            &["-file="],
            &["-"],
            &["--", "x"],
        ] {
            assert_eq!(read(arguments), Err((1, None)), "{arguments:?}");
        }
        assert_eq!(read(&["-h"]), Err((0, None)));
        assert_eq!(read(&["--help"]), Err((0, None)));
        let wrong = |complaint: &str| Err((2, Some(complaint.to_owned())));
        assert_eq!(read(&["-file"]), wrong("flag needs an argument: -file"));
        assert_eq!(read(&["-x=1"]), wrong("flag provided but not defined: -x"));
        assert_eq!(read(&["---file"]), wrong("bad flag syntax: ---file"));
    }
}
