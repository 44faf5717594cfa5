//! The SSH library, and nothing else of this crate names it: its types for keys, and the adapter
//! between its callbacks and our sessions.

pub use ::russh::keys::ssh_key::LineEnding;
pub use ::russh::keys::ssh_key::certificate::CertType;
pub use ::russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PrivateKey, PublicKey};

/// What can go wrong with a key.
pub use ::russh::keys::ssh_key::Error as KeyError;

/// A new Ed25519 key of the operating system's random numbers.
pub fn generate_ed25519() -> Result<PrivateKey, KeyError> {
    PrivateKey::random(&mut ::russh::keys::key::safe_rng(), Algorithm::Ed25519)
}
