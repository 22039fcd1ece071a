//! One writer per file: parallel edits of the same file take turns, in the order in which they came.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

type Turn = tokio::sync::Mutex<()>;

/// The files that are being written. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct FileLocks {
    turns: Arc<Mutex<BTreeMap<PathBuf, Weak<Turn>>>>,
}

impl FileLocks {
    /// Waits until nobody else writes the file, which must be named by its resolved path.
    pub(crate) async fn lock(&self, path: &Path) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            // So the map holds no more than is being written.
            turns.retain(|_, turn| turn.strong_count() > 0);
            match turns.get(path).and_then(Weak::upgrade) {
                Some(turn) => turn,
                None => {
                    let turn = Arc::new(Turn::default());
                    turns.insert(path.to_owned(), Arc::downgrade(&turn));
                    turn
                }
            }
        };
        turn.lock_owned().await
    }
}
