//! What is asked of a log beyond being unaltered.

use super::{Report, Verdict};

/// How well a log must prove itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Any log will do.
    #[default]
    Any,
    /// It must have a chain.
    Chain,
    /// It must be signed, and so finished.
    Signature,
}

/// What is asked of each log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// How well it must prove itself.
    pub level: Level,
    /// Ed25519 public keys one of which must have signed it. Empty: any key, or none. A log that is
    /// still open is not signed yet and passes, unless `level` asks for a signature.
    pub keys: Vec<[u8; 32]>,
}

/// What a log has less than was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shortfall {
    /// It has no chain.
    #[error("it has no chain")]
    Chain,
    /// It is not signed.
    #[error("it is not signed")]
    Signature,
    /// It is signed, but with none of the keys given.
    #[error("it is signed with another key")]
    Key,
}

impl Demand {
    /// What the log has too little of; `None` if it meets the demand. Says nothing of logs that
    /// are cut or altered.
    pub fn shortfall(&self, report: &Report) -> Option<Shortfall> {
        let signed = self.level == Level::Signature
            || !self.keys.is_empty() && report.verdict != Verdict::Open;
        match (report.verdict, report.signer) {
            (Verdict::Foreign, _) if self.level >= Level::Chain || signed => Some(Shortfall::Chain),
            (_, None) if signed => Some(Shortfall::Signature),
            (_, Some(key)) if !self.keys.is_empty() && !self.keys.contains(&key) => {
                Some(Shortfall::Key)
            }
            _ => None,
        }
    }
}
