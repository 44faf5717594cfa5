//! From a file to raw structs.

use super::error::{ConfigError, Fault};
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use zeroize::Zeroizing;

/// No configuration is larger; what is, is not one.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Reads a YAML file into `T`; an empty file is an empty map.
pub(crate) fn read<T: DeserializeOwned + Default>(path: &Path) -> Result<T, ConfigError> {
    let fail = |fault| ConfigError(vec![(path.to_owned(), fault)]);
    let text = text(path).map_err(|error| fail(Fault::new(error)))?;
    parse(&text).map_err(fail)
}

/// Reads YAML.
pub(crate) fn parse<T: DeserializeOwned + Default>(text: &str) -> Result<T, Fault> {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options::<Option<T>>(text, options)
        .map(Option::unwrap_or_default)
        .map_err(|error| Fault::from_yaml(&error))
}

fn text(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let mut file = File::open(path)?.take(MAX_BYTES + 1);
    file.read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other("larger than 16 MiB: not a configuration"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
