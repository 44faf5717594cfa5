//! `limits`.

use super::report::Report;
use crate::config::bounds;
use crate::config::raw;
use auditssh_gateway::Limits;

pub(super) fn check(raw: &raw::Limits, report: &mut Report) -> Limits {
    Limits {
        unauthenticated: report.within(&raw.unauthenticated, bounds::UNAUTHENTICATED),
        unauthenticated_per_source: report
            .within(&raw.unauthenticated_per_source, bounds::UNAUTHENTICATED),
        unauthenticated_wait: report
            .within(&raw.unauthenticated_wait, bounds::UNAUTHENTICATED_WAIT)
            .into(),
        login_grace_time: report
            .within(&raw.login_grace_time, bounds::LOGIN_GRACE_TIME)
            .into(),
        auth_attempts: report.within(&raw.auth_attempts, bounds::AUTH_ATTEMPTS),
        rejection_time: report
            .within(&raw.rejection_time, bounds::REJECTION_TIME)
            .into(),
        connections: report.within(&raw.connections, bounds::CONNECTIONS),
        session_channels: report.within(&raw.session_channels, bounds::SESSION_CHANNELS),
        channels: report.within(&raw.channels, bounds::CHANNELS),
        forwarded_channels: report.within(&raw.forwarded_channels, bounds::FORWARDED_CHANNELS),
        listeners: report.within(&raw.listeners, bounds::LISTENERS),
        forward_connect: report
            .within(&raw.forward_connect, bounds::BACKEND_TIME)
            .into(),
        environment_variables: report
            .within(&raw.environment_variables, bounds::ENVIRONMENT_VARIABLES),
        environment_bytes: report
            .within(&raw.environment_bytes, bounds::ENVIRONMENT_BYTES)
            .into(),
        name_bytes: report.within(&raw.name_bytes, bounds::NAME_BYTES).into(),
        command_bytes: report
            .within(&raw.command_bytes, bounds::COMMAND_BYTES)
            .into(),
        channel_buffer: report
            .within(&raw.channel_buffer, bounds::CHANNEL_BUFFER)
            .into(),
        total_buffer: report
            .within(&raw.total_buffer, bounds::TOTAL_BUFFER)
            .into(),
        backend_open: report
            .within(&raw.backend_open, bounds::BACKEND_TIME)
            .into(),
        backend_request: report
            .within(&raw.backend_request, bounds::BACKEND_TIME)
            .into(),
        disconnect_grace: report
            .within(&raw.disconnect_grace, bounds::DISCONNECT_GRACE)
            .into(),
        shutdown_grace: report
            .within(&raw.shutdown_grace, bounds::SHUTDOWN_GRACE)
            .into(),
    }
}
