use std::fmt::Debug;

/// Is told how far logs are safe, by the threads of the archive: it must not make them wait.
pub trait Observer: Debug + Send + Sync {
    /// The first `length` bytes of a log are never written again, and on the disk (but for
    /// [`Sync::None`](crate::Sync::None)).
    fn sealed(&self, id: &str, length: u64);

    /// A log is complete, and is not touched again.
    fn closed(&self, id: &str);

    /// The same of one that recovery completed. What was said to be sealed should be there, but
    /// after a disk that failed nothing is sure.
    fn recovered(&self, id: &str) {
        self.closed(id);
    }

    /// Whether logs that recovery does not touch, since no crash leaves them so, are taken as they
    /// are, and with what was set aside beside them. Then such a log counts as closed, and its
    /// tails are set aside; else all stays as it is, for `auditssh salvage`.
    fn takes_damaged(&self) -> bool {
        false
    }
}
