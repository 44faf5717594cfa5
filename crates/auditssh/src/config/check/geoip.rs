//! `geoip`.

use super::report::Report;
use crate::config::raw::{GeoIp, Provider};
use auditssh_gateway::geoip::Countries;
use std::path::Path;

/// Reads the database, if one is asked for.
pub(super) fn check(raw: &GeoIp, report: &mut Report) -> Countries {
    if raw.provider == Provider::Dummy {
        return Countries::default();
    }
    Countries::open(Path::new(&raw.file.value)).unwrap_or_else(|error| {
        if raw.file.place.is_some() {
            report.fault(&raw.file, error);
        } else {
            report.fault_of_file(format!(
                "`geoip.maxmind-geoip2-file`: {error}; this is the default, give the path of yours"
            ));
        }
        Countries::default()
    })
}
