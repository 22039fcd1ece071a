//! Finds out what a call would touch.

use std::path::Path;
use std::sync::Arc;

use glasswork_agent_core::id::CallId;
use glasswork_agent_core::plan::TOOL as UPDATE_PLAN;
use glasswork_agent_core::question::TOOL as ASK_USER;
use glasswork_session_state::evidence::{
    CommandEvidence, Evidence, FileAccess, FileEvidence, FileKind as Kind,
};
use glasswork_session_state::mcp::name;
use glasswork_session_state::{Event, tools};

use super::{Work, graph, plan, question, server};
use crate::tools::{self as hands, FileKind, Repeat};

pub(super) async fn run(work: Work, id: CallId) {
    let Some(call) = work.session.call(id) else { return };
    // What could not be read for sure is not tried.
    if let Some(reason) = call
        .call
        .reading
        .as_ref()
        .and_then(|reading| reading.refused.as_ref())
    {
        let evidence = Evidence::Misfit {
            message: format!("The call was not run: {reason}.").into(),
        };
        work.port.finish(Event::Tools(tools::Event::EvidenceGathered {
            call: id,
            evidence: Arc::new(evidence),
        }));
        return;
    }
    let (tool, arguments) = (Arc::clone(&call.call.name), Arc::clone(&call.call.arguments));
    let workspace = Arc::clone(&work.session.meta.workspace);
    let most = work.world.limits.digest_bytes;
    let session = Arc::clone(&work.session);
    let gathered = tokio::task::spawn_blocking(move || {
        if name::is_of_server(&tool) {
            return server::evidence(&session, &tool, &arguments);
        }
        if &*tool == graph::NAME {
            return graph::evidence(&arguments);
        }
        if &*tool == ASK_USER {
            return question::evidence(&arguments);
        }
        if &*tool == UPDATE_PLAN {
            return plan::evidence(&arguments);
        }
        translate(hands::evidence(&tool, &arguments, Path::new(&*workspace), most))
    });
    let evidence = gathered.await.unwrap_or_else(|broken| Evidence::Misfit {
        message: format!("the evidence could not be gathered: {broken}").into(),
    });
    work.port.finish(Event::Tools(tools::Event::EvidenceGathered {
        call: id,
        evidence: Arc::new(evidence),
    }));
}

fn translate(evidence: hands::Evidence) -> Evidence {
    match evidence {
        hands::Evidence::Unfit(unfit) => Evidence::Misfit {
            message: unfit.to_string().into(),
        },
        hands::Evidence::Command(command) => Evidence::Command(CommandEvidence {
            command: command.command.into(),
            directory: command.directory.to_string_lossy().into(),
            timeout_ms: command.timeout.map(|seconds| seconds.saturating_mul(1000)),
        }),
        hands::Evidence::File(file) => Evidence::File(FileEvidence {
            access: match file.tool.repeat() {
                Repeat::Again => FileAccess::Read,
                Repeat::Once => FileAccess::Write,
            },
            requested: file.requested.into(),
            resolved: file.resolved.to_string_lossy().into(),
            inside_workspace: file.inside_workspace,
            kind: file.found.map_or(Kind::Absent, |found| match found.kind {
                FileKind::File => Kind::File,
                FileKind::Directory => Kind::Directory,
                _ => Kind::Special,
            }),
            digest: file
                .found
                .and_then(|found| found.digest)
                .map(|digest| digest.to_string().into()),
        }),
    }
}
