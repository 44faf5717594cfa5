//! `geoip`.

use crate::config::at::At;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// From where the country of a connection is known.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct GeoIp {
    /// What knows the countries.
    pub(crate) provider: At<Provider>,
    /// The database: one with countries, such as GeoLite2-Country. It is read at the start and at
    /// SIGHUP, so that a newer one may take its place at any time.
    #[serde(rename = "maxmind-geoip2-file")]
    pub(crate) file: At<String>,
}

impl Default for GeoIp {
    fn default() -> Self {
        Self {
            provider: At::unplaced(Provider::Dummy),
            file: At::unplaced("/var/lib/GeoIP/GeoIP2-Country.mmdb".into()),
        }
    }
}

/// What knows the countries.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Provider {
    /// Nothing: every country is `XX`.
    #[default]
    Dummy,
    /// The database `maxmind-geoip2-file`; an address that it does not know has the country `XX`.
    MaxMind,
}
