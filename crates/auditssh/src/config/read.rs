//! From a file to raw structs.

use super::at::Place;
use super::error::{ConfigError, Fault};
use super::outline::Outline;
use super::schema;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use zeroize::Zeroizing;

/// No configuration is larger; what is, is not one.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Reads a YAML file into `T`, and what stands where in it; an empty file is an empty map.
pub(crate) fn read<T>(path: &Path) -> Result<(T, Outline), ConfigError>
where
    T: DeserializeOwned + Default + JsonSchema,
{
    let of_file = |fault| (path.to_owned(), fault);
    let bytes = bytes(path).map_err(|error| ConfigError(vec![of_file(Fault::new(error))]))?;
    let text = text(&bytes).map_err(|fault| ConfigError(vec![of_file(fault)]))?;
    parse(text).map_err(|faults| ConfigError(faults.into_iter().map(of_file).collect()))
}

/// Reads YAML. What is of the wrong kind, and unknown keys, are all found at once; of values that
/// do not fit only the first.
pub(crate) fn parse<T>(text: &str) -> Result<(T, Outline), Vec<Fault>>
where
    T: DeserializeOwned + Default + JsonSchema,
{
    let one = |fault| vec![fault];
    let outline = Outline::new(text, schema::of::<T>().to_value());
    let outline = outline.map_err(|error| one(Fault::of_yaml(&error)))?;
    let faults = outline.faults();
    if !faults.is_empty() {
        return Err(faults);
    }
    let options = serde_saphyr::options! { with_snippet: false };
    let value = serde_saphyr::from_str_with_options::<Option<T>>(text, options)
        .map_err(|error| one(Fault::of_value(&error, &outline)))?;
    Ok((value.unwrap_or_default(), outline))
}

fn bytes(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let mut file = File::open(path)?.take(MAX_BYTES + 1);
    file.read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other("larger than 16 MiB: not a configuration"));
    }
    Ok(bytes)
}

fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| {
        let before = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let line = before.rsplit('\n').next().unwrap_or_default();
        let place = Place {
            line: before.matches('\n').count() as u64 + 1,
            column: line.chars().count() as u64 + 1,
        };
        Fault {
            place: Some(place),
            message: "this is not UTF-8 text; save the file as UTF-8".to_owned(),
        }
    })
}

#[cfg(test)]
mod tests;
