//! Dispatches: every passage through the gate, committed or refused.

use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use async_graphql::{Enum, ID, InputObject, Json, Object, SimpleObject};
use glasswork_engine::trace::{self, DispatchTrace};
use glasswork_engine::{DispatchId, Domain as _, EffectKey, ScopeId, Stage as EngineStage};
use glasswork_session_state::{Fact as StateFact, Glasswork, tools};
use serde_json::Value;

use crate::chart::{ChartRow, TakenRow};
use crate::diff::StateDiff;
use crate::effect::Effect;
use crate::error::{Answer, Code, fail};
use crate::id;
use crate::operation::{Commit, Op};
use crate::origin::{Origin, OriginKind};
use crate::page::{self, Page};
use crate::scalar::{Long, Time};
use crate::session::View;
use crate::summary;
use crate::text;

/// One passage through the gate. What is known of it is read when it is asked for.
pub(crate) struct Dispatch {
    pub(crate) op: Op,
    pub(crate) id: DispatchId,
    commit: OnceLock<Option<Arc<Commit>>>,
}

/// How a dispatch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum OutcomeKind {
    /// It is in the state and in the journal.
    Committed,
    /// Its origin may not. The payload is not kept.
    Denied,
    /// The handler refused.
    Rejected,
    /// The candidate broke an invariant.
    Invalid,
    /// The handler panicked.
    Failed,
    /// It was the word of a closed effect.
    Stale,
    /// Its line would be longer than a journal takes.
    TooLarge,
    /// Nothing could be written to the journal.
    JournalUnavailable,
}

/// How a dispatch ended, and why.
#[derive(Debug, SimpleObject)]
pub(crate) struct Outcome {
    /// The kind.
    kind: OutcomeKind,
    /// Why it was refused; null for a commit.
    text: Option<String>,
    /// The reason as data, where the handler or an invariant gave one.
    data: Option<Json<Value>>,
    /// BLAKE3 of the event's canonical text, of one that was denied: its payload is not kept.
    digest: Option<String>,
    /// The closed effect whose word it was.
    effect: Option<ID>,
    /// The length that its line would have had, in bytes.
    bytes: Option<Long>,
}

impl OutcomeKind {
    fn of(outcome: &trace::Outcome) -> Self {
        match outcome {
            trace::Outcome::Committed => Self::Committed,
            trace::Outcome::Denied { .. } => Self::Denied,
            trace::Outcome::Rejected { .. } => Self::Rejected,
            trace::Outcome::Invalid { .. } => Self::Invalid,
            trace::Outcome::Failed { .. } => Self::Failed,
            trace::Outcome::Stale { .. } => Self::Stale,
            trace::Outcome::TooLarge { .. } => Self::TooLarge,
            trace::Outcome::JournalUnavailable { .. } => Self::JournalUnavailable,
        }
    }
}

impl Outcome {
    fn of(session: ScopeId, outcome: &trace::Outcome) -> Self {
        let kind = OutcomeKind::of(outcome);
        let mut shown = Self {
            kind,
            text: None,
            data: None,
            digest: None,
            effect: None,
            bytes: None,
        };
        match outcome {
            trace::Outcome::Committed => {}
            trace::Outcome::Denied { grant, digest } => {
                shown.text = Some(grant.clone());
                shown.digest = Some(digest.clone());
            }
            trace::Outcome::Rejected { text, data } | trace::Outcome::Invalid { text, data } => {
                shown.text = Some(text.clone());
                shown.data = Some(Json(data.clone()));
            }
            trace::Outcome::Failed { panic } => shown.text = Some(panic.clone()),
            trace::Outcome::Stale { effect } => shown.effect = Some(id::effect(session, *effect)),
            trace::Outcome::TooLarge { bytes } => shown.bytes = Some(Long::of(*bytes)),
            trace::Outcome::JournalUnavailable { reason } => shown.text = Some(reason.clone()),
        }
        shown
    }

    fn committed(session: ScopeId) -> Self {
        Self::of(session, &trace::Outcome::Committed)
    }
}

/// The stages of the pipeline, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "EngineStage")]
pub(crate) enum Stage {
    /// May this origin send this event to this scope?
    Permission,
    /// Name, time and event are noted.
    Log,
    /// The handler decides.
    Handler,
    /// A private copy is evolved and checked.
    Validate,
    /// The candidate becomes the decided state; the record is sealed.
    Apply,
    /// What the record allows is released.
    Effects,
}

/// Time spent in a stage.
#[derive(Debug, SimpleObject)]
pub(crate) struct StageTime {
    /// The stage.
    stage: Stage,
    /// Time spent, in nanoseconds; 0 where the dispatch did not come so far.
    nanoseconds: Long,
}

