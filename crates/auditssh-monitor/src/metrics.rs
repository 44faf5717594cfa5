//! What the parts of the server have counted, in the text form of OpenMetrics 1.0, which Prometheus
//! reads.
//!
//! Names that ContainerSSH has are kept with their labels (`containerssh`); all others begin with
//! `auditssh_`, and with `process_` what is true of any process.

mod archive;
mod behind;
mod connections;
mod containerssh;
mod process;
mod sheet;
mod uploads;

use crate::health::Health;
use crate::page::{Answer, Page};
use auditssh_archive::Archive;
use auditssh_gateway as gateway;
use auditssh_s3::Uploader;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;
use sheet::Sheet;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// The media type of the form.
const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The page of all metrics.
#[derive(Debug)]
pub struct Metrics {
    path: String,
    registry: Registry,
}

/// Where numbers come from.
#[derive(Debug)]
struct Sources {
    version: &'static str,
    began: SystemTime,
    counts: Counts,
    archive: Archive,
    /// Of each output of the archive that has a bucket.
    uploads: Vec<Option<Arc<Uploader>>>,
    health: Arc<Health>,
}

/// What the gateway and its backends count.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// The gateway.
    pub gateway: Arc<gateway::Counters>,
    /// Its backends.
    pub backends: Arc<gateway::BackendCounters>,
}

impl Metrics {
    /// To be served at `path`.
    pub fn new(
        path: String,
        version: &'static str,
        counts: Counts,
        archive: Archive,
        uploads: Vec<Option<Arc<Uploader>>>,
        health: Arc<Health>,
    ) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Sources {
            version,
            began: SystemTime::now(),
            counts,
            archive,
            uploads,
            health,
        }));
        Self { path, registry }
    }

    fn text(&self) -> Result<String, fmt::Error> {
        let mut all = String::new();
        text::encode(&mut all, &self.registry)?;
        Ok(all)
    }
}

impl Page for Metrics {
    fn answer(&self, path: &str, _: bool) -> Answer {
        if path != self.path {
            return Answer::not_found(format!("metrics are at {}", self.path));
        }
        match self.text() {
            Ok(body) => Answer {
                status: 200,
                kind: KIND,
                body,
            },
            Err(_) => Answer::text(500, "the metrics cannot be written"),
        }
    }
}

impl Collector for Sources {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet::new(encoder);
        containerssh::write(&mut sheet, &self.counts.gateway.origins.all())?;
        sheet.info(
            "auditssh_build",
            "The version that runs",
            [("version", self.version)],
        )?;
        sheet.gauge(
            "auditssh_ready",
            "Whether connections are let in (1) or not (0)",
            u64::from(self.health.ready().is_ok()),
        )?;
        connections::write(&mut sheet, &self.counts.gateway)?;
        behind::write(&mut sheet, &self.counts.backends)?;
        let archives: Vec<_> = self.archive.outputs().collect();
        // Only several outputs have names: their numbers in the configuration.
        let several = archives.len() > 1;
        let names = (1..=archives.len()).map(|number| {
            let name = several.then(|| ("output", number.to_string()));
            name.into_iter().collect::<Vec<_>>()
        });
        let names: Vec<_> = names.collect();
        let outputs = names.iter().zip(&archives);
        let outputs = outputs.filter_map(|(names, archive)| {
            Some((names.clone(), archive.counters()?, archive.status()?))
        });
        archive::write(&mut sheet, &outputs.collect::<Vec<_>>())?;
        let uploads = names.iter().zip(&self.uploads);
        let uploads = uploads.filter_map(|(names, uploads)| {
            let uploads = uploads.as_ref()?;
            Some((names.clone(), uploads.counters(), uploads.status()))
        });
        uploads::write(&mut sheet, &uploads.collect::<Vec<_>>())?;
        process::write(&mut sheet, self.began)
    }
}

#[cfg(test)]
mod tests;
