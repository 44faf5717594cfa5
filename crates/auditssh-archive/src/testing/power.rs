use crate::disk::{Disk, DiskFile, Space, Status};
use crate::sync::lock;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

/// A write is torn at multiples of this many bytes.
const SECTOR: usize = 512;

/// A disk in memory that can lose its power.
///
/// What was synced stays. Of the rest any part may be on the disk: writes of a file arrive in any
/// order, each whole, not at all, or in some of its sectors; names arrive in the order in which
/// they were made or removed, as far as they arrive. What a failed sync was to write never comes,
/// though it can still be read until then. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct PowerDisk(Arc<Mutex<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    files: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Changes of names that are not durable yet.
    pending_names: Vec<(String, Option<usize>)>,
    calls: u64,
    /// How often a file with a hidden name, a tail, was synced.
    tail_syncs: u64,
    /// Syncs of files so far, and which of them fails.
    syncs: u64,
    broken: Option<u64>,
    /// What is taken at a call: its number, the seed, and what to ask then.
    cut: Option<Cut>,
}

#[derive(Clone)]
struct Cut {
    call: u64,
    /// `None` if only the process ends: what it wrote stays readable, and on its way.
    seed: Option<u64>,
    ask: Arc<dyn Fn() -> u64 + Send + Sync>,
    taken: Option<(PowerDisk, u64)>,
}

impl std::fmt::Debug for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cut")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

#[derive(Debug)]
struct PowerFile {
    disk: PowerDisk,
    inode: usize,
}

impl PowerDisk {
    /// Takes what a power cut at the call with this number would leave, and what `ask` says then.
    pub fn cut_at(&self, call: u64, seed: u64, ask: impl Fn() -> u64 + Send + Sync + 'static) {
        self.take_at(call, Some(seed), Arc::new(ask));
    }

    /// The same for a server that is killed, on a machine that goes on.
    pub fn kill_at(&self, call: u64, ask: impl Fn() -> u64 + Send + Sync + 'static) {
        self.take_at(call, None, Arc::new(ask));
    }

    fn take_at(&self, call: u64, seed: Option<u64>, ask: Arc<dyn Fn() -> u64 + Send + Sync>) {
        lock(&self.0).cut = Some(Cut {
            call,
            seed,
            ask,
            taken: None,
        });
    }

    /// The sync of a file with this number fails.
    pub fn break_sync(&self, number: u64) {
        lock(&self.0).broken = Some(number);
    }

    /// How often files were synced.
    pub fn syncs(&self) -> u64 {
        lock(&self.0).syncs
    }

    /// How often tails were synced.
    pub fn tail_syncs(&self) -> u64 {
        lock(&self.0).tail_syncs
    }

    /// What [`Self::cut_at`] took, if it came to that call.
    pub fn taken(&self) -> Option<(Self, u64)> {
        lock(&self.0).cut.as_ref()?.taken.clone()
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        lock(&self.0).calls
    }

    /// The disk after a power cut now.
    #[must_use]
    pub fn after_cut(&self, seed: u64) -> Self {
        lock(&self.0).after_cut(seed)
    }

    /// The bytes of a file.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let state = lock(&self.0);
        let inode = *state.names.get(name)?;
        Some(state.files.get(inode)?.bytes.clone())
    }

    /// All names.
    pub fn names(&self) -> Vec<String> {
        lock(&self.0).names.keys().cloned().collect()
    }

    fn call<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = lock(&self.0);
        let call = state.calls;
        state.calls += 1;
        if let Some(cut) = state.cut.clone().filter(|cut| cut.call == call) {
            let left = match cut.seed {
                Some(seed) => state.after_cut(seed),
                None => state.after_kill(),
            };
            let answer = (cut.ask)();
            if let Some(cut) = &mut state.cut {
                cut.taken = Some((left, answer));
            }
        }
        work(&mut state)
    }

    fn file(&self, inode: usize) -> Arc<dyn DiskFile> {
        Arc::new(PowerFile {
            disk: self.clone(),
            inode,
        })
    }
}

impl State {
    fn after_cut(&self, seed: u64) -> PowerDisk {
        let mut dice = Dice(seed | 1);
        let mut names = self.durable_names.clone();
        let arrived = dice.below(self.pending_names.len() + 1);
        for (name, inode) in self.pending_names.iter().take(arrived) {
            change(&mut names, name, *inode);
        }
        let files = self.files.iter().map(|file| file.after_cut(&mut dice));
        PowerDisk(Arc::new(Mutex::new(Self {
            files: files.collect(),
            durable_names: names.clone(),
            names,
            ..Self::default()
        })))
    }

    fn after_kill(&self) -> PowerDisk {
        PowerDisk(Arc::new(Mutex::new(Self {
            cut: None,
            broken: None,
            calls: 0,
            ..self.clone()
        })))
    }

