//! `configserver`.

use super::http::http_block;
use crate::config::at::At;

http_block! {
    /// A server that is asked, once a user is logged in, what the connection is served by: which backend,
    /// with which settings, and what its sessions may do. See [configserver.md](configserver.md).
    ConfigServer, see "See `auth.password.webhook`.", timeout 2 {
        /// Where it is, as `http://` or `https://` with host, port and path; empty for none. If it gives no
        /// answer that can be taken within 60 s, the connection is ended.
        url: At<String> = At::default(),
        /// See `auth.password.webhook`.
        allow_redirects: At<bool> = At::default(),
        /// Whether it is told sensitive values, too.
        transmit_sensitive_metadata: bool = false,
    }
}
