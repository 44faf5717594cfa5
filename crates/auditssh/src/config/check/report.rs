//! Everything that a check finds, so that one run names all of it.

use crate::config::at::{At, Place};
use crate::config::bounds::{Bounds, Number};
use crate::config::error::Fault;
use crate::config::outline::Outline;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// What is wrong and what is doubtful.
#[derive(Debug)]
pub(super) struct Report {
    /// The file that is being checked.
    file: PathBuf,
    /// Knows its keys.
    outline: Outline,
    pub(super) faults: Vec<(PathBuf, Fault)>,
    pub(super) warnings: Vec<(PathBuf, Fault)>,
}

impl Report {
    pub(super) fn new(file: &Path, outline: Outline) -> Self {
        Self {
            file: file.to_owned(),
            outline,
            faults: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// A value that can't be served. The message may begin with the key; its path is put in its
    /// place, or before it.
    pub(super) fn fault<T>(&mut self, at: &At<T>, message: impl Display) {
        let fault = self.about(at, message);
        self.faults.push((self.file.clone(), fault));
    }

    fn about<T>(&self, at: &At<T>, message: impl Display) -> Fault {
        Fault::at(at, self.outline.name(at.place, &message.to_string()))
    }

    /// A setting and where it stands, for what turns out to be wrong with it later.
    pub(super) fn place<T>(&self, at: &At<T>, key: &str) -> String {
        match at.place {
            Some(Place { line, column }) => {
                format!("{}:{line}:{column}: `{key}`", self.file.display())
            }
            None => format!("`{key}`"),
        }
    }

    /// The keys of a block of the file that are given.
    pub(super) fn keys(&self, block: &str) -> Vec<At<String>> {
        self.outline.keys(block)
    }

    /// Something that can't be served and has no place of its own.
    pub(super) fn fault_of_file(&mut self, message: impl Display) {
        self.faults.push((self.file.clone(), Fault::new(message)));
    }

    /// A value that is doubtful.
    pub(super) fn warn<T>(&mut self, at: &At<T>, message: impl Display) {
        let warning = self.about(at, message);
        self.warnings.push((self.file.clone(), warning));
    }

    /// Something doubtful that has no place of its own.
    pub(super) fn warn_of_file(&mut self, message: impl Display) {
        self.warnings.push((self.file.clone(), Fault::new(message)));
    }

    /// Takes over what another file's check found.
    pub(super) fn merge(&mut self, other: Self) {
        self.faults.extend(other.faults);
        self.warnings.extend(other.warnings);
    }

    /// The value; a fault if it is out of bounds.
    pub(super) fn within<T: Number>(&mut self, at: &At<T>, bounds: Bounds<T>) -> T {
        if let Some(refusal) = bounds.refusal(at.value) {
            self.fault(at, refusal);
        }
        at.value
    }
}
