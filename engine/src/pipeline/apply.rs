//! Stage 5: the record is sealed, and the candidate becomes the decided root.

use std::sync::Arc;

use super::handler::Decided;
use super::validate::Candidate;
use super::{Applied, Stopped};
use crate::commit::Commit;
use crate::domain::Domain;
use crate::line::{self, Chain};

pub(super) fn seal<D: Domain>(candidate: Candidate<D>, chain: Chain) -> Result<Applied<D>, Stopped<D>> {
    let Candidate {
        decided: Decided { noted, decision },
        scope,
        terms,
    } = candidate;
    let mut commit = Commit {
        id: noted.id,
        at: noted.at,
        origin: noted.envelope.origin,
        cause: noted.envelope.cause,
        consequence: noted.envelope.consequence,
        settles: noted.envelope.settles,
        grant: noted.grant,
        event: noted.envelope.event,
        facts: decision.facts,
        effects: decision.effects,
        stops: decision.stops,
        closes: decision.closes,
        size: 0,
    };
    let (line, chain) =
        line::encode_commit(&commit, chain).map_err(|error| Stopped::Failed(error.to_string()))?;
    if line.len() > line::MAX_LINE {
        return Err(Stopped::TooLarge(line.len()));
    }
    commit.size = line.len();
    Ok(Applied {
        scope: Arc::new(scope),
        commit: Arc::new(commit),
        line,
        chain,
        consequences: decision.consequences,
        reply: decision.reply,
        terms,
    })
}
