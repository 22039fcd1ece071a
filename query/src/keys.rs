//! Idempotency keys of the operations whose events carry none.
//!
//! What is said to an agent, and what moves its conversation, has its key on record, over restarts. Of all else the
//! graph itself remembers the last keys, as long as its process lives: a client that lost an answer asks again at once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use glasswork_engine::{DispatchId, ScopeId};
use glasswork_session_state::keys::KEY_BYTES;

use crate::error::{Answer, Code, fail};

/// How many keys are remembered, over all sessions.
const KEPT: usize = 4_096;

/// What came of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Came {
    /// The session: the new one of a fork.
    pub(crate) session: ScopeId,
    /// The commit; none of an operation of several.
    pub(crate) dispatch: Option<DispatchId>,
}

/// What came of the operation with one key: nothing yet, or nothing because it failed. Who holds it acts; others wait.
pub(crate) type Slot = Arc<tokio::sync::Mutex<Option<Came>>>;

/// The last keys.
#[derive(Default)]
pub(crate) struct Keys(Mutex<VecDeque<((ScopeId, String), Slot)>>);

impl Keys {
    /// The slot of a key.
    pub(crate) fn slot(&self, session: ScopeId, key: &str) -> Answer<Slot> {
        if key.len() > KEY_BYTES {
            let text = format!("an idempotency key has at most {KEY_BYTES} bytes");
            return Err(fail(Code::Invalid, text));
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |((of, text), _): &&((ScopeId, String), Slot)| *of == session && text == key;
        if let Some((_, slot)) = known.iter().find(wanted) {
            return Ok(Arc::clone(slot));
        }
        if known.len() >= KEPT {
            known.pop_front();
        }
        let slot = Slot::default();
        known.push_back(((session, key.to_owned()), Arc::clone(&slot)));
        Ok(slot)
    }
}
