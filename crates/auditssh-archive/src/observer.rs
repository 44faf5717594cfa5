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
}
