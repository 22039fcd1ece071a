//! What was spent on each day, by session: from the ledgers of their states.

use std::collections::BTreeSet;

use glasswork_engine::ScopeId;
use glasswork_session_state::state::Session;
use rusqlite::{Transaction, params};

use super::Index;
use super::error::IndexError;
use super::list::number;

/// Writes what a session has spent itself, day by day.
pub(super) fn put(transaction: &Transaction<'_>, n: i64, session: &Session) -> Result<(), IndexError> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO spending (session, day, nanos) VALUES (?1, ?2, ?3)
         ON CONFLICT (session, day) DO UPDATE SET nanos = ?3",
    )?;
    for (day, spent) in &session.spent().days {
        statement.execute(params![n, number(*day), number(spent.0)])?;
    }
    Ok(())
}

pub(super) fn forget(transaction: &Transaction<'_>, n: i64) -> Result<(), IndexError> {
    transaction
        .prepare_cached("DELETE FROM spending WHERE session = ?")?
        .execute([n])?;
    Ok(())
}

impl Index {
    /// What the sessions that are not in `except` have spent on a day, counted from the first of 1970 (UTC), in
    /// billionths of a US dollar.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn spent_on(&self, day: u64, except: &BTreeSet<ScopeId>) -> Result<u64, IndexError> {
        self.refresh(&mut |_| {})?;
        self.with(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT sessions.id, nanos FROM spending JOIN sessions ON sessions.n = spending.session WHERE day = ?",
            )?;
            let mut rows = statement.query([number(day)])?;
            let mut sum: u64 = 0;
            while let Some(row) = rows.next()? {
                let id: String = row.get(0)?;
                if !id.parse().is_ok_and(|id: ScopeId| except.contains(&id)) {
                    sum = sum.saturating_add(u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0));
                }
            }
            Ok(sum)
        })
    }
}
