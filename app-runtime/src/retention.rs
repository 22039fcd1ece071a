//! How long sessions are kept, and how: those of long ago packed, and, where somebody has set so, put into the trash.
//!
//! What is pinned is never put away. What is open anywhere is left alone.

use std::time::Duration;

use glasswork_agent_session::store::{Packed, Sizes};
use glasswork_engine::{ScopeId, Timestamp};
use glasswork_session_state::host_settings::Settings;

use crate::archive::{Archive, ArchivedSession, StoreError};
use crate::files::FileArchive;

/// A day.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MIB: u64 = 1 << 20;

/// What shall become of sessions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// To be put into the trash.
    pub drop: Vec<ScopeId>,
    /// To be packed, unless they are.
    pub pack: Vec<ScopeId>,
}

/// What was packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PackedNow {
    /// How many sessions.
    pub sessions: u64,
    /// What they took before, less what they take now, in bytes.
    pub freed: u64,
}

/// Whether these settings put anything into the trash.
#[must_use]
pub fn drops(settings: &Settings) -> bool {
    settings.keep_sessions.value.is_some()
        || settings.keep_days.value.is_some()
        || settings.keep_mib.value.is_some()
}

/// What these settings ask for.
#[must_use]
pub fn plan(rows: &[ArchivedSession], settings: &Settings, now: Timestamp) -> Plan {
    // What is new is young, though all that was said in it be old: a fork, or what was said under a clock that was behind.
    let last = |row: &ArchivedSession| row.updated.unwrap_or(row.created).max(row.created);
    // What cannot be read is left for people to look at.
    let mut rows: Vec<&ArchivedSession> = rows.iter().filter(|row| row.damage.is_none()).collect();
    rows.sort_by_key(|row| std::cmp::Reverse((last(row), row.id)));
    let most = |setting: Option<u32>| setting.map_or(usize::MAX, |most| most as usize);
    let (keep, pack_after) = (
        most(settings.keep_sessions.value),
        most(settings.pack_after.value),
    );
    let age = settings.keep_days.value.map(|days| DAY * days);
    let room = settings.keep_mib.value.map(|mib| u64::from(mib) * MIB);
    let (mut plan, mut bytes) = (Plan::default(), 0);
    for (place, row) in rows.into_iter().enumerate() {
        bytes += row.bytes;
        let is_over = place >= keep
            || age.is_some_and(|age| now.since(last(row)) > age)
            || room.is_some_and(|room| bytes > room);
        if is_over && !row.pinned {
            bytes -= row.bytes;
            plan.drop.push(row.id);
        } else if place >= pack_after {
            plan.pack.push(row.id);
        }
    }
    plan
}

impl FileArchive {
    /// What these settings ask for.
    ///
    /// # Errors
    /// Where the sessions cannot be listed.
    pub fn plan(&self, settings: &Settings, now: Timestamp) -> Result<Plan, StoreError> {
        Ok(plan(&self.list()?, settings, now))
    }

    /// Packs what these settings want packed. What is open anywhere is left alone, and what cannot be done now is tried
    /// again when this is called next. Blocks: for a thread of its own.
    #[must_use]
    pub fn pack_old(&self, settings: &Settings, now: Timestamp) -> PackedNow {
        let mut done = PackedNow::default();
        // Every program asks for this when it starts, and most have nothing to pack: the names of files tell that
        // without the index, which would be opened and brought up to date for it.
        let lie_unpacked = settings.pack_after.value.map(|most| most as usize);
        if !lie_unpacked.is_some_and(|most| self.store().has_more_sessions_than(most)) {
            return done;
        }
        for session in self.plan(settings, now).unwrap_or_default().pack {
            if let Ok(Packed::Now { before, after }) = self.store().pack(session, now) {
                done.sessions += 1;
                done.freed += before.saturating_sub(after);
            }
        }
        done
    }

    /// What lies in the data directory, by what it is.
    ///
    /// # Errors
    /// [`StoreError::Io`] where a folder cannot be read.
    pub fn sizes(&self) -> Result<Sizes, StoreError> {
        self.store().sizes()
    }
}
