//! What the methods do.

use std::path::PathBuf;

use glasswork_agent_core::question::Said;
use glasswork_app_runtime::archive::Record;
use glasswork_app_runtime::attachments::{Asked, AttachError, Performed};
use glasswork_app_runtime::reading::{ReadError, Viewer};
use glasswork_app_runtime::runtime::OperationError;
use glasswork_app_runtime::slash_commands;
use glasswork_engine::{Accepted, Cursor, ScopeId};
use glasswork_session_state::Glasswork;
use glasswork_session_state::clients::{History, Role};
use serde::Serialize;
use serde_json::{Map, Value};

use super::fault::{Fault, INTERNAL, PARAMS};
use super::talk::Talk;
use super::wire;

type Of<T> = Result<T, Fault>;

/// A value as an object.
pub(super) fn object(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

pub(super) async fn host(talk: &Talk, _: wire::Nothing) -> Of<wire::HostInfo> {
    let hub = talk.connection.hub();
    let running = hub.running();
    let snapshot = hub.runtime().reader().snapshot(Viewer::owner());
    let session = |id: ScopeId| {
        let seen = snapshot.session(id, None).ok()?;
        let session = seen.session().ok()?;
        Some(wire::SessionInfo {
            session: id.to_string(),
            title: session.meta.title.as_deref().map(str::to_owned),
            workspace: session.meta.workspace.to_string(),
            seq: seen.scope.seq,
            running: running.contains(&id),
        })
    };
    let clients = hub.clients();
    Ok(wire::HostInfo {
        host: talk.card.host.clone(),
        pid: talk.card.pid,
        version: talk.card.version.clone(),
        command: talk.card.command.clone(),
        sessions: snapshot.mounted().filter_map(session).collect(),
        clients: clients
            .into_iter()
            .map(|(attachment, client)| wire::ClientInfo {
                attachment,
                connection: client.connection,
                name: client.name.to_string(),
                session: client.session.to_string(),
                role: told_role(client.role),
            })
            .collect(),
    })
}

pub(super) async fn new(talk: &Talk, asked: wire::New) -> Of<wire::Session> {
    let Some(house) = talk.house.clone() else {
        return Err(Fault::refused(
            "one_session",
            "this host runs one session; `glasswork serve` begins others",
        ));
    };
    let directory = PathBuf::from(asked.directory);
    if !directory.is_absolute() {
        return Err(Fault::new(PARAMS, "`directory` must be absolute"));
    }
    let _room = talk.connection.hub().room_for(None)?;
    // Settings are files.
    let opening = tokio::task::spawn_blocking(move || house.new_session(&directory)).await;
    let opening = opening.map_err(|broken| Fault::new(INTERNAL, broken.to_string()))?;
    let mut opening = opening.map_err(|error| Fault::refused("not_begun", error.to_string()))?;
    opening.title = asked.title.map(Into::into);
    let begun = talk.connection.hub().runtime().new_session(opening).await;
    let session = begun.map_err(|error| Fault::refused("not_begun", error.to_string()))?;
    Ok(wire::Session {
        session: session.to_string(),
    })
}

pub(super) async fn attach(talk: &Talk, asked: wire::Attach) -> Of<wire::Attached> {
    talk.has_room()?;
    let runtime = talk.connection.hub().runtime();
    let reader = runtime.reader().clone();
    let named = asked.session;
    let found = tokio::task::spawn_blocking(move || reader.snapshot(Viewer::owner()).find(&named));
    let session = found
        .await
        .map_err(|broken| Fault::new(INTERNAL, broken.to_string()))?
        .map_err(|error| AttachError::from(OperationError::from(error)))?;
    let seen = asked.seen.map(|seen| Cursor {
        epoch: seen.epoch,
        seq: seen.seq,
    });
    let asked = Asked {
        session,
        name: asked.name.into(),
        role: role_of(asked.role),
        history: match asked.history {
            wire::History::Full => History::Full,
            wire::History::Pending => History::Pending,
            wire::History::None => History::None,
        },
        seen,
    };
    let (attachment, updates) = talk.connection.attach(asked).await?;
    let cursor = updates.cursor();
    let attached = wire::Attached {
        attachment: attachment.id(),
        connection: talk.connection.number(),
        session: session.to_string(),
        epoch: cursor.epoch,
        seq: cursor.seq,
        base: seen.is_none().then(|| object(&updates.base())),
    };
    if let Err(full) = talk.keep(attachment, updates) {
        talk.connection.detach(attached.attachment).await?;
        return Err(full);
    }
    Ok(attached)
}

pub(super) async fn subscribe(talk: &Talk, asked: wire::Attachment) -> Of<wire::Nothing> {
    talk.subscribe(asked.attachment)?;
    Ok(wire::Nothing {})
}

pub(super) async fn role(talk: &Talk, asked: wire::ChangeRole) -> Of<wire::Nothing> {
    let role = role_of(asked.role);
    talk.connection.change_role(asked.attachment, role).await?;
    Ok(wire::Nothing {})
}

pub(super) async fn detach(talk: &Talk, asked: wire::Attachment) -> Of<wire::Nothing> {
    talk.forget(asked.attachment);
    talk.connection.detach(asked.attachment).await?;
    Ok(wire::Nothing {})
}

pub(super) async fn prompt(talk: &Talk, asked: wire::Words) -> Of<wire::Dispatched> {
    let attachment = talk.attachment(asked.attachment)?;
    let mut told = tells_place(talk, asked.attachment);
    dispatched(
        attachment
            .prompt(&asked.text, asked.key.as_deref(), &mut told)
            .await,
    )
}

pub(super) async fn resume(talk: &Talk, asked: wire::Attachment) -> Of<wire::Dispatched> {
    let attachment = talk.attachment(asked.attachment)?;
    let mut told = tells_place(talk, asked.attachment);
    dispatched(attachment.resume(&mut told).await)
}

fn tells_place(talk: &Talk, attachment: u64) -> impl FnMut(usize) + Send {
    move |place| {
        // Who does not read misses a place that is no longer true soon.
        talk.tell_or_drop(&wire::Waiting {
            attachment,
            place: place as u64,
        });
    }
}

pub(super) async fn steer(talk: &Talk, asked: wire::Words) -> Of<wire::Dispatched> {
    let attachment = talk.attachment(asked.attachment)?;
    dispatched(attachment.steer(&asked.text, asked.key.as_deref()).await)
}

pub(super) async fn approve(talk: &Talk, asked: wire::Approve) -> Of<wire::Dispatched> {
    let attachment = talk.attachment(asked.attachment)?;
    dispatched(attachment.approve(call(&asked.call)?).await)
}

pub(super) async fn answer(talk: &Talk, asked: wire::Reply) -> Of<wire::Dispatched> {
    let attachment = talk.attachment(asked.attachment)?;
    let said = Said::Chosen {
        labels: asked.chosen.into_iter().map(Into::into).collect(),
        words: asked.words.map(Into::into),
    };
    dispatched(attachment.answer(call(&asked.call)?, said).await)
}

pub(super) async fn refuse(talk: &Talk, asked: wire::Refuse) -> Of<wire::Dispatched> {
    let attachment = talk.attachment(asked.attachment)?;
    dispatched(
        attachment
            .refuse(call(&asked.call)?, asked.reason.as_deref())
            .await,
    )
}

pub(super) async fn interrupt(talk: &Talk, asked: wire::Interrupt) -> Of<wire::Dispatched> {
    let attachment = talk.attachment(asked.attachment)?;
    dispatched(attachment.interrupt(asked.at_once).await)
}

pub(super) async fn command(talk: &Talk, asked: wire::Command) -> Of<wire::Performed> {
    let attachment = talk.attachment(asked.attachment)?;
    let operation = slash_commands::read(&asked.line)?;
    let mut told = tells_place(talk, asked.attachment);
    let done = attachment
        .perform(operation, asked.key.as_deref(), &mut told)
        .await?;
    if done == Performed::Left {
        talk.forget(asked.attachment);
        talk.connection.detach(asked.attachment).await?;
    }
    Ok(wire::Performed {
        text: done.text(),
        dispatch: match &done {
            Performed::Committed { by } | Performed::TakenBack { by, .. } => Some(by.to_string()),
            Performed::Forked { .. } | Performed::Told { .. } | Performed::Left => None,
        },
        session: match &done {
            Performed::Forked { session } => Some(session.to_string()),
            _ => None,
        },
        left: done == Performed::Left,
    })
}

pub(super) async fn query(talk: &Talk, asked: wire::Query) -> Of<wire::Answer> {
    let variables = asked.variables.map(Value::Object).unwrap_or_default();
    let response = talk
        .graph
        .execute(
            Viewer::owner(),
            &asked.query,
            variables,
            asked.operation.as_deref(),
        )
        .await;
    match response.to_json() {
        Ok(Value::Object(answer)) => Ok(wire::Answer(answer)),
        _ => Err(Fault::new(INTERNAL, "the graph gave no answer")),
    }
}

pub(super) async fn replay(talk: &Talk, asked: wire::Replay) -> Of<wire::Replayed> {
    let reader = talk.connection.hub().runtime().reader().clone();
    let replayed = tokio::task::spawn_blocking(move || {
        let snapshot = reader.snapshot(Viewer::owner());
        let session = snapshot.find(&asked.session)?;
        let replayed = snapshot.replay(&Record::Session(session), asked.until)?;
        let differences = replayed.differences.iter().take(wire::DIFFERENCES);
        Ok(wire::Replayed {
            session: session.to_string(),
            equal: replayed.difference_count == 0,
            commits: replayed.commits,
            difference_count: replayed.difference_count,
            differences: differences.map(object).collect(),
        })
    });
    let replayed: Result<_, ReadError> = replayed
        .await
        .map_err(|broken| Fault::new(INTERNAL, broken.to_string()))?;
    Ok(replayed.map_err(|error| AttachError::from(OperationError::from(error)))?)
}

fn role_of(role: wire::Role) -> Role {
    match role {
        wire::Role::Controller => Role::Controller,
        wire::Role::Observer => Role::Observer,
    }
}

fn told_role(role: Role) -> wire::Role {
    match role {
        Role::Controller => wire::Role::Controller,
        Role::Observer => wire::Role::Observer,
    }
}

fn call(text: &str) -> Of<glasswork_agent_core::id::CallId> {
    text.parse()
        .map_err(|error| Fault::new(PARAMS, format!("`call`: {error}")))
}

fn dispatched(done: Result<Accepted<Glasswork>, AttachError>) -> Of<wire::Dispatched> {
    let done = done?;
    Ok(wire::Dispatched {
        dispatch: done.id.to_string(),
        seq: done.id.seq,
    })
}