/// What was decided: one of the smallest statements from which the state follows.
#[derive(SimpleObject)]
pub(crate) struct Fact {
    /// Its family and kind: `prompt.said`.
    name: String,
    /// What it says.
    payload: Json<Value>,
    /// The row of a chart that it records.
    row: Option<TakenRow>,
}

/// Which dispatches.
#[derive(Debug, Default, InputObject)]
pub(crate) struct DispatchFilter {
    /// Those of this event, by its name.
    event: Option<String>,
    /// Those of this kind of origin.
    origin: Option<OriginKind>,
    /// Those that ended like this.
    outcome: Option<OutcomeKind>,
    /// From this commit on.
    from: Option<Long>,
    /// Up to this commit, and the refusals after it.
    to: Option<Long>,
}

impl Dispatch {
    pub(crate) fn new(op: &Op, id: DispatchId) -> Self {
        Self {
            op: Arc::clone(op),
            id,
            commit: OnceLock::new(),
        }
    }

    /// A commit of a session, by its number.
    pub(crate) fn commit(op: &Op, session: ScopeId, seq: u64) -> Self {
        Self::new(op, DispatchId::commit(session, seq))
    }

    /// A commit that was read already.
    pub(crate) fn read(op: &Op, commit: &Arc<Commit>) -> Self {
        let known = OnceLock::from(Some(Arc::clone(commit)));
        Self {
            op: Arc::clone(op),
            id: commit.id,
            commit: known,
        }
    }

    /// The commit; `None` for a refusal.
    pub(crate) fn record(&self) -> Answer<Option<&Arc<Commit>>> {
        if let Some(known) = self.commit.get() {
            return Ok(known.as_ref());
        }
        let commit = match self.id.refusal {
            0 => Some(self.op.commit(self.id)?),
            _ => None,
        };
        Ok(self.commit.get_or_init(|| commit).as_ref())
    }

    fn trace(&self) -> Answer<Option<DispatchTrace>> {
        Ok(self.op.traces(self.id.scope)?.of(self.id).cloned())
    }

    /// What is known of it from whichever record there is.
    fn known<T>(
        &self,
        of_commit: impl FnOnce(&Commit) -> T,
        of_trace: impl FnOnce(&DispatchTrace) -> T,
    ) -> Answer<T> {
        if let Some(commit) = self.record()? {
            return Ok(of_commit(commit));
        }
        let lost = || {
            fail(
                Code::NotFound,
                format!("there is no dispatch {}, or its trace is no longer kept", self.id),
            )
        };
        Ok(of_trace(&self.trace()?.ok_or_else(lost)?))
    }

    /// Fails where there is no such dispatch.
    pub(crate) fn exists(self) -> Answer<Self> {
        self.known(|_| (), |_| ())?;
        Ok(self)
    }

    pub(crate) fn cause_id(&self) -> Answer<Option<DispatchId>> {
        self.known(|commit| commit.cause, |trace| trace.cause)
    }

    /// The event in a line; of a refusal only its name is known.
    pub(crate) fn line(&self) -> Answer<Option<String>> {
        Ok(self.record()?.map(|commit| summary::of(&commit.event)))
    }
}

/// One passage through the gate, committed or refused.
#[Object]
impl Dispatch {
    /// Its name: `session/412`, or `session/412!1` for the first refusal after commit 412.
    async fn id(&self) -> ID {
        ID(self.id.to_string())
    }

    /// The scope in which it happened: a session, or the host.
    async fn scope(&self) -> ID {
        ID(self.id.scope.to_string())
    }

    /// Its place in the journal, or the commit after which it was refused.
    async fn seq(&self) -> Long {
        Long(self.id.seq)
    }

    /// The number of the refusal after `seq`, from 1; null for a commit.
    async fn refusal(&self) -> Option<u32> {
        (self.id.refusal > 0).then_some(self.id.refusal)
    }

    /// The event's name.
    async fn event(&self) -> Answer<Option<String>> {
        let name = |commit: &Commit| Glasswork::event_name(&commit.event).to_owned();
        self.known(name, |trace| trace.event.to_string()).map(Some)
    }

    /// What the event says, in a line; null for a refusal, whose payload is not kept.
    async fn text(&self) -> Answer<Option<String>> {
        self.line()
    }

    /// What the event carries; null for a refusal, whose payload is not kept.
    async fn payload(&self) -> Answer<Option<Json<Value>>> {
        let Some(commit) = self.record()? else {
            return Ok(None);
        };
        let value = text::json(&commit.event);
        self.op.text(value.to_string())?;
        Ok(Some(Json(value)))
    }

    /// Who asked.
    async fn origin(&self) -> Answer<Option<Origin>> {
        let session = self.id.scope;
        self.known(
            |commit| Origin::of(session, &commit.origin),
            |trace| Origin::of(session, &trace.origin),
        )
        .map(Some)
    }

