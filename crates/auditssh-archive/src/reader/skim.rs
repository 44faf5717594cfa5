//! Leaves members out of the middle of long logs.

use crate::span::Span;
use auditssh_log::seal::{Flags, SEAL_LENGTH, Seal};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _};
use std::sync::Arc;

/// Most members that are taken for the end of a log, however small they are.
const MOST: usize = 64;

/// How much of a log is read, in bytes of content.
#[derive(Debug)]
pub(super) struct Skim {
    /// From its beginning.
    first: u64,
    /// At its end.
    last: u64,
    given: u64,
    leapt: bool,
}

/// A border between members.
#[derive(Clone, Copy, Debug)]
pub(super) struct Border {
    pub(super) offset: u64,
    /// Members before it.
    pub(super) members: u32,
    /// Messages in them.
    pub(super) sealed: u64,
}

impl Skim {
    pub(super) const fn new(first: u64, last: u64) -> Self {
        Self {
            first,
            last,
            given: 0,
            leapt: false,
        }
    }

    /// Whether members may be left out from here on; that happens once. Else this one counts as
    /// given.
    pub(super) fn is_enough(&mut self, seal: &Seal) -> bool {
        self.given = self.given.saturating_add(seal.content.into());
        let enough = self.given > self.first && !self.leapt;
        self.leapt |= enough;
        enough
    }

    /// Where the last members begin of those that stand from `from` on.
    pub(super) fn leap(&self, file: &Arc<File>, from: Border) -> io::Result<Border> {
        let length = file.metadata()?.len();
        let mut kept: VecDeque<(Border, u64)> = VecDeque::new();
        let mut content: u64 = 0;
        let mut at = from;
        loop {
            let mut start = Vec::new();
            Span::new(Arc::clone(file), at.offset, SEAL_LENGTH as u64).read_to_end(&mut start)?;
            let Some(seal) = Seal::read(&start).filter(|seal| {
                (seal.number, seal.first) == (at.members, at.sealed)
                    && length.saturating_sub(at.offset) >= seal.length.into()
            }) else {
                break;
            };
            kept.push_back((at, seal.content.into()));
            content = content.saturating_add(seal.content.into());
            while let Some((_, oldest)) = kept.front()
                && kept.len() > 1
                && (content - oldest >= self.last || kept.len() > MOST)
            {
                content -= oldest;
                kept.pop_front();
            }
            if seal.flags.contains(Flags::FINAL) {
                break;
            }
            at = Border {
                offset: at.offset.saturating_add(seal.length.into()),
                members: at.members.saturating_add(1),
                sealed: at.sealed.saturating_add(seal.count.into()),
            };
        }
        Ok(kept.front().map_or(from, |(border, _)| *border))
    }
}
