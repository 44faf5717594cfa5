//! How a program ended, as the API server tells it.

use crate::api::clip;
use auditssh_gateway::backend::Exit;
use kube::core::Status;
use kube::core::response::StatusSummary;

/// The reason and the cause by which a status tells an exit code.
const NON_ZERO: &str = "NonZeroExitCode";
const EXIT_CODE: &str = "ExitCode";

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With a code.
    Code(u32),
    /// It could not be run, or not to its end.
    Failed(String),
    /// Nothing is known of it.
    Lost(String),
}

impl End {
    pub(super) fn of(body: &[u8]) -> Self {
        let Ok(status) = serde_json::from_slice::<Status>(body) else {
            return Self::Lost(
                "the Kubernetes API told its end in a form that is not known".into(),
            );
        };
        if matches!(status.status, Some(StatusSummary::Success)) {
            return Self::Code(0);
        }
        let causes = status.details.iter().flat_map(|details| &details.causes);
        let mut codes = causes.filter(|cause| cause.reason == EXIT_CODE);
        if status.reason == NON_ZERO
            && let Some(code) = codes.next().and_then(|cause| cause.message.parse().ok())
        {
            return Self::Code(code);
        }
        Self::Failed(clip(&status.message))
    }

    /// As the gateway has it.
    pub(crate) fn exit(self) -> Exit {
        match self {
            Self::Code(code) => Exit::Status(code),
            Self::Failed(reason) | Self::Lost(reason) => Exit::Unknown(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_tells_the_code() {
        let of = |text: &str| End::of(text.as_bytes());
        assert_eq!(of(r#"{"metadata":{},"status":"Success"}"#), End::Code(0));
        let failed = r#"{"metadata":{},"status":"Failure","message":"command terminated with exit code 42",
            "reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"42"}]}}"#;
        assert_eq!(of(failed), End::Code(42));
        let absent = r#"{"status":"Failure","message":"exec: \"sh\":\nnot found","reason":"InternalError","code":500}"#;
        assert_eq!(of(absent), End::Failed("exec: \"sh\": not found".into()));
        let odd = r#"{"status":"Failure","message":"x","reason":"NonZeroExitCode","details":{"causes":[]}}"#;
        assert_eq!(of(odd), End::Failed("x".into()));
        assert!(matches!(of("nonsense"), End::Lost(_)));
    }
}
