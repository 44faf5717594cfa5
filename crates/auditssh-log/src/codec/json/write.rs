use super::string::{base64, string};
use super::value;
use crate::codec::encode::needs_raw;
use crate::codec::record::{Record, Writer, raw_key};
use crate::message::{Event, Extra, Message, Text};
use std::io::{self, Write};

/// What of a message is written, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Also what ContainerSSH's decoder leaves out: further keys, and the bytes of texts that are
    /// not UTF-8.
    pub extensions: bool,
    /// The timestamp as text in UTC (RFC 3339) rather than as a number of nanoseconds, which
    /// many readers of JSON round.
    pub rfc3339: bool,
}

impl Style {
    /// The documented keys only.
    pub const UPSTREAM: Self = Self {
        extensions: false,
        rfc3339: false,
    };
    /// Everything: what [`read`](super::read()) turns into the same message again.
    pub const FULL: Self = Self {
        extensions: true,
        rfc3339: false,
    };
}

/// Writes a message as one JSON object, without a line end.
pub fn write(message: &Message, style: Style, out: &mut impl Write) -> io::Result<()> {
    let none = Extra::new();
    let (extra, further) = if style.extensions {
        (&message.extra, &message.envelope_extra)
    } else {
        (&none, &none)
    };
    out.write_all(b"{\"connectionId\":")?;
    string(message.connection_id.as_bytes(), out)?;
    out.write_all(b",\"timestamp\":")?;
    timestamp(message.timestamp, style, out)?;
    let event = &message.event;
    write!(out, ",\"type\":{},\"typeId\":", event.type_number())?;
    string(event.type_id().as_bytes(), out)?;
    out.write_all(b",\"typeName\":")?;
    string(event.type_name().as_bytes(), out)?;
    out.write_all(b",\"payload\":")?;
    payload(event, extra, style, out)?;
    match message.channel_id {
        Some(id) => write!(out, ",\"channelId\":{id}")?,
        None => out.write_all(b",\"channelId\":null")?,
    }
    if style.extensions && needs_raw("connectionId", &message.connection_id, further) {
        out.write_all(b",\"connectionIdBytes\":")?;
        base64(message.connection_id.as_bytes(), out)?;
    }
    for (key, item) in further {
        out.write_all(b",")?;
        value::entry(key, item, out)?;
    }
    out.write_all(b"}")
}

fn timestamp(nanoseconds: i64, style: Style, out: &mut impl Write) -> io::Result<()> {
    match jiff::Timestamp::from_nanosecond(nanoseconds.into()) {
        Ok(time) if style.rfc3339 => write!(out, "\"{time:.9}\""),
        _ => write!(out, "{nanoseconds}"),
    }
}

fn payload(event: &Event, extra: &Extra, style: Style, out: &mut impl Write) -> io::Result<()> {
    if let Event::Unknown { payload, .. } = event {
        return value::write(payload, out);
    }
    if event.payload_length().is_none() && extra.is_empty() {
        return out.write_all(b"null");
    }
    let mut object = Object::begin(out, extra, style)?;
    event.write_payload(&mut object)?;
    for (key, item) in extra {
        object.comma()?;
        value::entry(key, item, object.out)?;
    }
    object.end()
}

/// Writes fields as members of an object.
struct Object<'a, W> {
    out: &'a mut W,
    extra: &'a Extra,
    style: Style,
    first: bool,
}

impl<'a, W: Write> Object<'a, W> {
    fn begin(out: &'a mut W, extra: &'a Extra, style: Style) -> io::Result<Self> {
        out.write_all(b"{")?;
        Ok(Self {
            out,
            extra,
            style,
            first: true,
        })
    }

    fn end(self) -> io::Result<()> {
        self.out.write_all(b"}")
    }

    fn comma(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.first) {
            Ok(())
        } else {
            self.out.write_all(b",")
        }
    }

    fn key(&mut self, key: &str) -> io::Result<()> {
        self.comma()?;
        string(key.as_bytes(), self.out)?;
        self.out.write_all(b":")
    }
}

impl<W: Write> Writer for Object<'_, W> {
    type Error = io::Error;

    fn text(&mut self, key: &'static str, value: &Text) -> io::Result<()> {
        self.key(key)?;
        string(value.as_bytes(), self.out)?;
        if self.style.extensions && needs_raw(key, value, self.extra) {
            self.key(&raw_key(key))?;
            base64(value.as_bytes(), self.out)?;
        }
        Ok(())
    }

    fn bytes(&mut self, key: &'static str, value: Option<&[u8]>) -> io::Result<()> {
        self.key(key)?;
        match value {
            Some(bytes) => base64(bytes, self.out),
            None => self.out.write_all(b"null"),
        }
    }

    fn uint(&mut self, key: &'static str, value: u64) -> io::Result<()> {
        self.key(key)?;
        write!(self.out, "{value}")
    }

    fn boolean(&mut self, key: &'static str, value: bool) -> io::Result<()> {
        self.key(key)?;
        write!(self.out, "{value}")
    }

    fn records<T: Record>(&mut self, key: &'static str, value: Option<&[T]>) -> io::Result<()> {
        self.key(key)?;
        let Some(records) = value else {
            return self.out.write_all(b"null");
        };
        self.out.write_all(b"[")?;
        for (at, record) in records.iter().enumerate() {
            if at > 0 {
                self.out.write_all(b",")?;
            }
            let none = Extra::new();
            let mut object = Object::begin(self.out, &none, self.style)?;
            record.write(&mut object)?;
            object.end()?;
        }
        self.out.write_all(b"]")
    }
}
