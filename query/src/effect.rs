//! Effects: work in the outside world, as data.

use async_graphql::{Enum, ID, Json, SimpleObject};
use glasswork_engine::{Class, Domain as _, EffectKey, ScopeId};
use glasswork_session_state::Glasswork;
use glasswork_session_state::effect;
use serde_json::Value;

use crate::dispatch::Dispatch;
use crate::error::Answer;
use crate::id;
use crate::operation::Op;
use crate::text;

/// What recovery may do with an effect whose outcome is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Class")]
pub(crate) enum EffectClass {
    /// Idempotent: released when its record is written.
    Again,
    /// Never run twice: released when its record is synced, settled as *outcome unknown* by recovery.
    Once,
}

/// Work in the outside world.
#[derive(SimpleObject)]
pub(crate) struct Effect {
    /// Its name: the session, the commit that released it, and its place there.
    id: ID,
    /// What kind of work it is.
    name: String,
    /// What recovery may do with it.
    class: EffectClass,
    /// What the runner was given; bodies it reads from the state.
    payload: Json<Value>,
    /// The request that it sends.
    request: Option<ID>,
    /// The tool call that it works on.
    call: Option<ID>,
    /// The dispatch that released it.
    by: Dispatch,
}

impl Effect {
    pub(crate) fn of(op: &Op, session: ScopeId, key: EffectKey, work: &effect::Effect) -> Answer<Self> {
        let value = text::json(work);
        op.text(value.to_string())?;
        let (name, payload) = text::variant(value);
        let (request, call) = match work {
            effect::Effect::CallModel { request, .. } | effect::Effect::Summarise { request, .. } => {
                (Some(id::request(session, *request)), None)
            }
            effect::Effect::GatherEvidence { call } | effect::Effect::RunTool { call, .. } => {
                (None, Some(id::global(session, call)))
            }
            effect::Effect::StartServer { .. }
            | effect::Effect::Fork { .. }
            | effect::Effect::Trash { .. }
            | effect::Effect::CloseSession { .. } => (None, None),
        };
        Ok(Self {
            id: id::effect(session, key),
            name,
            class: Glasswork::class(work).into(),
            payload: Json(payload),
            request,
            call,
            by: Dispatch::commit(op, session, key.seq),
        })
    }
}
