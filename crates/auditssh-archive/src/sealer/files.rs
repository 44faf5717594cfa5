//! The files that chunks are written to.

mod lines;
mod members;

use crate::disk::DiskFile;
use crate::form::Form;
use crate::shared::Shared;
use auditssh_log::seal::Deflate;
use auditssh_log::tail::Frame;
use lines::Lines;
use members::Members;
use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// What chunks of a log become.
pub(crate) trait Files: Send + Debug {
    /// Writes a chunk, so that it may be done again if it fails: nothing before it is touched.
    /// Returns what it added to.
    fn seal(
        &mut self,
        shared: &Shared,
        frames: &[Frame<'_>],
        deflate: &mut Deflate,
    ) -> io::Result<Vec<Written>>;

    /// Writes what follows the last chunk. The same.
    fn finish(&mut self, shared: &Shared) -> io::Result<Vec<Written>>;

    /// The files that are open.
    fn open(&self) -> Vec<Written>;

    /// Names of all files that the log has.
    fn names(&self) -> Vec<String>;
}

/// A file, as far as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) name: String,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) length: u64,
    /// Whether its name may not be on the disk.
    pub(crate) new: bool,
}

/// The files of a log that begins. `file` is the one that it begins with, if it does with one.
pub(crate) fn begin(form: &Form, id: &str, file: Option<Arc<dyn DiskFile>>) -> Box<dyn Files> {
    match (form, file) {
        (Form::Messages(format), Some(file)) => Box::new(Members::new(*format, id, file)),
        _ => Box::new(Lines::new(id)),
    }
}