    fn sync(&mut self, inode: usize) -> io::Result<()> {
        let number = self.syncs;
        self.syncs += 1;
        let mut names = self.names.iter().filter(|&(_, &named)| named == inode);
        self.tail_syncs += u64::from(names.any(|(name, _)| name.starts_with('.')));
        if self.broken == Some(number) {
            self.inode(inode)?.pending.clear();
            return Err(io::Error::from_raw_os_error(5)); // EIO
        }
        self.inode(inode)?.sync();
        Ok(())
    }

    fn name(&mut self, name: &str, inode: Option<usize>) {
        change(&mut self.names, name, inode);
        self.pending_names.push((name.to_owned(), inode));
    }

    fn sync_names(&mut self) {
        self.durable_names = self.names.clone();
        self.pending_names.clear();
    }

    fn inode(&mut self, inode: usize) -> io::Result<&mut Inode> {
        self.files
            .get_mut(inode)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn change(names: &mut BTreeMap<String, usize>, name: &str, inode: Option<usize>) {
    match inode {
        Some(inode) => names.insert(name.to_owned(), inode),
        None => names.remove(name),
    };
}

impl Inode {
    fn after_cut(&self, dice: &mut Dice) -> Self {
        let mut bytes = self.durable.clone();
        for change in &self.pending {
            match (change, dice.below(3)) {
                (_, 0) => {}
                (change, 1) => change.apply(&mut bytes),
                (Change::Length(_), _) => change.apply(&mut bytes),
                (Change::Write(offset, written), _) => {
                    for (sector, part) in written.chunks(SECTOR).enumerate() {
                        if dice.below(2) == 1 {
                            let at = offset + (sector * SECTOR) as u64;
                            Change::Write(at, part.to_vec()).apply(&mut bytes);
                        }
                    }
                }
            }
        }
        Self {
            bytes: bytes.clone(),
            durable: bytes,
            pending: Vec::new(),
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.bytes);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(usize::try_from(*length).unwrap_or(0), 0),
            Self::Write(offset, written) => {
                let start = usize::try_from(*offset).unwrap_or(0);
                let end = start + written.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                if let Some(place) = bytes.get_mut(start..end) {
                    place.copy_from_slice(written);
                }
            }
        }
    }
}

impl Disk for PowerDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let inode = self.call(|state| {
            if state.names.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            state.files.push(Inode::default());
            let inode = state.files.len() - 1;
            state.name(name, Some(inode));
            Ok(inode)
        })?;
        Ok(self.file(inode))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let inode = self.call(|state| {
            let found = state.names.get(name).copied();
            found.ok_or_else(|| io::ErrorKind::NotFound.into())
        })?;
        Ok(self.file(inode))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.call(|state| {
            let found = state.names.get(from).copied();
            let inode = found.ok_or(io::ErrorKind::NotFound)?;
            state.name(from, None);
            state.name(to, Some(inode));
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.call(|state| {
            if !state.names.contains_key(name) {
                return Err(io::ErrorKind::NotFound.into());
            }
            state.name(name, None);
            Ok(())
        })
    }

    fn list(&self, each: &mut dyn FnMut(&str)) -> io::Result<()> {
        self.names().iter().for_each(|name| each(name));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.call(|state| {
            state.sync_names();
            Ok(())
        })
    }

    fn sync_all(&self) -> io::Result<()> {
        self.call(|state| {
            state.files.iter_mut().for_each(Inode::sync);
            state.sync_names();
            Ok(())
        })
    }

    fn space(&self) -> io::Result<Space> {
        Ok(Space {
            total: 1 << 40,
            free: 1 << 39,
        })
    }
}

impl DiskFile for PowerFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = lock(&self.disk.0);
        let file = state.inode(self.inode)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = file.bytes.get(start..).unwrap_or_default();
        let length = rest.len().min(bytes.len());
        for (place, &byte) in bytes.iter_mut().zip(rest) {
            *place = byte;
        }
        Ok(length)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.disk.call(|state| {
            let change = Change::Write(offset, bytes.to_vec());
            state.inode(self.inode)?.change(change);
            Ok(bytes.len())
        })
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.disk.call(|state| {
            let file = state.inode(self.inode)?;
            if (file.bytes.len() as u64) < length {
                file.change(Change::Length(length));
            }
            Ok(())
        })
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.disk.call(|state| {
            state.inode(self.inode)?.change(Change::Length(length));
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.call(|state| state.sync(self.inode))
    }

    fn status(&self) -> io::Result<Status> {
        let mut state = lock(&self.disk.0);
        let named = state.names.values().any(|&inode| inode == self.inode);
        let file = state.inode(self.inode)?;
        Ok(Status {
            links: u64::from(named),
            length: file.bytes.len() as u64,
            number: self.inode as u64,
        })
    }
}

/// Numbers that depend on the seed alone (xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % end.max(1)
    }
}
