//! A coding session as pure state: events, facts, decide, evolve, invariants.
