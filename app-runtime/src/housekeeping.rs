//! What is done for the sessions as a whole once a program runs: what is too much, too old or too many goes to the trash,
//! what was there long enough goes for good, what was not used for long is packed.
//!
//! Nobody waits for it. Each move is on record in the host's journal, with what asked for it; what a program does not
//! come to is done by the next one.

use glasswork_engine::Timestamp;
use glasswork_session_state::host_settings::Settings;
use glasswork_session_state::trash::{Way, Why};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::files::FileArchive;
use crate::retention::{DAY, drops};
use crate::runtime::Runtime;
use crate::sagas::Sagas;

/// Housekeeping under way; dropping this ends it between two sessions.
pub(crate) struct Housekeeping {
    task: JoinHandle<()>,
    done: watch::Receiver<bool>,
}

impl Drop for Housekeeping {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Runtime {
    /// From now on does with the sessions of `archive` what these settings ask for, once. To be called once, within a
    /// tokio runtime.
    pub fn keep_house(&self, archive: FileArchive, settings: Settings) {
        let (sagas, now) = (self.sagas.clone(), self.clock.wall());
        let (end, done) = watch::channel(false);
        let task = tokio::spawn(async move {
            keep(sagas, archive, settings, now).await;
            let _ = end.send(true);
        });
        // A second one ends at once.
        let _ = self.housekeeping.set(Housekeeping { task, done });
    }

    /// Waits until housekeeping has nothing left to do, where there is any.
    pub async fn house_is_kept(&self) {
        if let Some(keeping) = self.housekeeping.get() {
            let _ = keeping.done.clone().wait_for(|done| *done).await;
        }
    }
}

async fn keep(sagas: Sagas, archive: FileArchive, settings: Settings, now: Timestamp) {
    if drops(&settings) {
        let (archive, settings) = (archive.clone(), settings.clone());
        let plan = tokio::task::spawn_blocking(move || archive.plan(&settings, now)).await;
        // Where sessions cannot be listed, whoever lists them is told.
        for session in plan.into_iter().flatten().flat_map(|plan| plan.drop) {
            // One that is open anywhere stays, and is looked at again by the next program.
            let _ = sagas.move_session(session, Way::In, Why::Kept).await;
        }
    }
    if let Some(days) = settings.trash_days.value {
        // What cannot be removed now is tried again by the next program.
        let _ = sagas.empty_trash(Some(DAY * days), Why::TrashDays).await;
    }
    let _ = tokio::task::spawn_blocking(move || archive.pack_old(&settings, now)).await;
}
