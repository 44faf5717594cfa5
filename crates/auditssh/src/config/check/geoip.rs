//! `geoip`.

use super::report::Report;
use crate::config::raw::{GeoIp, Provider};
use auditssh_gateway::geoip::Countries;
use std::path::Path;

/// Reads the database, if one is asked for.
pub(super) fn check(raw: &GeoIp, report: &mut Report) -> Countries {
    if raw.provider.value == Provider::Dummy {
        return Countries::default();
    }
    Countries::open(Path::new(&raw.file.value)).unwrap_or_else(|error| {
        if raw.file.place.is_some() {
            report.fault(&raw.file, error);
        } else {
            let why = format!(
                "{error}; this is the default of `geoip.maxmind-geoip2-file`, give the path of yours"
            );
            report.fault(&raw.provider, why);
        }
        Countries::default()
    })
}
