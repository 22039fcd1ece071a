//! Runs a call that was allowed, on the path that was judged.

use std::path::PathBuf;
use std::sync::Arc;

use glasswork_agent_core::id::{CallId, EntryId};
use glasswork_agent_core::plan::TOOL as UPDATE_PLAN;
use glasswork_agent_core::tree::Body;
use glasswork_engine::EffectPort;
use glasswork_session_state::call::{BlobRef, Detail, Outcome};
use glasswork_session_state::evidence::Evidence;
use glasswork_session_state::state::Session;
use glasswork_session_state::tools::Word;
use glasswork_session_state::{Event, Glasswork, tools};
use tokio_util::sync::CancellationToken;

use super::{Work, desk, graph, plan, server};
use crate::secrets::Origin;
use crate::tools::bash::End;
use crate::tools::{self as hands, Arguments, Context, Details, Secrets, Tool, ToolFailure};

pub(super) async fn run(work: Work, id: CallId, path: Option<Arc<str>>) {
    let Some(call) = work.session.call(id).cloned() else {
        return;
    };
    if &*call.call.name == graph::NAME {
        return graph::run(work, id, &call.call.arguments).await;
    }
    if &*call.call.name == UPDATE_PLAN {
        return plan::run(work, id, &call.call.arguments);
    }
    if let Some(Evidence::Server(asked)) = call.evidence().map(|evidence| &**evidence) {
        return server::call(work, id, &call.call, asked).await;
    }
    let parsed = call
        .call
        .name
        .parse::<Tool>()
        .and_then(|tool| Arguments::parse(tool, &call.call.arguments));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        // The evidence said that they fit, so this is not reached unless the record was made by another version.
        Err(unfit) => return settle(work.port, id, Word::Failed, failed(unfit.to_string())),
    };
    let Work {
        session,
        world,
        locks,
        port,
    } = work;
    let path = path.map_or_else(
        || PathBuf::from(&*session.meta.workspace),
        |path| PathBuf::from(&*path),
    );
    let cancel = CancellationToken::new();
    let port = Arc::new(port);
    let tool = arguments.tool();
    let desk = desk::of(&session, &world.editors, &port, id, tool);
    let context = Context {
        blobs: (world.blobs)(port.scope()),
        locks,
        cancel: cancel.clone(),
        progress: progress(Arc::downgrade(&port), id),
        limits: world.limits.clone(),
        secrets: Secrets {
            masking: world.secrets.of(&session),
            call: written(&session, id, call.entry),
        },
        desk,
    };
    let called = hands::Call {
        id: format!("{}/{id}", port.scope()),
        arguments,
        path,
    };
    let mut demands = port.demands();
    let outcome = {
        let mut running = std::pin::pin!(hands::run(called, &context));
        tokio::select! {
            outcome = &mut running => outcome,
            _ = demands.stopped() => {
                cancel.cancel();
                running.await
            }
        }
    };
    drop(context);
    // The progress closure holds a weak reference only, so by now the port is ours alone.
    if let Some(port) = Arc::into_inner(port) {
        let (word, outcome) = translate(outcome);
        settle(port, id, word, outcome);
    }
}

/// The block of an answer that is the call.
fn written(session: &Session, id: CallId, entry: EntryId) -> Origin {
    match session.tree.get(entry).map(|entry| &entry.body) {
        Some(Body::Assistant(answer)) => match answer.request {
            Some(request) => Origin::Model(request, id.ordinal.into()),
            None => Origin::Elsewhere,
        },
        _ => Origin::Elsewhere,
    }
}

fn progress(port: std::sync::Weak<EffectPort<Glasswork>>, call: CallId) -> hands::Progress {
    Arc::new(move |tail| {
        if let Some(port) = port.upgrade() {
            port.progress(Event::Tools(tools::Event::ToolProgressed {
                call,
                tail: tail.into(),
            }));
        }
    })
}

pub(super) fn settle(port: EffectPort<Glasswork>, call: CallId, word: Word, outcome: Outcome) {
    port.finish(Event::Tools(tools::Event::ToolSettled { call, word, outcome }));
}

pub(super) fn failed(text: String) -> Outcome {
    Outcome {
        text: text.into(),
        is_error: true,
        blob: None,
        detail: None,
    }
}

fn translate(outcome: hands::Outcome) -> (Word, Outcome) {
    let hands::Outcome {
        text,
        is_error,
        details,
    } = outcome;
    let mut word = if is_error { Word::Failed } else { Word::Succeeded };
    let (mut blob, mut detail) = (None, None);
    match details {
        Details::Change(change) => detail = change.diff.map(|diff| Detail::Diff(diff.text.into())),
        Details::Image(image) => detail = Some(Detail::Image(image)),
        Details::Command(command) => {
            blob = command.output.map(|blob| BlobRef {
                digest: blob.digest.to_string().into(),
                len: blob.len,
            });
            match command.end {
                End::Exited(code) => {
                    detail = Some(Detail::Exit {
                        code: i32::try_from(code).ok(),
                        signal: None,
                    })
                }
                End::Signalled(signal) => {
                    detail = Some(Detail::Exit {
                        code: None,
                        signal: Some(signal.into()).filter(|signal| *signal != 0),
                    })
                }
                End::Cancelled => word = Word::Stopped,
                End::TimedOut(_) | End::Unknown => {}
            }
        }
        Details::Failure(ToolFailure::Cancelled) => word = Word::Stopped,
        Details::Lines(_) | Details::Listing(_) | Details::Failure(_) => {}
    }
    (
        word,
        Outcome {
            text: text.into(),
            is_error,
            blob,
            detail,
        },
    )
}
