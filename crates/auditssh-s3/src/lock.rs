use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks. What a panicking thread left is taken as it is: each state here holds at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
