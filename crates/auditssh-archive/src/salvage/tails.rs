//! The frames that stand in the tails beside a log, those behind damage included.

use crate::directory::{MOST_DAMAGED, damaged_name, tail_name};
use crate::frames::Frames;
use auditssh_log::tail::{HEADER, Stamp};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The longest tail that is read, in bytes.
const LIMIT: u64 = 64 << 20;

/// Most runs of frames that are told apart. Each takes 40 bytes of memory.
const MOST: usize = 1 << 16;

pub(super) struct Frame {
    pub(super) number: u64,
    pub(super) stamp: Stamp,
    pub(super) gap: bool,
    pub(super) message: Vec<u8>,
}

/// Where frames stand; they are read when they are wanted.
#[derive(Default)]
pub(super) struct Tails {
    files: Vec<Frames<File>>,
    /// By the number of their first message.
    runs: Vec<Run>,
    /// The same, each chunk by itself.
    chunks: Vec<Run>,
}

/// Frames of a chunk one after another, numbered without a gap.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    count: u64,
    chunk: u32,
    file: usize,
    at: u64,
}

impl Tails {
    /// Finds the tails of a log, if it has any.
    pub(super) fn of(log: &Path) -> io::Result<Self> {
        let mut tails = Self::default();
        for path in paths(log) {
            match File::open(path) {
                Ok(file) => {
                    let length = file.metadata()?.len().min(LIMIT);
                    tails.add(Frames::open(file, length)?)?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        tails.runs.sort_by_key(|run| run.first);
        tails.chunks = tails.runs.clone();
        tails.chunks.sort_by_key(|run| (run.chunk, run.first));
        Ok(tails)
    }

    /// Hands out the frames of a chunk from message `first` on, up to the first that is missing.
    pub(super) fn chunk<E>(
        &mut self,
        chunk: u32,
        first: u64,
        mut each: impl FnMut(Frame) -> Result<(), E>,
    ) -> io::Result<Result<(), E>> {
        let begin = self.chunks.partition_point(|run| run.chunk < chunk);
        let end = self.chunks.partition_point(|run| run.chunk <= chunk);
        let mut next = first;
        for at in begin..end {
            let Some(run) = self.chunks.get(at).copied() else {
                break;
            };
            if run.first > next {
                break;
            }
            if let Err(stop) = self.run(&run, &mut next, &mut each)? {
                return Ok(Err(stop));
            }
        }
        Ok(Ok(()))
    }

    /// Hands out all frames from message `first` on, in the order of their numbers.
    pub(super) fn all<E>(
        &mut self,
        first: u64,
        mut each: impl FnMut(Frame) -> Result<(), E>,
    ) -> io::Result<Result<(), E>> {
        let mut next = first;
        for at in 0..self.runs.len() {
            let Some(run) = self.runs.get(at).copied() else {
                break;
            };
            if let Err(stop) = self.run(&run, &mut next, &mut each)? {
                return Ok(Err(stop));
            }
        }
        Ok(Ok(()))
    }

    /// Hands out what a run has from message `next` on.
    fn run<E>(
        &mut self,
        run: &Run,
        next: &mut u64,
        each: &mut impl FnMut(Frame) -> Result<(), E>,
    ) -> io::Result<Result<(), E>> {
        let numbers: Range<u64> = run.first..run.first.saturating_add(run.count);
        if numbers.end <= *next {
            return Ok(Ok(()));
        }
        let Some(file) = self.files.get_mut(run.file) else {
            return Ok(Ok(()));
        };
        let mut at = run.at;
        for number in numbers {
            let Some(found) = file.frame(at)? else {
                break;
            };
            at = found.end();
            if number < *next {
                continue;
            }
            *next = number.saturating_add(1);
            let mut message = Vec::new();
            file.message(&found, &mut message)?;
            let frame = Frame {
                number,
                stamp: found.head.stamp,
                gap: found.head.gap,
                message,
            };
            if let Err(stop) = each(frame) {
                return Ok(Err(stop));
            }
        }
        Ok(Ok(()))
    }

    fn add(&mut self, mut file: Frames<File>) -> io::Result<()> {
        if file.header().is_none() {
            return Ok(());
        }
        let index = self.files.len();
        let mut at = HEADER as u64;
        let mut follows = false;
        while self.runs.len() < MOST {
            if let Some(found) = file.frame(at)? {
                let (number, chunk) = (found.head.number, found.head.chunk);
                match self.runs.last_mut() {
                    Some(run)
                        if follows
                            && run.chunk == chunk
                            && run.first.checked_add(run.count) == Some(number) =>
                    {
                        run.count += 1;
                    }
                    _ => self.runs.push(Run {
                        first: number,
                        count: 1,
                        chunk,
                        file: index,
                        at,
                    }),
                }
                follows = true;
                at = found.end();
            } else {
                match file.stray(at, 0)? {
                    Some((start, _)) if start > at => at = start,
                    _ => break,
                }
                follows = false;
            }
        }
        self.files.push(file);
        Ok(())
    }
}

/// The tails of a log, and those that recovery put aside because they were damaged.
fn paths(log: &Path) -> impl Iterator<Item = PathBuf> {
    let name = log.file_name().unwrap_or_default().to_string_lossy();
    let damaged = (0..MOST_DAMAGED).map(|number| damaged_name(&name, number));
    let names: Vec<_> = [0, 1]
        .map(|tail| tail_name(&name, tail))
        .into_iter()
        .chain(damaged)
        .collect();
    names.into_iter().map(|name| log.with_file_name(name))
}
