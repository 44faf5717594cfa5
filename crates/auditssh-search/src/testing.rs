//! A place in memory, and logs for it.

use crate::place::{END, Listed, Place, Writer};
use auditssh_log::codec::{Format, encode};
use auditssh_log::message::{
    Connect, Event, Exec, ExitStatus, HandshakeSuccessful, Io, Message, Pty,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Write as _};
use std::sync::Mutex;

/// When the sessions here begin.
pub(crate) const BEGIN: i64 = 1_700_000_000_000_000_000;

#[derive(Debug, Default)]
pub(crate) struct Memory {
    logs: Mutex<BTreeMap<String, Log>>,
    indexes: Mutex<BTreeMap<String, Vec<u8>>>,
}

#[derive(Debug)]
struct Log {
    bytes: Vec<u8>,
    modified: i64,
    writer: Writer,
}

impl Memory {
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let mut logs = self.logs.lock().expect("logs");
        let modified = logs.get(name).map_or(0, |log| log.modified + 1);
        let log = Log {
            bytes: bytes.to_vec(),
            modified,
            writer: Writer::None,
        };
        logs.insert(name.to_owned(), log);
    }

    pub(crate) fn written_by(&self, name: &str, writer: Writer) {
        let mut logs = self.logs.lock().expect("logs");
        logs.get_mut(name).expect("the log").writer = writer;
    }

    pub(crate) fn remove(&self, name: &str) {
        self.logs.lock().expect("logs").remove(name);
    }

    fn bytes(&self, name: &str) -> io::Result<Vec<u8>> {
        let logs = self.logs.lock().expect("logs");
        let log = logs.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(log.bytes.clone())
    }
}

impl Place for Memory {
    fn list(&self) -> io::Result<Vec<Listed>> {
        let logs = self.logs.lock().expect("logs");
        let listed = |(name, log): (&String, &Log)| Listed {
            name: name.clone(),
            size: log.bytes.len() as u64,
            modified: log.modified,
            writer: log.writer,
        };
        Ok(logs.iter().map(listed).collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.bytes(name)?)))
    }

    fn end(&self, name: &str, length: u64) -> io::Result<Vec<u8>> {
        let bytes = self.bytes(name)?;
        if bytes.len() as u64 != length {
            return Ok(Vec::new());
        }
        let kept = usize::try_from(length.min(END)).expect("a few bytes");
        Ok(bytes[bytes.len() - kept..].to_vec())
    }

    fn index(&self, name: &str) -> io::Result<Option<Box<dyn Read + Send>>> {
        let indexes = self.indexes.lock().expect("indexes");
        let bytes = indexes.get(name).cloned();
        Ok(bytes.map(|bytes| Box::new(Cursor::new(bytes)) as Box<dyn Read + Send>))
    }

    fn keep(&self, name: &str, index: &[u8]) -> io::Result<()> {
        let mut indexes = self.indexes.lock().expect("indexes");
        indexes.insert(name.to_owned(), index.to_vec());
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        name.to_owned()
    }
}

/// The log of a session in which `cat` wrote these lines, one a second.
pub(crate) fn session(user: &str, lines: &[&str], closed: bool) -> Vec<u8> {
    let mut events = vec![
        (
            None,
            Event::Connect(Connect {
                remote_addr: "192.0.2.7".into(),
                country: "XX".into(),
            }),
        ),
        (
            None,
            Event::HandshakeSuccessful(HandshakeSuccessful {
                username: user.into(),
            }),
        ),
        (
            Some(0),
            Event::Pty(Pty {
                term: "xterm".into(),
                columns: 200,
                rows: 24,
                ..Pty::default()
            }),
        ),
        (
            Some(0),
            Event::Exec(Exec {
                request_id: 1,
                program: format!("cat of {user}").as_str().into(),
            }),
        ),
    ];
    for line in lines {
        let data = format!("{line}\r\n").into_bytes();
        events.push((
            Some(0),
            Event::Io(Io {
                stream: 1.into(),
                data,
            }),
        ));
    }
    events.push((Some(0), Event::ExitStatus(ExitStatus { exit_status: 3 })));
    events.push((Some(0), Event::Close));
    if closed {
        events.push((None, Event::Disconnect));
    }
    log(events)
}

fn log(events: Vec<(Option<u64>, Event)>) -> Vec<u8> {
    let mut content = Format::Audit.prologue().to_vec();
    let is_closed = matches!(events.last(), Some((None, Event::Disconnect)));
    for (number, (channel, event)) in (0..).zip(events) {
        let time = BEGIN + number * 1_000_000_000;
        encode(&Message::new("c", time, channel, event), &mut content);
    }
    if is_closed {
        content.extend(Format::Audit.epilogue());
    }
    let mut log = Format::Audit.header().to_vec();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&content).expect("memory");
    log.extend(gzip.finish().expect("memory"));
    log
}
