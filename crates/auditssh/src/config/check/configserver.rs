//! `configserver`.

use super::auth::{bounds, make};
use super::own::Base;
use super::report::Report;
use crate::config::at::At;
use crate::config::duration::Span;
use crate::config::raw::{self, Raw};
use auditssh_webhook::ConfigServer;
use serde_json::Map;
use std::sync::Arc;

/// For how long it is asked again, as with ContainerSSH.
const WITHIN: Span = Span::from_secs(60);

/// The server; `None` if nobody is asked.
pub(super) fn check(raw: &Raw, base: &Base, report: &mut Report) -> Option<Arc<ConfigServer>> {
    let block = &raw.configserver;
    let webhook = raw::Webhook {
        allow_redirects: block.allow_redirects.clone(),
        ..block.webhook(&At::unplaced(WITHIN))
    };
    bounds(&webhook, report);
    if webhook.url.value.is_empty() {
        return None;
    }
    let faults = report.faults.len();
    let made = make("configserver", &webhook, report);
    // With an answer that changes nothing: what is wrong with the file shows at the start.
    if report.faults.len() == faults
        && let Err(error) = base.lay(&Map::new())
    {
        report.fault(
            &block.url,
            format!("`url`: nothing can be laid over this file: {error}"),
        );
    }
    Some(Arc::new(ConfigServer::new(
        made?,
        block.transmit_sensitive_metadata,
    )))
}
