//! CBOR items out of a stream, within limits.

use super::cbor::{ARRAY, BYTES, MAP, NEGATIVE, RAW_TEXT, SIMPLE, TAG, TEXT, UINT};
use super::error::{Damage, Fault};
use crate::message::{Text, Value};

/// Largest message in bytes.
pub const MAX_MESSAGE: usize = 16 * 1024 * 1024;
/// Most values (keys, elements, tags) in one message.
pub const MAX_VALUES: usize = 65_536;
/// Deepest nesting of a message, its map included.
pub const MAX_NESTING: usize = 16;

/// Work that is free of charge, and that each byte of input allows for. One unit is one value, or
/// so many bytes of text; a message costs [`MESSAGE_WORK`] more. Bytes cost nothing: output that is
/// all zeros compresses as well as anything can. Real sessions need less than 2 a byte.
const FREE_WORK: u64 = 32 << 20;
const WORK_PER_BYTE: u64 = 24;
const MESSAGE_WORK: u64 = 16;
const TEXT_PER_WORK: u64 = 4;

/// Strings up to this length are read before memory is reserved for all that they declare.
const TRUSTED_LENGTH: usize = 64 * 1024;

const SELF_DESCRIBED: u64 = 55_799;
const BREAK: u8 = 0xff;

/// Content of a log: the bytes that messages are read from.
pub(super) trait Source {
    /// The bytes at hand: none at the end of the content.
    fn fill(&mut self) -> Result<&[u8], Fault>;
    /// Takes bytes that [`fill`](Self::fill) has shown.
    fn consume(&mut self, count: usize);
    /// How many bytes of the file have been read for it.
    fn offset(&self) -> u64;
    /// Called where a message begins.
    fn begin(&mut self) {}
}

impl Source for &[u8] {
    fn fill(&mut self) -> Result<&[u8], Fault> {
        Ok(self)
    }
    fn consume(&mut self, count: usize) {
        *self = self.get(count..).unwrap_or_default();
    }
    fn offset(&self) -> u64 {
        0
    }
}

/// Reads items from a source.
pub(super) struct Parser<S> {
    pub(super) source: S,
    /// Bytes that the message may still have.
    bytes_left: usize,
    /// Values that the message may still have.
    values_left: usize,
    /// Work done so far.
    pub(super) work: u64,
}

/// The first bytes of an item.
#[derive(Clone, Copy)]
pub(super) struct Head {
    major: u8,
    info: u8,
    /// The argument; `None` for an indefinite length.
    pub(super) value: Option<u64>,
}

impl<S: Source> Parser<S> {
    pub(super) fn new(source: S) -> Self {
        Self {
            source,
            bytes_left: MAX_MESSAGE,
            values_left: MAX_VALUES,
            work: 0,
        }
    }

