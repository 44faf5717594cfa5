use super::cbor;
use super::record::{Record, Writer, is_raw_key, raw_key};
use crate::message::{Event, Extra, Message, Text, Value};
use std::convert::Infallible;

/// Appends a message to `out`: one CBOR map, byte for byte as ContainerSSH writes it.
pub fn encode(message: &Message, out: &mut Vec<u8>) {
    let raw_id = needs_raw(
        "connectionId",
        &message.connection_id,
        &message.envelope_extra,
    );
    let further = message.envelope_extra.len() + usize::from(raw_id);
    cbor::length(out, cbor::MAP, 5 + further);
    cbor::text(out, "connectionId");
    cbor::text(out, &message.connection_id.to_str_lossy());
    cbor::text(out, "timestamp");
    cbor::integer(out, message.timestamp.into());
    cbor::text(out, "type");
    cbor::head(out, cbor::UINT, message.event.type_number());
    cbor::text(out, "payload");
    payload(out, &message.event, &message.extra);
    cbor::text(out, "channelId");
    match message.channel_id {
        Some(id) => cbor::head(out, cbor::UINT, id),
        None => out.push(cbor::NULL),
    }
    if raw_id {
        cbor::text(out, &raw_key("connectionId"));
        cbor::bytes(out, message.connection_id.as_bytes());
    }
    cbor::entries(out, &message.envelope_extra);
}

fn payload(out: &mut Vec<u8>, event: &Event, extra: &Extra) {
    match (event, event.payload_length()) {
        (
            Event::Unknown {
                payload: Value::Map(known),
                ..
            },
            _,
        ) if !extra.is_empty() => {
            cbor::length(out, cbor::MAP, known.len() + extra.len());
            for (key, item) in known {
                cbor::value(out, key);
                cbor::value(out, item);
            }
            cbor::entries(out, extra);
        }
        (Event::Unknown { payload, .. }, _) if extra.is_empty() => cbor::value(out, payload),
        (_, None) if extra.is_empty() => out.push(cbor::NULL),
        (_, length) => {
            let mut count = RawTexts { count: 0, extra };
            let Ok(()) = event.write_payload(&mut count);
            cbor::length(
                out,
                cbor::MAP,
                length.unwrap_or(0) + count.count + extra.len(),
            );
            let Ok(()) = event.write_payload(&mut Fields { out, extra });
            cbor::entries(out, extra);
        }
    }
}

/// Whether the bytes of a text must be written beside it: it is not UTF-8, or a further key looks
/// as if it held them.
pub(super) fn needs_raw(key: &str, text: &Text, extra: &Extra) -> bool {
    text.as_str().is_none()
        || extra
            .iter()
            .any(|(name, _)| is_raw_key(name.as_bytes(), key))
}

/// Counts the texts of a payload that are written twice.
struct RawTexts<'a> {
    count: usize,
    extra: &'a Extra,
}

impl Writer for RawTexts<'_> {
    type Error = Infallible;

    fn text(&mut self, key: &'static str, value: &Text) -> Result<(), Infallible> {
        self.count += usize::from(needs_raw(key, value, self.extra));
        Ok(())
    }
    fn bytes(&mut self, _: &'static str, _: Option<&[u8]>) -> Result<(), Infallible> {
        Ok(())
    }
    fn uint(&mut self, _: &'static str, _: u64) -> Result<(), Infallible> {
        Ok(())
    }
    fn boolean(&mut self, _: &'static str, _: bool) -> Result<(), Infallible> {
        Ok(())
    }
    fn records<T: Record>(&mut self, _: &'static str, _: Option<&[T]>) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Writes fields as entries of a map.
struct Fields<'a> {
    out: &'a mut Vec<u8>,
    extra: &'a Extra,
}

impl Writer for Fields<'_> {
    type Error = Infallible;

    fn text(&mut self, key: &'static str, value: &Text) -> Result<(), Infallible> {
        cbor::text(self.out, key);
        cbor::text(self.out, &value.to_str_lossy());
        if needs_raw(key, value, self.extra) {
            cbor::text(self.out, &raw_key(key));
            cbor::bytes(self.out, value.as_bytes());
        }
        Ok(())
    }

    fn bytes(&mut self, key: &'static str, value: Option<&[u8]>) -> Result<(), Infallible> {
        cbor::text(self.out, key);
        match value {
            Some(bytes) => cbor::bytes(self.out, bytes),
            None => self.out.push(cbor::NULL),
        }
        Ok(())
    }

    fn uint(&mut self, key: &'static str, value: u64) -> Result<(), Infallible> {
        cbor::text(self.out, key);
        cbor::head(self.out, cbor::UINT, value);
        Ok(())
    }

    fn boolean(&mut self, key: &'static str, value: bool) -> Result<(), Infallible> {
        cbor::text(self.out, key);
        self.out.push(if value { cbor::TRUE } else { cbor::FALSE });
        Ok(())
    }

    fn records<T: Record>(
        &mut self,
        key: &'static str,
        value: Option<&[T]>,
    ) -> Result<(), Infallible> {
        cbor::text(self.out, key);
        let Some(records) = value else {
            self.out.push(cbor::NULL);
            return Ok(());
        };
        let none = Extra::new();
        cbor::length(self.out, cbor::ARRAY, records.len());
        for record in records {
            let mut count = RawTexts {
                count: 0,
                extra: &none,
            };
            record.write(&mut count)?;
            cbor::length(self.out, cbor::MAP, T::LENGTH + count.count);
            let mut fields = Fields {
                out: self.out,
                extra: &none,
            };
            record.write(&mut fields)?;
        }
        Ok(())
    }
}
