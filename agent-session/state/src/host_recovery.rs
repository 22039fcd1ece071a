//! What a process left of its own affairs: whoever takes over its record has done again what was being done.

use glasswork_engine::{Decision, EffectKey};

use crate::domain::{Fact, Glasswork, Reply};
use crate::effect::Effect;
use crate::host::Host;
use crate::{closing, fork, recovery, trash};

/// The event that has it done again, with the commit that left it open.
pub(crate) fn recover(open: Vec<EffectKey>) -> Option<(u64, recovery::Event)> {
    let cause = open.iter().map(|effect| effect.seq).max()?;
    Some((cause, recovery::Event::Abandoned { open }))
}

/// Decides what becomes of what a process left open. Everything that a host does is idempotent, and done once more.
pub(crate) fn decide(host: &Host, open: &[EffectKey]) -> Decision<Glasswork> {
    let mut again = Again::default();
    for (child, fork) in &host.forks {
        let (child, of, at) = (*child, fork.of, fork.at);
        again.make(Effect::Fork { child, of, at }, |effect| {
            fork::Fact::Began {
                child,
                of,
                at,
                effect,
            }
            .into()
        });
    }
    for (session, moving) in &host.moving {
        let (session, way, why) = (*session, moving.way, moving.why);
        again.make(Effect::Trash { session, way }, |effect| {
            trash::Fact::Began {
                session,
                way,
                effect,
                why,
            }
            .into()
        });
    }
    for (tree, closing) in &host.closings {
        let Some(closing::Turn { session, .. }) = closing.now else {
            continue;
        };
        let tree = *tree;
        again.make(Effect::CloseSession { session }, |effect| {
            closing::Fact::Turn {
                tree,
                session,
                effect,
            }
            .into()
        });
    }
    let Again { facts, effects } = again;
    Decision {
        effects,
        closes: open.to_vec(),
        ..Decision::of(facts, Reply::Done)
    }
}

#[derive(Default)]
struct Again {
    facts: Vec<Fact>,
    effects: Vec<Effect>,
}

impl Again {
    fn make(&mut self, effect: Effect, fact: impl FnOnce(u16) -> Fact) {
        // There are caps on all of them, far below this.
        let Ok(number) = u16::try_from(self.effects.len()) else {
            return;
        };
        self.effects.push(effect);
        self.facts.push(fact(number));
    }
}
