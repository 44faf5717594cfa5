//! The two files that take frames.

use crate::directory::tail_name;
use crate::disk::{Disk, DiskFile, uninterrupted, write_all};
use auditssh_log::tail::Header;
use std::io;
use std::sync::Arc;

/// What a tail begins with; it doubles when it is full.
const FIRST: u64 = 32 << 10;
/// Kept in each tail for the messages that close a log on a full disk.
const RESERVE: u64 = 8 << 10;

/// The tails of a log.
#[derive(Debug)]
pub(crate) struct Tails {
    disk: Arc<dyn Disk>,
    id: String,
    version: u32,
    files: [Option<Tail>; 2],
    /// A name was made that no sync of the directory is known to have reached.
    new: bool,
}

/// One tail.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) seed: u32,
    allocated: u64,
}

impl Tail {
    /// How long the file must be.
    pub(crate) const fn allocated(&self) -> u64 {
        self.allocated
    }
}

impl Tails {
    /// Makes the first tail.
    pub(crate) fn begin(disk: Arc<dyn Disk>, id: &str, version: u32) -> io::Result<Self> {
        let mut tails = Self {
            disk,
            id: id.to_owned(),
            version,
            files: [None, None],
            new: true,
        };
        tails.make(0)?;
        Ok(tails)
    }

    /// The tail of a chunk.
    pub(crate) fn of(&self, chunk: u32) -> Option<&Tail> {
        let [even, odd] = &self.files;
        if chunk.is_multiple_of(2) { even } else { odd }.as_ref()
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &Tail> {
        self.files.iter().flatten()
    }

    /// What the checksums of a chunk's frames continue from.
    pub(crate) fn seed(&self, chunk: u32) -> u32 {
        self.of(chunk).map_or(0, |tail| tail.seed)
    }

    /// Whether names were made since this was last asked.
    pub(crate) fn take_new(&mut self) -> bool {
        std::mem::take(&mut self.new)
    }

    /// Whether frames may reach up to `end` without further space.
    pub(crate) fn has_room(&self, chunk: u32, end: u64) -> bool {
        self.of(chunk).is_some_and(|tail| end <= tail.allocated)
    }

    /// Sees to it that frames may reach up to `end` and the reserve stays.
    pub(crate) fn make_room(&mut self, chunk: u32, end: u64) -> io::Result<()> {
        let [even, odd] = &mut self.files;
        let Some(tail) = (if chunk.is_multiple_of(2) { even } else { odd }) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let needed = end + RESERVE;
        if needed > tail.allocated {
            let length = needed.max(tail.allocated * 2);
            uninterrupted(|| tail.file.allocate(length))?;
            tail.allocated = length;
        }
        Ok(())
    }

    /// Forces the tails to the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.files()
            .try_for_each(|tail| uninterrupted(|| tail.file.sync()))
    }

    /// Makes the tail of a chunk, if there is none.
    pub(crate) fn make(&mut self, chunk: u32) -> io::Result<()> {
        if self.of(chunk).is_some() {
            return Ok(());
        }
        let name = tail_name(&self.id, chunk);
        let file = match uninterrupted(|| self.disk.create(&name)) {
            // One that could not be begun before, nor removed then.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                uninterrupted(|| self.disk.open(&name))?
            }
            result => result?,
        };
        match self.start(file) {
            Ok(tail) => {
                let [even, odd] = &mut self.files;
                *(if chunk.is_multiple_of(2) { even } else { odd }) = Some(tail);
                self.new = true;
                Ok(())
            }
            Err(error) => {
                let _ = uninterrupted(|| self.disk.remove(&name));
                Err(error)
            }
        }
    }

    fn start(&self, file: Arc<dyn DiskFile>) -> io::Result<Tail> {
        let mut id = [0; 32];
        for (place, byte) in id.iter_mut().zip(self.id.bytes()) {
            *place = byte;
        }
        let header = Header {
            id,
            version: self.version,
            nonce: rand::random(),
        };
        uninterrupted(|| file.allocate(FIRST))?;
        write_all(&*file, &header.encode(), 0)?;
        Ok(Tail {
            seed: header.seed(),
            file,
            allocated: FIRST,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fault, FaultyDisk, Plan, PowerDisk};

    const ID: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn what_is_left_of_a_tail_that_could_not_be_begun_is_taken() {
        const EIO: i32 = 5;
        for first in 1..3 {
            let disk = PowerDisk::default();
            let plan = Arc::new(Plan::new(Fault::Error(EIO), first, true));
            let faulty = FaultyDisk::new(Arc::new(disk.clone()), Arc::clone(&plan));
            let mut tails = Tails {
                disk: Arc::new(faulty),
                id: ID.to_owned(),
                version: 1,
                files: [None, None],
                new: false,
            };
            tails.make(1).unwrap_err();
            assert_eq!(disk.names().len(), 1, "it could not be removed");
            plan.heal();
            tails.make(1).unwrap();
            let bytes = disk.bytes(&tail_name(ID, 1)).unwrap();
            assert_eq!(Header::decode(&bytes).unwrap().seed(), tails.seed(1));
            assert_eq!(bytes.len() as u64, FIRST);
            assert!(tails.take_new());
        }
    }
}
