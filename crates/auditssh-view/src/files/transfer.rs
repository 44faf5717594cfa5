use super::{At, Content, Data, Direction, Shared, To, Told};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const AGAIN: &str = "parts were written more than once";

/// How many bytes of a file wait for those before them.
const MOST_HELD: usize = 1 << 20;

/// A file's content on its way. Bytes may come out of order, as long as few wait.
#[derive(Clone, Debug)]
pub(super) struct Transfer {
    pub(super) number: u64,
    pub(super) direction: Direction,
    pub(super) begun: At,
    bytes: u64,
    hash: Sha256,
    /// Up to here everything is hashed.
    next: u64,
    held: BTreeMap<u64, Vec<u8>>,
    waiting: usize,
    incomplete: Option<&'static str>,
}

impl Transfer {
    pub(super) fn new(number: u64, direction: Direction, begun: At) -> Self {
        Self {
            number,
            direction,
            begun,
            bytes: 0,
            hash: Sha256::new(),
            next: 0,
            held: BTreeMap::new(),
            waiting: 0,
            incomplete: None,
        }
    }

    /// Takes bytes, and passes them on.
    pub(super) fn push(
        &mut self,
        path: &[u8],
        offset: u64,
        bytes: &[u8],
        shared: &mut Shared,
        to: &mut To<'_>,
    ) {
        if bytes.is_empty() {
            return;
        }
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        to(Told::Data(&Data {
            transfer: self.number,
            direction: self.direction,
            path,
            offset,
            bytes,
        }));
        if self.incomplete.is_some() {
            return;
        }
        match offset.cmp(&self.next) {
            std::cmp::Ordering::Equal => self.take(bytes, shared),
            std::cmp::Ordering::Less => self.again(offset, bytes, shared),
            std::cmp::Ordering::Greater => self.hold(offset, bytes, shared),
        }
        self.settle(shared);
    }

    fn take(&mut self, bytes: &[u8], shared: &mut Shared) {
        self.hash.update(bytes);
        self.next = self.next.saturating_add(bytes.len() as u64);
        while let Some(first) = self.held.first_entry() {
            if *first.key() > self.next {
                return;
            }
            let (offset, bytes) = first.remove_entry();
            self.waiting -= bytes.len();
            shared.give(bytes.len());
            if offset < self.next && self.direction == Direction::Upload {
                return self.spoil(AGAIN);
            }
            self.add(offset, &bytes);
        }
    }

    /// Bytes came that did already. What is read twice is the same file; what is written twice may not
    /// be.
    fn again(&mut self, offset: u64, bytes: &[u8], shared: &mut Shared) {
        match self.direction {
            Direction::Upload => self.spoil(AGAIN),
            Direction::Download => {
                let known = usize::try_from(self.next - offset).unwrap_or(usize::MAX);
                if let Some(rest) = bytes.get(known..) {
                    self.take(rest, shared);
                }
            }
        }
    }

    /// Hashes what of these bytes is new.
    fn add(&mut self, offset: u64, bytes: &[u8]) {
        let known = usize::try_from(self.next.saturating_sub(offset)).unwrap_or(usize::MAX);
        let new = bytes.get(known..).unwrap_or_default();
        self.hash.update(new);
        self.next = self.next.saturating_add(new.len() as u64);
    }

    fn hold(&mut self, offset: u64, bytes: &[u8], shared: &mut Shared) {
        if self.waiting + bytes.len() > MOST_HELD || !shared.take(bytes.len()) {
            return self.spoil("it went through with holes or out of order");
        }
        self.waiting += bytes.len();
        // Pieces of one message come one after the other.
        if let Some((begun, last)) = self.held.range_mut(..offset).next_back()
            && begun.saturating_add(last.len() as u64) == offset
        {
            last.extend_from_slice(bytes);
        } else if let Some(before) = self.held.insert(offset, bytes.to_vec()) {
            self.waiting -= before.len();
            shared.give(before.len());
            if self.direction == Direction::Upload {
                self.spoil(AGAIN);
            }
        }
    }

    /// There is no hash, for this reason.
    pub(super) fn spoil(&mut self, why: &'static str) {
        self.incomplete.get_or_insert(why);
        self.held.clear();
    }

    /// Gives back the memory of what is not held any more.
    pub(super) fn settle(&mut self, shared: &mut Shared) {
        if self.held.is_empty() {
            shared.give(std::mem::take(&mut self.waiting));
        }
    }

    /// Up to where everything went through.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Whether all of it went through, so far as is known.
    pub(super) fn is_whole(&self) -> bool {
        self.incomplete.is_none() && self.held.is_empty()
    }

    /// What is known at the end.
    pub(super) fn finish(mut self, shared: &mut Shared) -> Content {
        if !self.held.is_empty() {
            self.spoil("it went through with holes");
        }
        self.settle(shared);
        let sha256 = self
            .incomplete
            .is_none()
            .then(|| self.hash.finalize().into());
        Content {
            bytes: if sha256.is_some() {
                self.next
            } else {
                self.bytes
            },
            sha256,
            incomplete: self.incomplete.map(Into::into),
        }
    }
}
