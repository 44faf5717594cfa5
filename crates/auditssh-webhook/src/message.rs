//! What webhooks are asked and what they answer, in ContainerSSH's JSON.

mod answer;
mod configured;
mod request;
#[cfg(test)]
mod tests;

pub(crate) use answer::read;
pub(crate) use configured::read as read_configured;
pub(crate) use request::request;
