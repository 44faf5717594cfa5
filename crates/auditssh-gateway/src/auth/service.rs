//! Services that are asked who may log in, such as webhooks. The gateway knows what is asked, not
//! how: that is for who implements [`Service`].

use super::Facts;
use async_trait::async_trait;
use std::fmt;
use std::net::SocketAddr;

/// Decides about names that the configuration does not have, and about who of all may come in.
#[async_trait]
pub trait Service: fmt::Debug + Send + Sync {
    /// Whether it is there for questions of that kind.
    fn answers(&self, kind: Kind) -> bool;

    /// Asks. Ends within a time of the service's own, and takes the question back when it is
    /// dropped.
    async fn ask(&self, question: Question<'_>) -> Result<Answer, Unanswered>;
}

/// What may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whether a password is the user's.
    Password,
    /// Whether a public key is the user's.
    PublicKey,
    /// Whether a user who is proven may come in.
    Authorization,
}

/// One question.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Who asks to come in.
    pub applicant: &'a Applicant,
    /// What speaks for it.
    pub proof: Proof<'a>,
}

/// Who asks to come in, and from where.
#[derive(Clone, Debug)]
pub struct Applicant {
    /// The login name.
    pub username: String,
    /// Where the client connects from.
    pub remote_address: SocketAddr,
    /// Connection id, 32 hexadecimal digits.
    pub connection_id: String,
    /// How the client calls itself (RFC 4253, 4.2).
    pub client_version: String,
}

/// What speaks for a user.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// A password.
    Password(&'a [u8]),
    /// A public key in the form of an authorized_keys line, without comment. That the client holds
    /// its private half is not proven yet, and proven before it lets anybody in.
    PublicKey(&'a str),
    /// The user is proven; what is known so far and may be told.
    Proven(&'a Facts),
}

/// What was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Whether the answer is yes.
    pub success: bool,
    /// What else the service knows of the user.
    pub facts: Facts,
}

/// Why there is no answer, which counts as a refusal. The text is for logs and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unanswered(pub String);

impl Proof<'_> {
    /// What kind of question it makes.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Password(_) => Kind::Password,
            Self::PublicKey(_) => Kind::PublicKey,
            Self::Proven(_) => Kind::Authorization,
        }
    }
}

impl fmt::Debug for Proof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind().fmt(f)
    }
}
