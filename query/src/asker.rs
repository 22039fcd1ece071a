//! Who asks for more than one look: for a change, or to be told of what comes.

use std::sync::Arc;
use std::time::Instant;

use async_graphql::Context;
use glasswork_app_runtime::attachments::Attachments;
use glasswork_app_runtime::reading::{Viewer, Visible};

use crate::acting::Acting;
use crate::error::{Answer, Code, fail};
use crate::graph::Graph;
use crate::operation::{Op, Operation};

/// A viewer, and the graph that they ask. Each look is a snapshot of its own.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) graph: Graph,
    pub(crate) viewer: Viewer,
    /// The place of the operation; a subscription has none.
    pub(crate) acting: Option<Arc<Acting>>,
}

impl Asker {
    pub(crate) fn of<'a>(context: &Context<'a>) -> Answer<&'a Self> {
        let missing = || fail(Code::Internal, "nobody asks");
        context.data_opt::<Self>().ok_or_else(missing)
    }

    /// A look at everything as it is now, with time and share of its own.
    pub(crate) fn look(&self) -> Op {
        let until = Instant::now() + self.graph.limits().time;
        Arc::new(self.graph.operation(self.viewer.clone(), until))
    }

    /// The host whose operations this viewer may ask for. Who sees only single sessions, as a model does, changes
    /// nothing; and a graph over records alone has nothing that could be changed.
    pub(crate) fn host(&self) -> Answer<Arc<Attachments>> {
        if self.viewer.sessions != Visible::All {
            return Err(fail(Code::ReadOnly, "this viewer may read, and change nothing"));
        }
        let host = self.graph.host().ok_or_else(|| {
            fail(
                Code::ReadOnly,
                "this graph can be read only; ask the one of a running `glasswork serve --http`",
            )
        })?;
        host.upgrade()
            .ok_or_else(|| fail(Code::Stopped, "the runtime has stopped; start it again"))
    }
}

impl Graph {
    pub(crate) fn operation(&self, viewer: Viewer, until: Instant) -> Operation {
        Operation::new(
            self.reader().snapshot(viewer),
            Arc::clone(self.limits()),
            Arc::clone(self.catalogue()),
            until,
        )
    }
}
