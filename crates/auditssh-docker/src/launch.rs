//! What containers are made of: the blocks `container`, `host`, `network` and `platform`, which the
//! engine is given as they are written.
//!
//! Their keys are those of the engine's API, in whatever letters: the configuration of ContainerSSH
//! writes them small. A key that the engine does not know is refused rather than passed over.

mod loose;
#[cfg(test)]
mod tests;

use bollard::models::{ContainerCreateBody, HostConfig, NetworkingConfig, RestartPolicyNameEnum};
use serde::Deserialize;
use serde_json::Value;
use std::fmt;

/// What a container is made of.
#[derive(Clone, Default)]
pub struct Launch {
    pub(crate) body: ContainerCreateBody,
    /// The container's name; empty for one that the engine chooses.
    pub name: String,
    /// `os/architecture/variant`; empty for the engine's own.
    pub platform: String,
}

impl fmt::Debug for Launch {
    /// Variables may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launch")
            .field("image", &self.image())
            .finish_non_exhaustive()
    }
}

/// What an image is for.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Platform {
    architecture: Option<String>,
    os: Option<String>,
    variant: Option<String>,
}

/// Why a block can't be used; it repeats no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LaunchError(String);

impl LaunchError {
    /// The block that it is in.
    pub fn block(&self) -> Option<&str> {
        let quoted = self.0.strip_prefix('`')?;
        quoted.split(['.', '`']).next()
    }
}

impl Launch {
    /// `container`, `host`, `network` and `platform`; null for what is not given.
    pub fn new(
        container: Value,
        host: Value,
        network: Value,
        platform: Value,
    ) -> Result<Self, LaunchError> {
        let mut body: ContainerCreateBody = read("container", container)?;
        if body.host_config.is_some() || body.networking_config.is_some() {
            return Err(LaunchError(
                "`container` holds the settings of the host or the network; write them into `host` and \
                 `network` beside it"
                    .to_owned(),
            ));
        }
        if body.image.as_deref().unwrap_or_default().is_empty() {
            return Err(LaunchError(
                "`container` names no image; write `container: {image: …}`".to_owned(),
            ));
        }
        let letter = |letter: char| letter.is_ascii_alphanumeric() || "._/:@-".contains(letter);
        let image = body.image.as_deref().unwrap_or_default();
        if !image.chars().all(letter) || image.contains("..") {
            return Err(LaunchError(
                "`container.image` is no name of an image, such as debian:12".to_owned(),
            ));
        }
        body.host_config = Some(read::<HostConfig>("host", lift(host))?);
        body.networking_config = Some(read::<NetworkingConfig>("network", network)?);
        let platform: Platform = read("platform", platform)?;
        Ok(Self {
            body,
            name: String::new(),
            platform: platform.text()?,
        })
    }

    /// Whether the engine starts a container anew that has ended.
    pub fn restarts(&self) -> bool {
        let host = self.body.host_config.as_ref();
        let policy = host.and_then(|host| host.restart_policy.as_ref());
        let name = policy.and_then(|policy| policy.name);
        !matches!(
            name,
            None | Some(RestartPolicyNameEnum::EMPTY | RestartPolicyNameEnum::NO)
        )
    }

    /// Whether a command is given, which is replaced.
    pub fn has_command(&self) -> bool {
        self.body
            .cmd
            .as_ref()
            .is_some_and(|words| !words.is_empty())
    }

    pub(crate) fn image(&self) -> &str {
        self.body.image.as_deref().unwrap_or_default()
    }
}

impl Platform {
    fn text(self) -> Result<String, LaunchError> {
        let Self {
            architecture,
            os,
            variant,
        } = self;
        match (os, architecture) {
            (None, None) => Ok(String::new()),
            (Some(os), Some(architecture)) => {
                let parts = [Some(os), Some(architecture), variant];
                Ok(parts.into_iter().flatten().collect::<Vec<_>>().join("/"))
            }
            _ => Err(LaunchError(
                "`platform` wants both `os` and `architecture`, such as linux and amd64".to_owned(),
            )),
        }
    }
}

/// ContainerSSH's configuration may have the limits of a container in a block of their own.
fn lift(host: Value) -> Value {
    let Value::Object(mut map) = host else {
        return host;
    };
    let resources = map.keys().find(|key| key.eq_ignore_ascii_case("resources"));
    if let Some(key) = resources.cloned() {
        match map.remove(&key) {
            Some(Value::Object(resources)) => map.extend(resources),
            Some(other) => _ = map.insert(key, other),
            None => {}
        }
    }
    Value::Object(map)
}

fn read<T: for<'de> Deserialize<'de> + Default>(
    block: &str,
    value: Value,
) -> Result<T, LaunchError> {
    if value.is_null() {
        return Ok(T::default());
    }
    loose::read(value).map_err(|error| LaunchError(error.below(block)))
}
