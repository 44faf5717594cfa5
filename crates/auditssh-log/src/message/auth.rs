use super::Text;

/// Payload of 100, 101 and 102.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthPassword {
    /// The login name that was given.
    pub username: Text,
    /// The password; empty where passwords are not intercepted, `None` where the log says null.
    pub password: Option<Vec<u8>>,
}

/// Payload of 103.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthPasswordBackendError {
    /// The login name that was given.
    pub username: Text,
    /// The password, as in [`AuthPassword`].
    pub password: Option<Vec<u8>>,
    /// Why, for people.
    pub reason: Text,
}

/// Payload of 104, 105 and 106.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthPubKey {
    /// The login name that was given.
    pub username: Text,
    /// The key in the form of an authorized_keys line, without comment.
    pub key: Text,
}

/// Payload of 107.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthPubKeyBackendError {
    /// The login name that was given.
    pub username: Text,
    /// The key in the form of an authorized_keys line, without comment.
    pub key: Text,
    /// Why, for people.
    pub reason: Text,
}

/// Payload of 108.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyboardInteractiveChallenge {
    /// The login name that was given.
    pub username: Text,
    /// Text shown above the questions.
    pub instruction: Text,
    /// The questions; `None` where the log says null.
    pub questions: Option<Vec<KeyboardInteractiveQuestion>>,
}

/// One question of a challenge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyboardInteractiveQuestion {
    /// The prompt.
    pub question: Text,
    /// Whether the answer is shown while it is typed.
    pub echo: bool,
}

/// Payload of 109.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyboardInteractiveAnswers {
    /// The login name that was given.
    pub username: Text,
    /// The answers; `None` where the log says null.
    pub answers: Option<Vec<KeyboardInteractiveAnswer>>,
}

/// One answer to a challenge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyboardInteractiveAnswer {
    /// The prompt that was answered.
    pub question: Text,
    /// What was typed; empty where passwords are not intercepted.
    pub answer: Text,
}

/// Payload of 110.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyboardInteractiveFailed {
    /// The login name that was given.
    pub username: Text,
}

/// Payload of 111.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyboardInteractiveBackendError {
    /// The login name that was given.
    pub username: Text,
    /// Why, for people.
    pub reason: Text,
}
