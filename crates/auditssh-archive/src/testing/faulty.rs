use crate::disk::{Disk, DiskFile, Space, Status};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// In what way an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// With this error of the operating system (`errno`).
    Error(i32),
    /// A write takes only half of the bytes; other operations succeed.
    Short,
    /// Syncs take this long; other operations succeed.
    SlowSync(Duration),
}

/// When operations fail.
#[derive(Debug)]
pub struct Plan {
    fault: Fault,
    /// The first operation that fails, counted from 0.
    first: u64,
    /// Whether all that follow fail, too, until [`Plan::heal`].
    lasting: bool,
    calls: AtomicU64,
    healed: AtomicBool,
    hit: AtomicBool,
}

impl Plan {
    /// The operation with this number fails, once, or also all after it.
    pub const fn new(fault: Fault, first: u64, lasting: bool) -> Self {
        Self {
            fault,
            first,
            lasting,
            calls: AtomicU64::new(0),
            healed: AtomicBool::new(false),
            hit: AtomicBool::new(false),
        }
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        self.healed.store(true, Ordering::SeqCst);
    }

    /// Whether anything failed.
    pub fn was_hit(&self) -> bool {
        self.hit.load(Ordering::SeqCst)
    }

    fn due(&self) -> Option<Fault> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let due = call == self.first || self.lasting && call > self.first;
        if !due || self.healed.load(Ordering::SeqCst) {
            return None;
        }
        self.hit.store(true, Ordering::SeqCst);
        Some(self.fault)
    }

    /// What happens to every operation at present.
    fn lasts(&self) -> Option<Fault> {
        let begun = self.calls.load(Ordering::SeqCst) > self.first;
        (self.lasting && begun && !self.healed.load(Ordering::SeqCst)).then_some(self.fault)
    }

    fn check(&self) -> io::Result<()> {
        match self.due() {
            Some(Fault::Error(number)) => Err(io::Error::from_raw_os_error(number)),
            _ => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        match self.due() {
            Some(Fault::Error(number)) => Err(io::Error::from_raw_os_error(number)),
            Some(Fault::SlowSync(time)) => {
                std::thread::sleep(time);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// A disk of which operations fail by plan.
#[derive(Clone, Debug)]
pub struct FaultyDisk {
    disk: Arc<dyn Disk>,
    plan: Arc<Plan>,
}

#[derive(Debug)]
struct FaultyFile {
    file: Arc<dyn DiskFile>,
    plan: Arc<Plan>,
}

impl FaultyDisk {
    /// Makes operations of `disk` fail.
    pub const fn new(disk: Arc<dyn Disk>, plan: Arc<Plan>) -> Self {
        Self { disk, plan }
    }

    fn wrap(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(FaultyFile {
            file,
            plan: Arc::clone(&self.plan),
        })
    }
}

impl Disk for FaultyDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.plan.check()?;
        Ok(self.wrap(self.disk.create(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.plan.check()?;
        Ok(self.wrap(self.disk.open(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.plan.check()?;
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.plan.check()?;
        self.disk.remove(name)
    }

    fn list(&self, each: &mut dyn FnMut(&str)) -> io::Result<()> {
        self.disk.list(each)
    }

    fn sync(&self) -> io::Result<()> {
        self.plan.sync()?;
        self.disk.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.plan.sync()?;
        self.disk.sync_all()
    }

    fn space(&self) -> io::Result<Space> {
        self.disk.space()
    }

    /// Comes of its own accord, so it is not counted.
    fn probe(&self) -> io::Result<()> {
        match self.plan.lasts() {
            Some(Fault::Error(number)) => Err(io::Error::from_raw_os_error(number)),
            _ => self.disk.probe(),
        }
    }
}

impl DiskFile for FaultyFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.plan.check()?;
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        match self.plan.due() {
            Some(Fault::Error(number)) => Err(io::Error::from_raw_os_error(number)),
            Some(Fault::Short) => {
                let half = bytes.get(..bytes.len().div_ceil(2)).unwrap_or(bytes);
                self.file.write_at(half, offset)
            }
            _ => self.file.write_at(bytes, offset),
        }
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.plan.check()?;
        self.file.allocate(length)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.plan.check()?;
        self.file.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.plan.sync()?;
        self.file.sync()
    }

    fn status(&self) -> io::Result<Status> {
        self.file.status()
    }
}
