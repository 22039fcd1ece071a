//! What differs between two requests, and why the provider's cache could not be used.

use std::ops::ControlFlow;
use std::sync::Arc;

use async_graphql::{Enum, Object, SimpleObject};
use glasswork_agent_core::context::HeadPart;
use glasswork_agent_core::id::RequestId;
use glasswork_ai::structured::Form;
use glasswork_session_state::{Fact, session, settings};

use crate::dispatch::Dispatch;
use crate::entry;
use crate::error::Answer;
use crate::request::Request;
use crate::scalar::Long;
use crate::session::View;
use crate::text;

/// What differs between two requests of one session.
pub(crate) struct RequestDiff {
    from: Request,
    to: Request,
    parts: Vec<Compared>,
}

/// Kinds of parts of a request, in the order in which providers cache them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum PartKind {
    /// The model that is asked. Each has its own cache.
    Model,
    /// How much the model shall think.
    Thinking,
    /// The schema that the server is given for the answer.
    Result,
    /// A tool.
    Tool,
    /// A part of the system prompt.
    System,
    /// A message.
    Message,
}

/// What became of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum PartChange {
    /// It is the same, at the same place.
    Kept,
    /// It is not there any more.
    Removed,
    /// It was not there before.
    Added,
    /// Something else stands at its place.
    Changed,
}

/// A part of a request, as it is compared.
struct Unit {
    /// Equal for parts that are sent alike.
    identity: String,
    name: String,
    content: String,
    by: Option<u64>,
    tokens: u64,
}

/// A part of two requests.
struct Compared {
    kind: PartKind,
    index: usize,
    change: PartChange,
    before: Option<Unit>,
    after: Option<Unit>,
}

/// A part of two requests, and what became of it.
#[derive(SimpleObject)]
pub(crate) struct PartDiff {
    /// The kind.
    kind: PartKind,
    /// Its place among those of its kind, from 0.
    index: Long,
    /// What it is: a model, a tool's name, a file's path, a kind of entry.
    name: String,
    /// What became of it.
    change: PartChange,
    /// The beginning of what stood there.
    before: Option<String>,
    /// The beginning of what stands there.
    after: Option<String>,
    /// Estimated size in tokens of what is sent there now, before calibration; 0 where nothing is.
    tokens: Long,
    /// The dispatch that put there what is sent now, or that took away what was; null where it is not known.
    by: Option<Dispatch>,
}

/// Why the later request could not be served from what the provider had cached of the earlier one.
#[derive(SimpleObject)]
pub(crate) struct CacheMissCause {
    /// The first part that differs: what comes after it is read anew.
    part: PartDiff,
    /// The dispatch that changed it.
    by: Option<Dispatch>,
    /// The event of that dispatch, in a line.
    text: Option<String>,
}

impl RequestDiff {
    pub(crate) fn between(view: &Arc<View>, from: RequestId, to: RequestId) -> Answer<Self> {
        let from = Request::find(view, from)?;
        let to = Request::find(view, to)?;
        let mut parts = Vec::new();
        for kind in [
            PartKind::Model,
            PartKind::Thinking,
            PartKind::Result,
            PartKind::Tool,
            PartKind::System,
            PartKind::Message,
        ] {
            compare(kind, units(&from, kind)?, units(&to, kind)?, &mut parts);
        }
        Ok(Self { from, to, parts })
    }

    fn show(&self, compared: &Compared) -> Answer<PartDiff> {
        const LETTERS: usize = 120;
        let begin = |unit: &Option<Unit>| {
            unit.as_ref()
                .map(|unit| text::first_words(&unit.content, LETTERS))
        };
        let shown = compared.after.as_ref().or(compared.before.as_ref());
        Ok(PartDiff {
            kind: compared.kind,
            index: Long::of(compared.index),
            name: shown.map(|unit| unit.name.clone()).unwrap_or_default(),
            change: compared.change,
            before: begin(&compared.before),
            after: begin(&compared.after),
            tokens: Long(compared.after.as_ref().map_or(0, |unit| unit.tokens)),
            by: self
                .changed_by(compared)?
                .map(|seq| Dispatch::commit(&self.to.view.op, self.to.view.id, seq)),
        })
    }

    /// The dispatch that put a part where it is, or took it away.
    fn changed_by(&self, compared: &Compared) -> Answer<Option<u64>> {
        match (compared.kind, compared.change) {
            (PartKind::Model | PartKind::Thinking, PartChange::Changed) => self.set_by(compared.kind),
            // Tools go when the result is asked for by itself.
            (PartKind::Tool, PartChange::Removed) if !self.to.prepared.offers_tools() => {
                Ok(Some(self.to.prepared.by))
            }
            (PartKind::Result, PartChange::Removed) => Ok(Some(self.to.prepared.by)),
            // A tool or a part of the system prompt goes when a new head is set.
            (PartKind::Tool | PartKind::System, PartChange::Removed) => Ok(Some(self.to.prepared.plan.head)),
            _ => Ok(compared.after.as_ref().and_then(|unit| unit.by)),
        }
    }

