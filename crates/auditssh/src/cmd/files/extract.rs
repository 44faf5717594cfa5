//! Contents written back into files.

use super::names::Names;
use auditssh_view::files::{Action, Data, Entry};
use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Most files that are open at once, and most in all.
const MOST_OPEN: usize = 512;
const MOST_FILES: usize = 20_000;

/// Writes contents below a directory.
pub(super) struct Extract {
    directory: PathBuf,
    /// Where the files of this connection are, if there are several.
    below: PathBuf,
    names: Names,
    /// Open files by the number of their transfer; `None` for those that are left out.
    open: HashMap<u64, Option<(File, PathBuf)>>,
    files: usize,
    /// How many bytes may still be written.
    left: u64,
    /// How many files are not whole for that.
    left_out: u64,
}

impl Extract {
    /// A directory that is new or empty: so whatever is in it was made here, and no link leads out.
    pub(super) fn new(directory: &Path, most: u64) -> anyhow::Result<Self> {
        if directory.is_dir() {
            let is_empty = directory.read_dir()?.next().is_none();
            anyhow::ensure!(is_empty, "it is not empty: name a new directory");
        } else {
            DirBuilder::new().mode(0o700).create(directory)?;
        }
        Ok(Self {
            directory: directory.to_owned(),
            below: PathBuf::new(),
            names: Names::default(),
            open: HashMap::new(),
            files: 0,
            left: most,
            left_out: 0,
        })
    }

    /// What follows is of this one of several connections.
    pub(super) fn begin(&mut self, connection: &str) {
        self.open.clear();
        self.below = self.names.below(connection);
    }

    /// Writes bytes where they stood in their file.
    pub(super) fn data(&mut self, data: &Data<'_>) -> io::Result<()> {
        if !self.open.contains_key(&data.transfer) {
            let file = self.create(data)?;
            self.open.insert(data.transfer, file);
        }
        let Some(slot) = self.open.get_mut(&data.transfer) else {
            return Ok(());
        };
        let Some((file, _)) = slot else {
            return Ok(());
        };
        // A file with a hole is as long as where it ends.
        let end = data.offset.saturating_add(data.bytes.len() as u64);
        let grows = end.saturating_sub(file.metadata()?.len());
        let cost = grows.max(data.bytes.len() as u64);
        let Some(left) = self.left.checked_sub(cost) else {
            *slot = None;
            self.left_out += 1;
            return Ok(());
        };
        self.left = left;
        file.write_all_at(data.bytes, data.offset)
    }

    /// A transfer ended: where its content is.
    pub(super) fn end(&mut self, entry: &Entry) -> Option<PathBuf> {
        let Action::Transfer { number, .. } = &entry.action else {
            return None;
        };
        let (_, place) = self.open.remove(number)??;
        Some(place)
    }

    /// What could not be written.
    pub(super) fn problem(&self) -> Option<String> {
        let left_out = self.left_out;
        (left_out > 0).then(|| {
            format!(
                "{left_out} files are not extracted, or not whole: they would be more than --most \
                 allows, or too many"
            )
        })
    }

    fn create(&mut self, data: &Data<'_>) -> io::Result<Option<(File, PathBuf)>> {
        if self.open.len() >= MOST_OPEN || self.files >= MOST_FILES {
            self.left_out += 1;
            return Ok(None);
        }
        self.files += 1;
        let first = self.below.join(data.direction.word());
        let place = self.names.place(&first, data.path);
        let path = self.directory.join(&place);
        if let Some(parent) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)?;
        }
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        Ok(Some((file, place)))
    }
}
