//! What tools have done to files, and what nobody knows of.

use std::sync::Arc;

use async_graphql::{Object, SimpleObject};
use glasswork_agent_core::compaction;

use crate::call::Call;
use crate::error::Answer;
use crate::page::{self, Page};
use crate::session::View;

/// What the session's tools have done to files. Only grows: a branch that is left does not undo what was done in the
/// workspace. What commands do is not known.
pub(crate) struct Footprint(pub(crate) Arc<View>);

/// A file that a tool has read or changed.
#[derive(Debug, SimpleObject)]
pub(crate) struct TouchedFile {
    /// Its path, all links resolved.
    path: String,
    /// Whether it was read.
    read: bool,
    /// Whether it was created or changed.
    changed: bool,
}

impl Footprint {
    fn of(&self) -> &compaction::Footprint {
        &self.0.session.footprint
    }
}

/// What the session's tools have done to files. Only grows: a branch that is left does not undo what was done in the
/// workspace. What commands do is not known.
#[Object]
impl Footprint {
    /// The files, by path.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn files(
        &self,
        first: Option<u32>,
        after: Option<String>,
        #[graphql(default, desc = "Only those that were created or changed.")] changed: bool,
    ) -> Answer<Option<Page<TouchedFile>>> {
        let length = page::length(&self.0.op, first)?;
        let after = page::after::<String>(after.as_deref())?;
        let footprint = self.of();
        let mut paths = footprint.changed.clone();
        if !changed {
            paths = paths.union(footprint.read.clone());
        }
        let behind = |path: &&Arc<str>| after.as_deref().is_none_or(|after| &***path > after);
        let shown = paths.iter().filter(behind).map(|path| {
            let file = TouchedFile {
                path: path.to_string(),
                read: footprint.read.contains(path),
                changed: footprint.changed.contains(path),
            };
            (path.to_string(), file)
        });
        Ok(Some(page::page(length, after.is_some(), shown)))
    }

    /// The calls of which nobody knows whether they took effect, the last 32.
    #[graphql(complexity = "8 * child_complexity")]
    async fn unknown_calls(&self) -> Vec<Call> {
        let unknown = self.of().unknown.iter();
        let calls =
            unknown.filter_map(|unknown| self.0.session.call(unknown.call).map(|call| (unknown.call, call)));
        calls.map(|(id, call)| Call::of(&self.0, id, call)).collect()
    }
}