    /// The next byte, not taken; `None` at the end.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, Fault> {
        Ok(self.source.fill()?.first().copied())
    }

    /// Takes a byte if it is the break of an indefinite length.
    pub(super) fn eat_break(&mut self) -> Result<bool, Fault> {
        let found = self.peek()?.ok_or(Fault::Cut)? == BREAK;
        if found {
            self.source.consume(1);
        }
        Ok(found)
    }

    /// Takes the tag that says "this is CBOR" if it comes next.
    pub(super) fn eat_self_described(&mut self) -> Result<bool, Fault> {
        if self.peek()? != Some(0xd9) {
            return Ok(false);
        }
        let head = self.head()?;
        if head.value == Some(SELF_DESCRIBED) {
            return Ok(true);
        }
        Err(Damage::NotAMessage.into())
    }

    /// The item of a message, the limits of which begin anew.
    pub(super) fn message(&mut self) -> Result<Value, Fault> {
        self.source.begin();
        self.bytes_left = MAX_MESSAGE;
        self.values_left = MAX_VALUES;
        self.work += MESSAGE_WORK;
        self.value(MAX_NESTING)
    }

    pub(super) fn head(&mut self) -> Result<Head, Fault> {
        let first = self.byte()?;
        let info = first & 0x1f;
        let value = match info {
            0..24 => Some(u64::from(info)),
            24 => Some(u64::from(self.byte()?)),
            25 => Some(u64::from(u16::from_be_bytes(self.array()?))),
            26 => Some(u64::from(u32::from_be_bytes(self.array()?))),
            27 => Some(u64::from_be_bytes(self.array()?)),
            31 => None,
            _ => return Err(Damage::Cbor.into()),
        };
        let major = first >> 5;
        if value.is_none() && !matches!(major, BYTES | TEXT | ARRAY | MAP) {
            return Err(Damage::Cbor.into());
        }
        Ok(Head { major, info, value })
    }

    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        self.charge()?;
        let head = self.head()?;
        match (head.major, head.value) {
            (UINT, Some(number)) => Ok(Value::Integer(number.into())),
            (NEGATIVE, Some(number)) => Ok(Value::Integer(-1 - i128::from(number))),
            (BYTES, length) => Ok(Value::Bytes(self.string(BYTES, length)?)),
            (TEXT, length) => {
                let text = self.string(TEXT, length)?;
                self.spend(text.len() as u64 / TEXT_PER_WORK)?;
                Ok(Value::Text(text.into()))
            }
            (ARRAY, length) => self.elements(length, deeper(depth)?),
            (MAP, length) => self.entries(length, deeper(depth)?),
            (TAG, Some(tag)) => {
                let item = self.value(deeper(depth)?)?;
                Ok(tagged(tag, item))
            }
            (SIMPLE, Some(number)) => simple(head.info, number),
            _ => Err(Damage::Cbor.into()),
        }
    }

    fn elements(&mut self, length: Option<u64>, depth: usize) -> Result<Value, Fault> {
        let mut items = Vec::new();
        let mut left = length;
        while self.more(&mut left)? {
            items.push(self.value(depth)?);
        }
        Ok(Value::Array(items))
    }

    fn entries(&mut self, length: Option<u64>, depth: usize) -> Result<Value, Fault> {
        let expected = length.and_then(|length| usize::try_from(length).ok());
        let mut items = Vec::with_capacity(expected.unwrap_or(0).min(8));
        let mut left = length;
        while self.more(&mut left)? {
            let key = self.value(depth)?;
            items.push((key, self.value(depth)?));
        }
        Ok(Value::Map(items))
    }

    /// Whether another part follows.
    fn more(&mut self, left: &mut Option<u64>) -> Result<bool, Fault> {
        match left {
            Some(0) => Ok(false),
            Some(count) => {
                *count -= 1;
                Ok(true)
            }
            None => Ok(!self.eat_break()?),
        }
    }

    fn string(&mut self, major: u8, length: Option<u64>) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        if let Some(length) = length {
            self.append(length, &mut out)?;
            return Ok(out);
        }
        while !self.eat_break()? {
            self.charge()?;
            let chunk = self.head()?;
            match chunk.value {
                Some(length) if chunk.major == major => self.append(length, &mut out)?,
                _ => return Err(Damage::Cbor.into()),
            }
        }
        Ok(out)
    }

    /// Reads that many bytes. Memory is reserved as they come, so that a declared length alone
    /// costs nothing.
    fn append(&mut self, length: u64, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut left = usize::try_from(length)
            .ok()
            .filter(|length| *length <= self.bytes_left)
            .ok_or(Damage::TooLarge)?;
        self.bytes_left -= left;
        out.reserve(left.min(TRUSTED_LENGTH));
        while left > 0 {
            let available = self.source.fill()?;
            if available.is_empty() {
                return Err(Fault::Cut);
            }
            let part = available.get(..left).unwrap_or(available);
            let count = part.len();
            if out.capacity() - out.len() < count {
                let doubled = out.len().min(left + self.bytes_left);
                out.reserve_exact(doubled.max(count));
            }
            out.extend_from_slice(part);
            self.source.consume(count);
            left -= count;
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        self.bytes_left = self.bytes_left.checked_sub(1).ok_or(Damage::TooLarge)?;
        let byte = self.peek()?.ok_or(Fault::Cut)?;
        self.source.consume(1);
        Ok(byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.byte()?;
        }
        Ok(bytes)
    }

    fn charge(&mut self) -> Result<(), Fault> {
        self.values_left = self
            .values_left
            .checked_sub(1)
            .ok_or(Damage::TooManyValues)?;
        self.spend(1)
    }

    fn spend(&mut self, work: u64) -> Result<(), Fault> {
        self.work += work;
        if self.work > FREE_WORK && self.work > self.allowance() {
            return Err(Damage::Expansion.into());
        }
        Ok(())
    }

    fn allowance(&self) -> u64 {
        FREE_WORK.saturating_add(self.source.offset().saturating_mul(WORK_PER_BYTE))
    }
}

fn deeper(depth: usize) -> Result<usize, Fault> {
    match depth {
        0 => Err(Damage::TooDeep.into()),
        depth => Ok(depth - 1),
    }
}

fn tagged(tag: u64, item: Value) -> Value {
    match item {
        item if tag == SELF_DESCRIBED => item,
        Value::Bytes(bytes) if tag == RAW_TEXT && std::str::from_utf8(&bytes).is_err() => {
            Value::Text(Text::from(bytes))
        }
        item => Value::Tag(tag, Box::new(item)),
    }
}

/// Simple values and floating point numbers (RFC 8949, 3.3).
fn simple(info: u8, number: u64) -> Result<Value, Fault> {
    Ok(match (info, number) {
        (20, _) => Value::Bool(false),
        (21, _) => Value::Bool(true),
        (22 | 23, _) => Value::Null,
        (25, bits) => float(half(bits)),
        (26, bits) => {
            float(u32::try_from(bits).map_or(f64::NAN, |bits| f64::from(f32::from_bits(bits))))
        }
        (27, bits) => float(f64::from_bits(bits)),
        (24, 0..32) => return Err(Damage::Cbor.into()),
        (_, number) => Value::Simple(u8::try_from(number).map_err(|_| Damage::Cbor)?),
    })
}

/// There is one NaN: its sign and what else its bits may say are not kept.
fn float(number: f64) -> Value {
    Value::Float(if number.is_nan() { f64::NAN } else { number })
}

/// A half-precision number (RFC 8949, appendix D).
fn half(bits: u64) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::try_from((bits >> 10) & 0x1f).unwrap_or(0);
    let mantissa = f64::from(u32::try_from(bits & 0x3ff).unwrap_or(0));
    sign * match exponent {
        0 => mantissa * 2f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (mantissa + 1024.0) * 2f64.powi(exponent - 25),
    }
}
