//! Writes logs as the server does, to try other readers on: `sample DIRECTORY [MESSAGES]`.
//!
//! Of each format version three: an empty session, one with text that is not UTF-8, and one with
//! many messages (10^6 unless told otherwise). Prints for each its version, its kind, its path and
//! how many messages it holds.

#![expect(clippy::print_stdout, reason = "a program")]

use auditssh_archive::{Archive, Entry, Settings};
use auditssh_log::Event;
use auditssh_log::codec::Format;
use auditssh_log::message::{Connect, Exec, Io, Stream, Text};
use auditssh_log::policy::Intercept;
use std::error::Error;
use std::path::Path;

/// Messages that wait for the disk at most: the recorder bounds what waits in bytes.
const BATCH: u64 = 1_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments
        .next()
        .ok_or("usage: sample DIRECTORY [MESSAGES]")?;
    let many: u64 = arguments
        .next()
        .map_or(Ok(1_000_000), |many| many.parse())?;
    for format in [Format::Audit, Format::Binary] {
        let version = format.version();
        let directory = Path::new(&directory).join(format!("v{version}"));
        let mut settings = Settings::new(&directory);
        settings.form = auditssh_archive::Form::Messages(format);
        settings.intercept = Intercept::ALL;
        let archive = Archive::open(settings)?;
        for (kind, events) in [("empty", 0), ("text", 4), ("many", many)] {
            let recorder = archive.create().await?;
            recorder.append(connect()).await?;
            for number in 0..events {
                let commit = recorder.append(Entry::from(event(kind, number)).on(0));
                if number % BATCH == 0 {
                    commit.await?;
                } else {
                    drop(commit);
                }
            }
            recorder.finish().await?;
            let path = directory.join(recorder.connection_id());
            println!("{version} {kind} {} {}", path.display(), events + 2);
        }
    }
    Ok(())
}

fn connect() -> Event {
    Event::Connect(Connect {
        remote_addr: "::1".into(),
        country: "XX".into(),
    })
}

fn event(kind: &str, number: u64) -> Event {
    if kind == "text" {
        return Event::Exec(Exec {
            request_id: number,
            program: Text::from(&b"printf '\xff\xfe\xc3('"[..]),
        });
    }
    Event::Io(Io {
        stream: Stream::Stdout,
        data: format!("line {number}\r\n").into_bytes(),
    })
}
