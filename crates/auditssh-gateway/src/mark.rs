//! Which connection a task serves. The SSH library starts its tasks itself, outside of our spans;
//! but it reads through us, and by that its tasks are known.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use tokio::task::{Id, try_id};

/// One entry for each connection at most.
static TASKS: LazyLock<Mutex<HashMap<Id, Arc<str>>>> = LazyLock::new(Mutex::default);

/// The id of the connection that the current task serves, if it is one of the SSH library's.
pub fn connection() -> Option<Arc<str>> {
    let task = try_id()?;
    tasks().get(&task).cloned()
}

/// Marks the tasks of one connection, one at a time.
#[derive(Debug)]
pub(crate) struct Mark {
    connection: Arc<str>,
    task: Option<Id>,
}

impl Mark {
    pub(crate) fn new(connection: &str) -> Self {
        Self {
            connection: connection.into(),
            task: None,
        }
    }

    /// The current task serves the connection from now on.
    pub(crate) fn here(&mut self) {
        let now = try_id();
        if now == self.task {
            return;
        }
        self.clear();
        self.task = now;
        if let Some(task) = now {
            tasks().insert(task, Arc::clone(&self.connection));
        }
    }

    fn clear(&mut self) {
        if let Some(task) = self.task.take() {
            tasks().remove(&task);
        }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.clear();
    }
}

fn tasks() -> MutexGuard<'static, HashMap<Id, Arc<str>>> {
    TASKS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_is_known_as_long_as_it_serves() {
        let mut mark = Mark::new("abc");
        let first = tokio::spawn(async move {
            assert_eq!(connection(), None);
            mark.here();
            mark.here();
            assert_eq!(connection().as_deref(), Some("abc"));
            mark
        });
        let mut mark = first.await.unwrap();
        let second = tokio::spawn(async move {
            mark.here();
            assert_eq!(connection().as_deref(), Some("abc"));
            drop(mark);
            assert_eq!(connection(), None);
        });
        second.await.unwrap();
    }
}
