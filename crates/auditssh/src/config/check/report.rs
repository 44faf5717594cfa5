//! Everything that a check finds, so that one run names all of it.

use crate::config::at::At;
use crate::config::error::Fault;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// What is wrong and what is doubtful.
#[derive(Debug)]
pub(super) struct Report {
    /// The file that is being checked.
    file: PathBuf,
    pub(super) faults: Vec<(PathBuf, Fault)>,
    pub(super) warnings: Vec<(PathBuf, Fault)>,
}

impl Report {
    pub(super) fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            faults: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// A value that can't be served.
    pub(super) fn fault<T>(&mut self, at: &At<T>, message: impl Display) {
        self.faults
            .push((self.file.clone(), Fault::at(at, message)));
    }

    /// Something that can't be served and has no place of its own.
    pub(super) fn fault_of_file(&mut self, message: impl Display) {
        self.faults.push((self.file.clone(), Fault::new(message)));
    }

    /// A value that is doubtful.
    pub(super) fn warn<T>(&mut self, at: &At<T>, message: impl Display) {
        self.warnings
            .push((self.file.clone(), Fault::at(at, message)));
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

    /// The value if it lies between the bounds, both included; otherwise a fault.
    pub(super) fn between<T: PartialOrd + Display + Copy>(
        &mut self,
        key: &str,
        at: &At<T>,
        least: T,
        most: T,
    ) -> T {
        if !(least..=most).contains(&at.value) {
            let value = at.value;
            self.fault(
                at,
                format!("`{key}` is {value}, but must lie between {least} and {most}"),
            );
        }
        at.value
    }
}
