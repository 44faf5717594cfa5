//! Settings that a configuration server gives one connection, laid over those of the file.

#[cfg(test)]
mod tests;

use super::report::Report;
use super::{Backend, forwarding, limits, security};
use crate::config::raw::Raw;
use crate::config::read::parse;
use crate::config::secret;
use auditssh_gateway::security::Security;
use serde_json::{Map, Value};
use std::fmt;
use std::path::Path;
use zeroize::Zeroizing;

/// What says which backend there is.
const BACKEND: [&str; 5] = ["backend", "local", "sshproxy", "docker", "kubernetes"];
/// What else an answer may set.
const SECURITY: &str = "security";
/// What the checks of these look at, too; only the file has it.
const BESIDE: [&str; 2] = ["ssh", "limits"];
/// What an answer may hold without any effect: the level of the log is the server's.
const PASSED_OVER: &str = "log";
/// Bytes of what is said of an answer.
const SAID_BYTES: usize = 500;

/// The settings of the file that an answer may change, as JSON; it holds their secrets.
#[derive(Clone)]
pub(crate) struct Base(Zeroizing<Vec<u8>>);

/// What one connection is served by.
#[derive(Debug)]
pub(crate) struct Own {
    /// `None` for that of the file.
    pub(crate) backend: Option<Backend>,
    pub(crate) security: Security,
}

impl Base {
    pub(super) fn new(raw: &Raw) -> serde_json::Result<Self> {
        let Value::Object(mut all) = secret::exposed(|| serde_json::to_value(raw))? else {
            return Ok(Self(Zeroizing::default()));
        };
        let kept = |name: &str| BACKEND.contains(&name) || BESIDE.contains(&name);
        all.retain(|name, _| kept(name) || name == SECURITY);
        Self::written(&all)
    }

    fn written(blocks: &Map<String, Value>) -> serde_json::Result<Self> {
        serde_json::to_vec(blocks).map(|json| Self(Zeroizing::new(json)))
    }

    fn blocks(&self) -> serde_json::Result<Map<String, Value>> {
        serde_json::from_slice(&self.0)
    }

    /// The same with the backend of another: that one stays as it was at the start.
    pub(crate) fn with_backend_of(&self, start: &Self) -> serde_json::Result<Self> {
        let (mut blocks, mut start) = (self.blocks()?, start.blocks()?);
        for name in BACKEND {
            if let Some(block) = start.remove(name) {
                blocks.insert(name.to_owned(), block);
            }
        }
        Self::written(&blocks)
    }

    /// What is the same for two of which this is the same.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// What an answer makes of them, `config` being [`significant`]. The error says what is wrong
    /// with it, in one line.
    pub(crate) fn lay(&self, config: &Map<String, Value>) -> Result<Own, String> {
        refuse(config)?;
        let mut blocks = self.blocks().map_err(|error| error.to_string())?;
        respell(&mut blocks, config);
        merge(&mut blocks, config);
        let text = serde_json::to_string(&blocks).map(Zeroizing::new);
        let text = text.map_err(|error| error.to_string())?;
        let (raw, outline): (Raw, _) = parse(&text).map_err(|faults| {
            let faults = faults.iter();
            said(faults.map(|fault| fault.message.as_str()))
        })?;
        let mut report = Report::new(Path::new(""), outline);
        let limits = limits::check(&raw.limits, &mut report);
        let security = security::check(&raw.security, limits.session_channels, &mut report);
        let (backend, _) = super::backend(&raw, &mut report);
        let wanted = &raw.security.forwarding;
        forwarding::fits(wanted, &security.forwarding, &backend, &mut report);
        if !report.faults.is_empty() {
            let faults = report.faults.iter();
            return Err(said(faults.map(|(_, fault)| fault.message.as_str())));
        }
        let own = BACKEND.iter().any(|name| config.contains_key(*name));
        Ok(Own {
            backend: own.then_some(backend),
            security,
        })
    }
}

/// What of an answer says something. As with ContainerSSH, what is empty, zero or false is as if
/// it were not there: its servers write out all that they do not set.
pub(crate) fn significant(mut config: Map<String, Value>) -> Map<String, Value> {
    config.remove(PASSED_OVER);
    without_zeros(config)
}

fn without_zeros(map: Map<String, Value>) -> Map<String, Value> {
    let kept = map.into_iter().filter_map(|(name, value)| {
        let value = match value {
            Value::Object(inner) => Value::Object(without_zeros(inner)),
            other => other,
        };
        let nothing = match &value {
            Value::Null | Value::Bool(false) => true,
            Value::Bool(true) => false,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(inner) => inner.is_empty(),
        };
        (!nothing).then_some((name, value))
    });
    kept.collect()
}

/// What only the file may say, above all how sessions are recorded.
fn refuse(config: &Map<String, Value>) -> Result<(), String> {
    let allowed = |name: &&String| BACKEND.contains(&name.as_str()) || *name == SECURITY;
    if let Some(name) = config.keys().find(|name| !allowed(name)) {
        let name: String = name.chars().take(40).collect();
        let (all, name) = (BACKEND.join("`, `"), name.escape_debug());
        return Err(format!(
            "it sets `{name}`, which only the file may; it may set `{all}` and `{SECURITY}`"
        ));
    }
    let divided = |proxy: &Value| proxy.get("routeSeparator").is_some();
    if config.get("sshproxy").is_some_and(divided) {
        return Err(
            "it sets `sshproxy.routeSeparator`, by which the login name was divided before".into(),
        );
    }
    Ok(())
}

/// Keys that an engine understands in any letters are one key, however file and answer spell them.
fn respell(below: &mut Map<String, Value>, above: &Map<String, Value>) {
    let execution = |map: &Map<String, Value>| Some(map.get("docker")?.get("execution")?.clone());
    let Some(answer) = execution(above) else {
        return;
    };
    let docker = below.get_mut("docker");
    let Some(execution) = docker.and_then(|docker| docker.get_mut("execution")) else {
        return;
    };
    for block in ["container", "host", "network", "platform"] {
        let answer = answer.get(block).and_then(Value::as_object);
        let file = execution.get_mut(block).and_then(Value::as_object_mut);
        let (Some(answer), Some(file)) = (answer, file) else {
            continue;
        };
        let taken = std::mem::take(file);
        file.extend(taken.into_iter().map(|(key, value)| {
            let same = |name: &&String| name.eq_ignore_ascii_case(&key);
            let name = answer.keys().find(same).cloned();
            (name.unwrap_or(key), value)
        }));
    }
}

/// Maps are joined; anything else takes the place of what was there.
fn merge(below: &mut Map<String, Value>, above: &Map<String, Value>) {
    for (name, value) in above {
        match (below.get_mut(name), value) {
            (Some(Value::Object(below)), Value::Object(above)) => merge(below, above),
            _ => {
                below.insert(name.clone(), value.clone());
            }
        }
    }
}

fn said<'a>(messages: impl Iterator<Item = &'a str>) -> String {
    let mut text = messages.collect::<Vec<_>>().join("; ");
    if text.len() > SAID_BYTES {
        text.truncate(text.floor_char_boundary(SAID_BYTES));
        text.push('…');
    }
    text
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Base")
    }
}
