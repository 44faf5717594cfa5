//! Passes over CBOR items (RFC 8949, 3).

use std::io::{self, BufRead, Read};

/// No message nests deeper.
const DEPTH: u32 = 64;

/// Passes over the next item; false if it is not all there, or none.
pub(super) fn skip(from: &mut impl BufRead) -> io::Result<bool> {
    Ok(item(from, DEPTH)? == Item::Whole)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Whole,
    /// The end of something of indefinite length.
    Break,
    Bad,
}

fn item(from: &mut impl BufRead, depth: u32) -> io::Result<Item> {
    let Some(depth) = depth.checked_sub(1) else {
        return Ok(Item::Bad);
    };
    let Some(first) = byte(from)? else {
        return Ok(Item::Bad);
    };
    if first == 0xff {
        return Ok(Item::Break);
    }
    let argument = match first & 0x1f {
        info @ 0..=23 => Some(info.into()),
        info @ 24..=27 => match number(from, 1 << (info - 24))? {
            None => return Ok(Item::Bad),
            number => number,
        },
        31 => None,
        _ => return Ok(Item::Bad),
    };
    let whole = match (first >> 5, argument) {
        (0 | 1 | 7, Some(_)) => true,
        (2 | 3, Some(length)) => pass(from, length)?,
        (4, Some(count)) => items(from, count, depth)?,
        (5, Some(count)) => items(from, count.saturating_mul(2), depth)?,
        (6, Some(_)) => items(from, 1, depth)?,
        (2..=5, None) => until_break(from, depth)?,
        _ => false,
    };
    Ok(if whole { Item::Whole } else { Item::Bad })
}

fn items(from: &mut impl BufRead, count: u64, depth: u32) -> io::Result<bool> {
    for _ in 0..count {
        if item(from, depth)? != Item::Whole {
            return Ok(false);
        }
    }
    Ok(true)
}

fn until_break(from: &mut impl BufRead, depth: u32) -> io::Result<bool> {
    loop {
        match item(from, depth)? {
            Item::Whole => {}
            Item::Break => return Ok(true),
            Item::Bad => return Ok(false),
        }
    }
}

fn pass(from: &mut impl BufRead, length: u64) -> io::Result<bool> {
    Ok(io::copy(&mut from.take(length), &mut io::sink())? == length)
}

fn byte(from: &mut impl BufRead) -> io::Result<Option<u8>> {
    let byte = from.fill_buf()?.first().copied();
    from.consume(usize::from(byte.is_some()));
    Ok(byte)
}

fn number(from: &mut impl BufRead, size: u32) -> io::Result<Option<u64>> {
    let mut number = 0;
    for _ in 0..size {
        let Some(byte) = byte(from)? else {
            return Ok(None);
        };
        number = number << 8 | u64::from(byte);
    }
    Ok(Some(number))
}
