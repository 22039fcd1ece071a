//! Applying facts: total, and without consulting any rule.

use glasswork_engine::Moment;

use crate::domain::Fact;
use crate::state::{Attempt, Session, Turn};
use std::sync::Arc;

/// Applies a fact to a session. What belongs to another kind of scope, or names what is not there, changes nothing.
pub(crate) fn session(session: &mut Session, fact: &Fact, moment: Moment) {
    match fact {
        Fact::Session(fact) => fact.apply(session, moment),
        Fact::Prompt(fact) => fact.apply(session, moment),
        Fact::Turn(fact) => fact.apply(session, moment),
        Fact::Model(fact) => fact.apply(session, moment),
        Fact::Structured(fact) => fact.apply(session, moment),
        Fact::Tools(fact) => fact.apply(session, moment),
        Fact::Secrets(fact) => fact.apply(session),
        Fact::Tree(fact) => fact.apply(session),
        Fact::Import(fact) => fact.apply(session, moment),
        Fact::Checkout(fact) => fact.apply(session),
        Fact::Compaction(fact) => fact.apply(session, moment),
        Fact::Fork(fact) => fact.apply(session, moment),
        Fact::Failover(fact) => fact.apply(session, moment),
        Fact::Mcp(fact) => fact.apply(session, moment),
        Fact::Plan(fact) => fact.apply(session, moment),
        Fact::Question(fact) => fact.apply(session, moment),
        Fact::Host(_) | Fact::SignIn(_) | Fact::Client(_) | Fact::Trash(_) | Fact::Closing(_) => {}
    }
}

impl Session {
    pub(crate) fn turn_mut(&mut self) -> Option<&mut Turn> {
        self.turn.as_mut().map(Arc::make_mut)
    }

    pub(crate) fn attempt_mut(&mut self) -> Option<&mut Attempt> {
        match &mut self.compactions.open {
            Some(open) => Some(&mut Arc::make_mut(open).attempt),
            None => self
                .turn
                .as_mut()
                .and_then(|turn| Arc::make_mut(turn).attempt.as_mut()),
        }
    }
}
