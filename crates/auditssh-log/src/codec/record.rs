//! How a payload is taken apart and put together, whatever the notation.

use crate::message::{Stream, Text};

/// A payload, or a part of one: named fields in the order of the wire.
pub(super) trait Record: Sized {
    /// How many fields there are.
    const LENGTH: usize;

    /// Hands out every field, in order.
    fn write<W: Writer>(&self, to: &mut W) -> Result<(), W::Error>;

    /// Asks for every field, in order.
    fn read<R: Reader>(from: &mut R) -> Self;
}

/// Takes fields.
pub(super) trait Writer {
    type Error;

    fn text(&mut self, key: &'static str, value: &Text) -> Result<(), Self::Error>;
    fn bytes(&mut self, key: &'static str, value: Option<&[u8]>) -> Result<(), Self::Error>;
    fn uint(&mut self, key: &'static str, value: u64) -> Result<(), Self::Error>;
    fn boolean(&mut self, key: &'static str, value: bool) -> Result<(), Self::Error>;
    fn records<T: Record>(
        &mut self,
        key: &'static str,
        value: Option<&[T]>,
    ) -> Result<(), Self::Error>;
}

/// Gives fields. What is missing or of another kind is the kind's zero value, as in Go.
pub(super) trait Reader {
    fn text(&mut self, key: &'static str) -> Text;
    fn bytes(&mut self, key: &'static str) -> Option<Vec<u8>>;
    fn uint(&mut self, key: &'static str, max: u64) -> u64;
    fn boolean(&mut self, key: &'static str) -> bool;
    fn records<T: Record>(&mut self, key: &'static str) -> Option<Vec<T>>;
}

/// A type that a field may have.
pub(super) trait Field: Sized {
    fn put<W: Writer>(&self, key: &'static str, to: &mut W) -> Result<(), W::Error>;
    fn take<R: Reader>(key: &'static str, from: &mut R) -> Self;
}

impl Field for Text {
    fn put<W: Writer>(&self, key: &'static str, to: &mut W) -> Result<(), W::Error> {
        to.text(key, self)
    }
    fn take<R: Reader>(key: &'static str, from: &mut R) -> Self {
        from.text(key)
    }
}

impl Field for Option<Vec<u8>> {
    fn put<W: Writer>(&self, key: &'static str, to: &mut W) -> Result<(), W::Error> {
        to.bytes(key, self.as_deref())
    }
    fn take<R: Reader>(key: &'static str, from: &mut R) -> Self {
        from.bytes(key)
    }
}

impl Field for Vec<u8> {
    fn put<W: Writer>(&self, key: &'static str, to: &mut W) -> Result<(), W::Error> {
        to.bytes(key, Some(self))
    }
    fn take<R: Reader>(key: &'static str, from: &mut R) -> Self {
        from.bytes(key).unwrap_or_default()
    }
}

impl Field for u64 {
    fn put<W: Writer>(&self, key: &'static str, to: &mut W) -> Result<(), W::Error> {
        to.uint(key, *self)
    }
    fn take<R: Reader>(key: &'static str, from: &mut R) -> Self {
        from.uint(key, u64::MAX)
    }
}

impl Field for u32 {
    fn put<W: Writer>(&self, key: &'static str, to: &mut W) -> Result<(), W::Error> {
        to.uint(key, u64::from(*self))
    }
    fn take<R: Reader>(key: &'static str, from: &mut R) -> Self {
        let number = from.uint(key, u64::from(u32::MAX));
        u32::try_from(number).unwrap_or_default()
    }
}

impl Field for bool {
    fn put<W: Writer>(&self, key: &'static str, to: &mut W) -> Result<(), W::Error> {
        to.boolean(key, *self)
    }
    fn take<R: Reader>(key: &'static str, from: &mut R) -> Self {
        from.boolean(key)
    }
}

impl Field for Stream {
    fn put<W: Writer>(&self, key: &'static str, to: &mut W) -> Result<(), W::Error> {
        to.uint(key, u64::from(*self))
    }
    fn take<R: Reader>(key: &'static str, from: &mut R) -> Self {
        from.uint(key, u64::MAX).into()
    }
}

impl<T: Record> Field for Option<Vec<T>> {
    fn put<W: Writer>(&self, key: &'static str, to: &mut W) -> Result<(), W::Error> {
        to.records(key, self.as_deref())
    }
    fn take<R: Reader>(key: &'static str, from: &mut R) -> Self {
        from.records(key)
    }
}

/// Name of the key that holds the bytes of a text that is not UTF-8.
pub(super) fn raw_key(key: &str) -> String {
    format!("{key}Bytes")
}

/// Whether a key is another's [`raw_key`], in any case.
pub(super) fn is_raw_key(key: &[u8], of: &str) -> bool {
    key.split_at_checked(of.len()).is_some_and(|(name, rest)| {
        name.eq_ignore_ascii_case(of.as_bytes()) && rest.eq_ignore_ascii_case(b"Bytes")
    })
}