    /// What permitted it, for people; null for a refusal: one that was denied says why in its outcome.
    async fn grant(&self) -> Answer<Option<String>> {
        Ok(self.record()?.map(|commit| commit.grant.to_string()))
    }

    /// When the writer received it.
    async fn at(&self) -> Answer<Option<Time>> {
        self.known(|commit| Time(commit.at), |trace| Time(trace.received))
            .map(Some)
    }

    /// The dispatch that led to it; null where it came from outside.
    async fn cause(&self) -> Answer<Option<Self>> {
        Ok(self.cause_id()?.map(|cause| Self::new(&self.op, cause)))
    }

    /// The dispatches of the same scope to which it led directly, oldest first, refusals among them.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn caused(&self, first: Option<u32>, after: Option<String>) -> Answer<Option<Page<Self>>> {
        let wanted =
            |_: &str, _: OriginKind, cause: Option<DispatchId>, _: OutcomeKind| cause == Some(self.id);
        let range = (self.id.seq, u64::MAX);
        collect(&self.op, self.id.scope, range, first, after.as_deref(), wanted).map(Some)
    }

    /// Its place among the consequences of its cause, where it is one.
    async fn consequence(&self) -> Answer<Option<u16>> {
        Ok(self.record()?.and_then(|commit| commit.consequence))
    }

    /// The effect whose result it reports.
    async fn settles(&self) -> Answer<Option<ID>> {
        let key = self.record()?.and_then(|commit| commit.settles);
        Ok(key.map(|key| id::effect(self.id.scope, key)))
    }

    /// Time spent in each stage; null where the trace is no longer kept.
    #[graphql(complexity = "6 * child_complexity")]
    async fn stages(&self) -> Answer<Option<Vec<StageTime>>> {
        let times = |trace: DispatchTrace| {
            let stages = EngineStage::ALL.iter().zip(trace.stages);
            stages
                .map(|(stage, time)| StageTime {
                    stage: (*stage).into(),
                    nanoseconds: Long(time),
                })
                .collect()
        };
        Ok(self.trace()?.map(times))
    }

    /// Time between sealing and the journal's word, in nanoseconds; null where the trace is no longer kept.
    async fn journal_nanoseconds(&self) -> Answer<Option<Long>> {
        Ok(self.trace()?.map(|trace| Long(trace.journal)))
    }

    /// Whether the writer was busy with it for longer than 5 ms; null where the trace is no longer kept.
    async fn slow(&self) -> Answer<Option<bool>> {
        Ok(self.trace()?.map(|trace| trace.slow))
    }

    /// How it ended.
    async fn outcome(&self) -> Answer<Option<Outcome>> {
        let session = self.id.scope;
        self.known(
            |_| Outcome::committed(session),
            |trace| Outcome::of(session, &trace.outcome),
        )
        .map(Some)
    }

    /// What was decided, in order; empty for a refusal.
    #[graphql(complexity = "16 * child_complexity")]
    async fn facts(&self) -> Answer<Option<Vec<Fact>>> {
        let Some(commit) = self.record()? else {
            return Ok(Some(Vec::new()));
        };
        let fact = |fact: &StateFact| {
            let value = text::json(fact);
            self.op.text(value.to_string())?;
            let (family, held) = text::variant(value);
            let (kind, payload) = text::variant(held);
            let row = Glasswork::row(fact).and_then(|row| ChartRow::taken(self.id.scope, row, subject(fact)));
            Ok(Fact {
                name: format!("{family}.{kind}"),
                payload: Json(payload),
                row,
            })
        };
        commit.facts.iter().map(fact).collect::<Answer<_>>().map(Some)
    }

    /// Effects that it released.
    #[graphql(complexity = "8 * child_complexity")]
    async fn effects(&self) -> Answer<Option<Vec<Effect>>> {
        let effects = self
            .record()?
            .into_iter()
            .flat_map(|commit| commit.effects.iter())
            .zip(0u16..);
        let effect = |(effect, ordinal)| {
            let key = EffectKey {
                seq: self.id.seq,
                ordinal,
            };
            Effect::of(&self.op, self.id.scope, key, effect)
        };
        effects.map(effect).collect::<Answer<_>>().map(Some)
    }

    /// Effects whose runners it asked to stop.
    async fn stops(&self) -> Answer<Option<Vec<ID>>> {
        let keys = self.record()?.into_iter().flat_map(|commit| commit.stops.iter());
        Ok(Some(keys.map(|key| id::effect(self.id.scope, *key)).collect()))
    }

    /// Effects that it closed without their runner's word.
    async fn closes(&self) -> Answer<Option<Vec<ID>>> {
        let keys = self.record()?.into_iter().flat_map(|commit| commit.closes.iter());
        Ok(Some(keys.map(|key| id::effect(self.id.scope, *key)).collect()))
    }

    /// Length of its line in the journal, in bytes; null for a refusal, which has none.
    async fn line_bytes(&self) -> Answer<Option<Long>> {
        Ok(self.record()?.map(|commit| Long::of(commit.size)))
    }

    /// What it changed in the state; nothing for a refusal.
    #[graphql(complexity = "usize::from(first).saturating_mul(child_complexity)")]
    async fn state_diff(
        &self,
        #[graphql(default = 100, desc = "Most changes that are shown.")] first: u16,
    ) -> Answer<Option<StateDiff>> {
        let before = match self.id.refusal {
            0 => self.id.seq.saturating_sub(1),
            _ => self.id.seq,
        };
        StateDiff::between(&self.op, self.id.scope, before, self.id.seq, first).map(Some)
    }
}

