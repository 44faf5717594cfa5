//! A descriptor that waits for the runtime.
#![expect(
    unsafe_code,
    reason = "the runtime has to be promised that a registered descriptor stays open"
)]

use std::io;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use tokio::io::unix::AsyncFd;

/// A descriptor whose readiness the runtime watches. It gives shared access only, so that the
/// descriptor stays what it is until it is dropped.
pub(super) struct Descriptor(AsyncFd<OwnedFd>);

impl Descriptor {
    /// Registers it with the runtime in whose context this is called. It must not block.
    pub(super) fn new(descriptor: OwnedFd) -> io::Result<Self> {
        // SAFETY: the descriptor is owned, and nothing here replaces, closes or gives it away
        // before the registration is dropped with it.
        Ok(Self(unsafe { AsyncFd::register(descriptor)? }))
    }
}

impl Deref for Descriptor {
    type Target = AsyncFd<OwnedFd>;

    fn deref(&self) -> &AsyncFd<OwnedFd> {
        &self.0
    }
}
