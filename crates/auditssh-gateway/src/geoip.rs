//! The country of an address, from a database of MaxMind's format.

use maxminddb::{MaxMindDbError, Reader, path};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What stands for a country that is not known (a code that ISO 3166 leaves to its users).
pub const UNKNOWN: &str = "XX";
/// More than the largest database with countries has, in bytes.
const LARGEST: u64 = 1 << 30;
/// What the types of databases with countries have in their names.
const KINDS: [&str; 3] = ["Country", "City", "Enterprise"];

/// Why a database can't be used.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    /// It can't be read.
    #[error("{}: {source}", file.display())]
    Read {
        /// The database.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no such database.
    #[error("{}: no database of MaxMind's format (.mmdb): {source}", file.display())]
    Format {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: MaxMindDbError,
    },
    /// It says nothing about countries.
    #[error(
        "{}: a database of the type {kind:?}, which holds no countries; one such as GeoIP2-Country, \
         GeoLite2-Country or a City database is wanted", file.display()
    )]
    Kind {
        /// The database.
        file: PathBuf,
        /// What it says of itself.
        kind: String,
    },
    /// It is too large.
    #[error("{}: larger than {} MiB; give a Country database", file.display(), LARGEST >> 20)]
    Large {
        /// The database.
        file: PathBuf,
    },
}

/// Knows countries of addresses; without a database none.
#[derive(Clone, Default)]
pub struct Countries(Option<Arc<Reader<Vec<u8>>>>);

impl Countries {
    /// Reads a database into memory: whatever becomes of the file, answers stay the same.
    pub fn open(file: &Path) -> Result<Self, GeoError> {
        let reader = Reader::from_source(read(file)?).map_err(|source| GeoError::Format {
            file: file.to_owned(),
            source,
        })?;
        let kind = &reader.metadata().database_type;
        if !KINDS.iter().any(|known| kind.contains(known)) {
            return Err(GeoError::Kind {
                file: file.to_owned(),
                kind: kind.clone(),
            });
        }
        Ok(Self(Some(Arc::new(reader))))
    }

    /// The ISO 3166-1 code of an address's country, [`UNKNOWN`] if there is none.
    pub fn of(&self, address: IpAddr) -> String {
        let database = self.0.as_ref();
        let found = database.and_then(|database| match code(database, address) {
            Ok(code) => code,
            Err(error) => {
                tracing::debug!(%error, "the database of countries has no answer");
                None
            }
        });
        found.unwrap_or_else(|| UNKNOWN.to_owned())
    }
}

impl fmt::Debug for Countries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.0.as_ref().map(|it| &it.metadata().database_type);
        f.debug_tuple("Countries").field(&kind).finish()
    }
}

fn read(file: &Path) -> Result<Vec<u8>, GeoError> {
    let fail = |source| GeoError::Read {
        file: file.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let source = File::open(file).map_err(fail)?;
    source
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(fail)?;
    if bytes.len() as u64 > LARGEST {
        let file = file.to_owned();
        return Err(GeoError::Large { file });
    }
    Ok(bytes)
}

/// What a database says, unless it is no code at all.
fn code(database: &Reader<Vec<u8>>, address: IpAddr) -> Result<Option<String>, MaxMindDbError> {
    let found: Option<&str> = database
        .lookup(address)?
        .decode_path(&path!["country", "iso_code"])?;
    let is_code = |text: &&str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
    Ok(found.filter(is_code).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_database_no_country_is_known() {
        let address = "192.0.2.1".parse().unwrap();
        assert_eq!(Countries::default().of(address), "XX");
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("x.mmdb");
        let said = |file: &Path| Countries::open(file).unwrap_err().to_string();
        assert!(said(&file).contains("x.mmdb: No such file"));
        assert!(said(directory.path()).contains("Is a directory"));
        for text in ["", "no database", "\u{ab}\u{cd}MaxMind.com"] {
            std::fs::write(&file, text).unwrap();
            assert!(said(&file).contains("x.mmdb: no database of MaxMind"));
        }
    }
}