/// The tool call that a move of its chart is about.
fn subject(fact: &StateFact) -> Option<glasswork_agent_core::id::CallId> {
    match fact {
        StateFact::Tools(tools::Fact::Moved { call, .. }) => Some(*call),
        _ => None,
    }
}

/// The rows of charts that a commit took, each with the tool call that it is about.
pub(crate) fn rows(commit: &Commit) -> Vec<TakenRow> {
    let row = |fact| {
        let row = Glasswork::row(fact)?;
        ChartRow::taken(commit.id.scope, row, subject(fact))
    };
    commit.facts.iter().filter_map(row).collect()
}

/// The dispatches of a session, oldest first, up to the commit as of which it is seen.
pub(crate) fn list(
    view: &View,
    first: Option<u32>,
    after: Option<&str>,
    filter: DispatchFilter,
) -> Answer<Page<Dispatch>> {
    let from = filter.from.map_or(0, |from| from.0);
    let to = filter.to.map_or(view.at, |to| to.0.min(view.at));
    let wanted = |event: &str, origin: OriginKind, _: Option<DispatchId>, outcome: OutcomeKind| {
        filter.event.as_deref().is_none_or(|wanted| wanted == event)
            && filter.origin.is_none_or(|wanted| wanted == origin)
            && filter.outcome.is_none_or(|wanted| wanted == outcome)
    };
    collect(&view.op, view.id, (from, to), first, after, wanted)
}

/// Merges commits and refusals: a refusal stands after the commit that it came after.
fn collect(
    op: &Op,
    scope: ScopeId,
    (from, to): (u64, u64),
    first: Option<u32>,
    after: Option<&str>,
    wanted: impl Fn(&str, OriginKind, Option<DispatchId>, OutcomeKind) -> bool,
) -> Answer<Page<Dispatch>> {
    let length = page::length(op, first)?;
    let after = after
        .map(|cursor| {
            let wrong = |_| fail(Code::BadId, format!("`{cursor}` is not a cursor of this list"));
            format!("{scope}/{cursor}").parse::<DispatchId>().map_err(wrong)
        })
        .transpose()?;
    let begins = |id: DispatchId| {
        id.seq >= from
            && id.seq <= to
            && after.is_none_or(|after| (id.seq, id.refusal) > (after.seq, after.refusal))
    };
    let traces = op.traces(scope)?;
    let mut refusals: Vec<DispatchId> = traces.refusals().filter(|id| begins(*id)).collect();
    refusals.sort_unstable();
    let mut refusals = refusals
        .into_iter()
        .filter(|id| {
            let trace = traces.of(*id);
            trace.is_some_and(|trace| {
                wanted(
                    &trace.event,
                    OriginKind::of(&trace.origin),
                    trace.cause,
                    OutcomeKind::of(&trace.outcome),
                )
            })
        })
        .peekable();
    let enough = length.saturating_add(1);
    let mut found: Vec<Dispatch> = Vec::new();
    let start = from.max(after.map_or(0, |after| after.seq)).max(1);
    op.walk(scope, start, to, |commit| {
        while let Some(refused) = refusals.next_if(|refused| refused.seq < commit.id.seq) {
            found.push(Dispatch::new(op, refused));
        }
        let name = Glasswork::event_name(&commit.event);
        let origin = OriginKind::of(&commit.origin);
        if begins(commit.id) && wanted(name, origin, commit.cause, OutcomeKind::Committed) {
            found.push(Dispatch::read(op, commit));
        }
        if found.len() >= enough {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    found.extend(refusals.map(|refused| Dispatch::new(op, refused)));
    let cursor = |dispatch: Dispatch| {
        let name = dispatch.id.to_string();
        let cursor = name.rsplit_once('/').map_or("", |(_, name)| name).to_owned();
        (cursor, dispatch)
    };
    Ok(page::page(length, after.is_some(), found.into_iter().map(cursor)))
}
