//! `limits`: bounds that keep a typing error from making a server that serves nobody, or one
//! without limits.

use super::report::Report;
use crate::config::at::At;
use crate::config::duration::Span;
use crate::config::raw;
use crate::config::size::Size;
use auditssh_gateway::Limits;
use std::time::Duration;

const MANY: usize = 1_000_000;
const SECOND: Span = Span::from_secs(1);
const MINUTE: Span = Span::from_secs(60);
const HOUR: Span = Span::from_secs(3600);
const DAY: Span = Span::from_secs(24 * 3600);

pub(super) fn check(raw: &raw::Limits, report: &mut Report) -> Limits {
    let mut bounds = Bounds(report);
    Limits {
        unauthenticated: bounds.count("unauthenticated", &raw.unauthenticated, 1, MANY),
        unauthenticated_per_source: bounds.count(
            "unauthenticatedPerSource",
            &raw.unauthenticated_per_source,
            1,
            MANY,
        ),
        unauthenticated_wait: bounds.time(
            "unauthenticatedWait",
            &raw.unauthenticated_wait,
            Span::default(),
            MINUTE,
        ),
        login_grace_time: bounds.time("loginGraceTime", &raw.login_grace_time, SECOND, HOUR),
        auth_attempts: bounds.count("authAttempts", &raw.auth_attempts, 1, 100),
        rejection_time: bounds.time(
            "rejectionTime",
            &raw.rejection_time,
            Span::default(),
            Span::from_secs(10),
        ),
        connections: bounds.count("connections", &raw.connections, 0, MANY),
        session_channels: bounds.count("sessionChannels", &raw.session_channels, 1, 1000),
        channels: bounds
            .0
            .between("channels", &raw.channels, 1, 1_000_000_000),
        environment_variables: bounds.count(
            "environmentVariables",
            &raw.environment_variables,
            0,
            10_000,
        ),
        environment_bytes: bounds.size(
            "environmentBytes",
            &raw.environment_bytes,
            Size::default(),
            Size::mebibytes(1),
        ),
        name_bytes: bounds.size(
            "nameBytes",
            &raw.name_bytes,
            Size::bytes(1),
            Size::kibibytes(64),
        ),
        command_bytes: bounds.size(
            "commandBytes",
            &raw.command_bytes,
            Size::kibibytes(1),
            Size::mebibytes(1),
        ),
        channel_buffer: bounds.size(
            "channelBuffer",
            &raw.channel_buffer,
            Size::kibibytes(256),
            Size::gibibytes(1),
        ),
        backend_open: bounds.time("backendOpen", &raw.backend_open, SECOND, HOUR),
        backend_request: bounds.time("backendRequest", &raw.backend_request, SECOND, HOUR),
        disconnect_grace: bounds.time(
            "disconnectGrace",
            &raw.disconnect_grace,
            Span::default(),
            MINUTE,
        ),
        shutdown_grace: bounds.time("shutdownGrace", &raw.shutdown_grace, Span::default(), DAY),
    }
}

struct Bounds<'a>(&'a mut Report);

impl Bounds<'_> {
    fn count(&mut self, key: &str, at: &At<usize>, least: usize, most: usize) -> usize {
        self.0.between(key, at, least, most)
    }

    fn size(&mut self, key: &str, at: &At<Size>, least: Size, most: Size) -> usize {
        self.0.between(key, at, least, most).into()
    }

    fn time(&mut self, key: &str, at: &At<Span>, least: Span, most: Span) -> Duration {
        self.0.between(key, at, least, most).into()
    }
}
