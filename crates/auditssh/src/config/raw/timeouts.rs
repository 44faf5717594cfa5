//! How long what may take behind the gateway.

/// Declares a block of durations, each with its default in seconds.
macro_rules! timeouts {
    (
        $(#[$about:meta])*
        $name:ident {
            $($(#[$note:meta])* $field:ident: $seconds:tt,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
        #[serde(default, deny_unknown_fields, rename_all = "camelCase")]
        pub(crate) struct $name {
            $(
                $(#[$note])*
                #[schemars(transform = crate::config::bounds::BACKEND_TIME.told())]
                pub(crate) $field: crate::config::at::At<crate::config::duration::Span>,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                let seconds = crate::config::duration::Span::from_secs;
                Self {
                    $($field: crate::config::at::At::unplaced(seconds($seconds)),)*
                }
            }
        }
    };
}
pub(super) use timeouts;
