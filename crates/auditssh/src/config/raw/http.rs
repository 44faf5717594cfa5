//! What is common to all that is asked by HTTP.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Declares a block that has, beside settings of its own, those of a client of HTTP; `see` tells where
/// these are explained. They become fields of each block: serde's `flatten` would lose the places
/// of mistakes.
macro_rules! http_block {
    (
        $(#[$about:meta])*
        $name:ident, see $see:tt, timeout $seconds:tt {
            $($(#[$note:meta])* $field:ident: $kind:ty = $default:expr,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
        #[serde(default, deny_unknown_fields, rename_all = "camelCase")]
        pub(crate) struct $name {
            $($(#[$note])* pub(crate) $field: $kind,)*
            #[doc = $see]
            #[schemars(transform = crate::config::bounds::HTTP_TIMEOUT.told())]
            pub(crate) timeout: crate::config::at::At<crate::config::duration::Span>,
            #[doc = $see]
            pub(crate) cacert: crate::config::at::At<String>,
            #[doc = $see]
            pub(crate) cert: crate::config::at::At<String>,
            #[doc = $see]
            pub(crate) key: Option<crate::config::at::At<crate::config::secret::Secret>>,
            #[doc = $see]
            pub(crate) tls_version: super::http::TlsVersion,
            #[doc = $see]
            pub(crate) curves:
                Option<crate::config::at::At<crate::config::one_or_many::OneOrMany<String>>>,
            #[doc = $see]
            pub(crate) cipher:
                Option<crate::config::at::At<crate::config::one_or_many::OneOrMany<String>>>,
        }

        impl Default for $name {
            fn default() -> Self {
                let timeout = crate::config::duration::Span::from_secs($seconds);
                Self {
                    $($field: $default,)*
                    timeout: crate::config::at::At::unplaced(timeout),
                    cacert: crate::config::at::At::default(),
                    cert: crate::config::at::At::default(),
                    key: None,
                    tls_version: super::http::TlsVersion::default(),
                    curves: None,
                    cipher: None,
                }
            }
        }

        impl $name {
            /// The same as settings of a webhook, asked for so long.
            pub(crate) fn webhook(
                &self,
                within: &crate::config::at::At<crate::config::duration::Span>,
            ) -> super::Webhook {
                super::Webhook {
                    url: self.url.clone(),
                    timeout: self.timeout.clone(),
                    cacert: self.cacert.clone(),
                    cert: self.cert.clone(),
                    key: self.key.clone(),
                    tls_version: self.tls_version,
                    curves: self.curves.clone(),
                    cipher: self.cipher.clone(),
                    within: within.clone(),
                    ..super::Webhook::default()
                }
            }
        }
    };
}
pub(super) use http_block;

/// The lowest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
pub(crate) enum TlsVersion {
    /// TLS 1.3.
    #[default]
    #[serde(rename = "1.3")]
    V13,
    /// TLS 1.2 or 1.3.
    #[serde(rename = "1.2")]
    V12,
}
