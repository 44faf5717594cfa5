use super::{Disk, DiskFile, Space, Status};
use rustix::fd::OwnedFd;
use rustix::fs::{self, AtFlags, FallocateFlags, FileType, Gid, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// A directory of this machine, held open: what happens to its path afterwards does not matter.
#[derive(Debug)]
pub struct LocalDisk {
    directory: OwnedFd,
    path: Option<PathBuf>,
    mode: Mode,
    group: Option<Gid>,
}

#[derive(Debug)]
struct LocalFile(OwnedFd);

impl LocalDisk {
    /// Files that are made are readable for the group too, if one is given.
    pub fn new(directory: OwnedFd, group: Option<u32>) -> Self {
        let mode = if group.is_some() { 0o640 } else { 0o600 };
        Self {
            directory,
            path: None,
            mode: Mode::from_raw_mode(mode),
            group: group.map(Gid::from_raw),
        }
    }

    /// Says by which path the directory was opened.
    #[must_use]
    pub fn at(self, path: PathBuf) -> Self {
        let path = Some(path);
        Self { path, ..self }
    }

    fn reach(&self, name: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(fs::openat(&self.directory, name, flags, self.mode)?)
    }
}

impl Disk for LocalDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.reach(name, OFlags::CREATE | OFlags::EXCL)?;
        if let Some(group) = self.group {
            let shared =
                fs::fchown(&file, None, Some(group)).and_then(|()| fs::fchmod(&file, self.mode));
            if let Err(error) = shared {
                let _ = self.remove(name);
                return Err(error.into());
            }
        }
        Ok(Arc::new(LocalFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.reach(name, OFlags::empty())?;
        let kind = FileType::from_raw_mode(fs::fstat(&file)?.st_mode);
        if kind != FileType::RegularFile {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{name} is no regular file"),
            ));
        }
        Ok(Arc::new(LocalFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let directory = &self.directory;
        Ok(fs::renameat_with(
            directory,
            from,
            directory,
            to,
            RenameFlags::NOREPLACE,
        )?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        Ok(fs::unlinkat(&self.directory, name, AtFlags::empty())?)
    }

    fn list(&self, each: &mut dyn FnMut(&str)) -> io::Result<()> {
        for entry in fs::Dir::read_from(&self.directory)? {
            if let Ok(name) = entry?.file_name().to_str() {
                each(name);
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(fs::fsync(&self.directory)?)
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(fs::syncfs(&self.directory)?)
    }

    fn space(&self) -> io::Result<Space> {
        let status = fs::fstatvfs(&self.directory)?;
        Ok(Space {
            total: status.f_blocks.saturating_mul(status.f_frsize),
            free: status.f_bavail.saturating_mul(status.f_frsize),
        })
    }

    fn is_in_place(&self) -> bool {
        let Some(path) = &self.path else { return true };
        match (fs::fstat(&self.directory), fs::lstat(path)) {
            (Ok(held), Ok(named)) => (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino),
            (_, Err(Errno::NOENT | Errno::NOTDIR)) => false,
            _ => true,
        }
    }

    fn probe(&self) -> io::Result<()> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match fs::openat(&self.directory, ".", flags, self.mode) {
            Ok(file) => rustix::io::pwrite(&file, &[0], 0).map(drop)?,
            // The file system has no files without a name.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

impl DiskFile for LocalFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(rustix::io::pread(&self.0, bytes, offset)?)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        Ok(rustix::io::pwrite(&self.0, bytes, offset)?)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        match fs::fallocate(&self.0, FallocateFlags::empty(), 0, length) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.fill(length),
            result => Ok(result?),
        }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        Ok(fs::ftruncate(&self.0, length)?)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(fs::fdatasync(&self.0)?)
    }

    fn status(&self) -> io::Result<Status> {
        let status = fs::fstat(&self.0)?;
        Ok(Status {
            links: status.st_nlink,
            length: u64::try_from(status.st_size).unwrap_or(0),
            number: status.st_ino,
        })
    }
}

impl LocalFile {
    /// Takes space by writing zeros after the end, where the file system cannot allocate.
    fn fill(&self, length: u64) -> io::Result<()> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut end = self.status()?.length;
        while end < length {
            let step = usize::try_from(length - end).unwrap_or(usize::MAX);
            let zeros = ZEROS.get(..step).unwrap_or(&ZEROS);
            super::write_all(self, zeros, end)?;
            end += zeros.len() as u64;
        }
        Ok(())
    }
}