    /// The dispatch between the two requests that changed a setting last.
    fn set_by(&self, kind: PartKind) -> Answer<Option<u64>> {
        let (earlier, later) = ordered(self.from.prepared.by, self.to.prepared.by);
        let mut found = None;
        self.to.view.op.walk(self.to.view.id, earlier, later, |commit| {
            let sets = commit.facts.iter().any(|fact| match fact {
                Fact::Session(session::Fact::Set(settings::Setting::Model(_))) => kind == PartKind::Model,
                Fact::Session(session::Fact::Set(settings::Setting::Thinking(_))) => {
                    kind == PartKind::Thinking
                }
                _ => false,
            });
            if sets {
                found = Some(commit.id.seq);
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// The first part of the earlier request that the later one does not have as it was.
    fn first_difference(&self) -> Option<&Compared> {
        let end = |kind| {
            self.parts
                .iter()
                .filter(|part| part.kind == kind && part.before.is_some())
                .count()
        };
        self.parts.iter().find(|part| match part.change {
            PartChange::Kept => false,
            PartChange::Removed | PartChange::Changed => true,
            // Messages at the end come after all that was cached; a tool moves everything behind it.
            PartChange::Added => part.kind != PartKind::Message || part.index < end(PartKind::Message),
        })
    }
}

fn ordered(one: u64, other: u64) -> (u64, u64) {
    (one.min(other), one.max(other))
}

fn units(request: &Request, kind: PartKind) -> Answer<Vec<Unit>> {
    fn setting(name: String) -> Unit {
        Unit {
            identity: name.clone(),
            content: name.clone(),
            name,
            by: None,
            tokens: 0,
        }
    }
    fn unit<T>(part: &HeadPart<T>, name: &str, content: String) -> Unit {
        let identity = format!("{name}\n{content}");
        Unit {
            identity,
            name: name.to_owned(),
            content,
            by: Some(part.by),
            tokens: part.tokens,
        }
    }
    let prepared = &request.prepared;
    Ok(match kind {
        PartKind::Model => vec![setting(prepared.model.to_string())],
        PartKind::Thinking => vec![setting(text::variant_name(&prepared.thinking))],
        PartKind::Result => {
            // Of what is asked in words there is a message.
            let given = prepared.output.filter(|means| means.form != Form::Prompted);
            let schema = request.view.session.context.schema(prepared.turn);
            let unit = given.zip(schema).map(|(means, schema)| {
                let form = text::variant_name(&means.form);
                Unit {
                    identity: format!("{form}\n{schema}"),
                    name: form,
                    content: schema.to_string(),
                    by: Some(prepared.by),
                    tokens: 0,
                }
            });
            unit.into_iter().collect()
        }
        PartKind::Tool if !prepared.offers_tools() => vec![],
        PartKind::Tool => {
            let tools = request.head();
            let tool = |tool: &HeadPart<glasswork_ai::model::ToolSpec>| {
                unit(
                    tool,
                    &tool.part.name,
                    format!("{} {}", tool.part.description, tool.part.parameters),
                )
            };
            tools.tools.iter().map(tool).collect()
        }
        PartKind::System => {
            let head = request.head();
            head.system
                .iter()
                .map(|part| unit(part, &part.part.name, part.part.text.to_string()))
                .collect()
        }
        PartKind::Message => {
            let message = |sent: &crate::request::SentPart| {
                let entry = request.entry(sent.part.entry)?;
                Ok(Unit {
                    identity: sent.part.entry.to_string(),
                    name: text::variant_name(&entry.body),
                    content: entry::said(&entry.body),
                    by: Some(sent.part.by),
                    tokens: sent.part.tokens,
                })
            };
            request
                .parts()
                .iter()
                .filter(|part| part.sent)
                .map(message)
                .collect::<Answer<_>>()?
        }
    })
}

/// Compares place by place: a provider's cache holds beginnings, so what moved has changed.
fn compare(kind: PartKind, before: Vec<Unit>, after: Vec<Unit>, parts: &mut Vec<Compared>) {
    let (mut before, mut after) = (before.into_iter(), after.into_iter());
    for index in 0.. {
        let (before, after) = (before.next(), after.next());
        let change = match (&before, &after) {
            (None, None) => break,
            (Some(_), None) => PartChange::Removed,
            (None, Some(_)) => PartChange::Added,
            (Some(before), Some(after)) if before.identity == after.identity => PartChange::Kept,
            (Some(_), Some(_)) => PartChange::Changed,
        };
        parts.push(Compared {
            kind,
            index,
            change,
            before,
            after,
        });
    }
}

/// What differs between two requests of one session.
#[Object]
impl RequestDiff {
    /// The earlier request.
    async fn from(&self) -> Request {
        Request::of(&self.from.view, self.from.id, &self.from.prepared)
    }

    /// The later request.
    async fn to(&self) -> Request {
        Request::of(&self.to.view, self.to.id, &self.to.prepared)
    }

    /// Parts at the same place, at most so many; without those that were kept unless they are asked for.
    #[graphql(complexity = "usize::from(first).saturating_mul(child_complexity)")]
    async fn parts(
        &self,
        #[graphql(default = 100)] first: u16,
        #[graphql(default)] kept: bool,
    ) -> Answer<Option<Vec<PartDiff>>> {
        let wanted = self
            .parts
            .iter()
            .filter(|part| kept || part.change != PartChange::Kept);
        wanted
            .take(usize::from(first))
            .map(|part| self.show(part))
            .collect::<Answer<_>>()
            .map(Some)
    }

    /// How many parts stand where they stood.
    async fn kept_count(&self) -> Long {
        Long::of(
            self.parts
                .iter()
                .filter(|part| part.change == PartChange::Kept)
                .count(),
        )
    }

    /// Why the provider's cache could not serve all of the earlier request; null where the later one begins with it.
    async fn cache_miss(&self) -> Answer<Option<CacheMissCause>> {
        let Some(first) = self.first_difference() else {
            return Ok(None);
        };
        let view = &self.to.view;
        let by = self.changed_by(first)?;
        let line = match by {
            Some(seq) => Dispatch::commit(&view.op, view.id, seq).line()?,
            None => None,
        };
        Ok(Some(CacheMissCause {
            part: self.show(first)?,
            by: by.map(|seq| Dispatch::commit(&view.op, view.id, seq)),
            text: line,
        }))
    }
}
