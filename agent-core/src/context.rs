//! What a model is sent, kept incrementally.
//!
//! A request is a head (system prompt and tools) and a list of message parts. The parts are references into the
//! tree with their sizes; each names the dispatch that put it there. A prepared request says which parts of the
//! request before it it keeps and which are new, so preparing one costs what is new and not what was said before.
//! Text is put together by [`render`], outside the writer.

use std::sync::Arc;

use glasswork_ai::adjusted::Adjusted;
use glasswork_ai::controls::{After, Controls};
use glasswork_ai::conversation::{Block, Message, Request};
use glasswork_ai::image::{self, Image, Shown, UnsentImage};
use glasswork_ai::model::{ModelId, Thinking, ToolSpec};
use glasswork_ai::stream::Usage;
use glasswork_ai::structured::{Form, Means, Output};
use im::{OrdMap, Vector};
use serde::{Deserialize, Serialize};

use crate::branch_summary::{self, Left};
use crate::compaction;
use crate::id::{EntryId, RequestId, TurnId};
use crate::tail_map::TailMap;
use crate::tree::{Body, Tree, chars};

/// A part of the system prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemPart {
    /// What it is, for people: `base`, or the path of the file that it was read from.
    pub name: Arc<str>,
    /// The text.
    pub text: Arc<str>,
}

/// A value of the head, with where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadPart<T> {
    /// The part.
    pub part: T,
    /// The dispatch that set it.
    pub by: u64,
    /// Its size, in uncalibrated tokens.
    pub tokens: u64,
}

/// What stands before the messages of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Head {
    /// The parts of the system prompt, in order.
    pub system: Vec<HeadPart<SystemPart>>,
    /// The tools, in order.
    pub tools: Vec<HeadPart<ToolSpec>>,
}

impl Head {
    /// Its size, in uncalibrated tokens.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        let system = self.system.iter().map(|part| part.tokens);
        let tools = self.tools.iter().map(|part| part.tokens);
        system.chain(tools).sum()
    }
}

/// A message of a request: a reference, its origin and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The entry that is sent.
    pub entry: EntryId,
    /// The dispatch that put it there.
    pub by: u64,
    /// Its size, in uncalibrated tokens.
    pub tokens: u64,
}

/// How the provider's counts relate to ours: the last request that it counted, both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Calibration {
    /// Our count of that request.
    pub counted: u64,
    /// The provider's.
    pub reported: u64,
}

impl Calibration {
    /// The estimate for a request that we count like this.
    #[must_use]
    pub fn estimate(self, counted: u64) -> u64 {
        if self.counted == 0 || self.reported == 0 {
            return counted;
        }
        let scaled = u128::from(counted) * u128::from(self.reported) / u128::from(self.counted);
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }
}

/// Tokens of a text of so many characters, before calibration: four characters to a token, rounded up.
#[must_use]
pub fn tokens_of_chars(chars: u64) -> u64 {
    chars.div_ceil(4)
}

/// The conversation as a model would be sent it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Context {
    heads: OrdMap<u64, Arc<Head>>,
    parts: Vector<Part>,
    /// Sum over `parts`.
    tokens: u64,
    /// The last request whose parts are the first of `parts`: the next one goes on from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<Base>,
    calibration: Calibration,
    /// The schemas of results, each by the turn that is asked for one.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    schemas: OrdMap<TurnId, Arc<str>>,
}

/// A request with whose parts the context begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Base {
    request: RequestId,
    parts: u64,
}

impl Context {
    /// Sets the system prompt. A part that stood at the same place unchanged keeps its origin.
    pub fn set_system(&mut self, by: u64, parts: &[SystemPart]) {
        let old = self.head();
        let system = kept(&old.system, parts, by, |part| chars(&part.text));
        let tools = old.tools.clone();
        self.heads.insert(by, Arc::new(Head { system, tools }));
    }

    /// Sets the tools. A tool that stood at the same place unchanged keeps its origin.
    pub fn set_tools(&mut self, by: u64, tools: &[ToolSpec]) {
        let old = self.head();
        let size = |tool: &ToolSpec| chars(&tool.name) + chars(&tool.description) + chars(&tool.parameters);
        let tools = kept(&old.tools, tools, by, size);
        let system = old.system.clone();
        self.heads.insert(by, Arc::new(Head { system, tools }));
    }

    /// Notes the schema of the result that a turn is asked for.
    pub fn set_schema(&mut self, turn: TurnId, schema: Arc<str>) {
        self.schemas.insert(turn, schema);
    }

    /// The schema of the result that a turn is asked for.
    #[must_use]
    pub fn schema(&self, turn: TurnId) -> Option<&Arc<str>> {
        self.schemas.get(&turn)
    }

    /// Adds an entry of `tokens` at the end.
    pub fn append(&mut self, entry: EntryId, tokens: u64) {
        let by = entry.seq;
        self.tokens = self.tokens.saturating_add(tokens);
        self.parts.push_back(Part { entry, by, tokens });
    }

    /// Notes that a request was prepared of the first `parts` parts.
    pub fn prepared(&mut self, request: RequestId, parts: u64) {
        self.base = Some(Base { request, parts });
    }

    /// Follows the branch to `leaf`. Touches the parts in which that branch differs from the one followed so far, and
    /// no others: on a branch every entry is younger than its parent, so what the two share is found by bisection.
    ///
    /// The last compaction on the branch stands for everything before its first kept entry; earlier ones are within
    /// that.
    pub fn follow(&mut self, tree: &Tree, leaf: Option<EntryId>) {
        let compacted = self.compaction(tree);
        let mut entered = Vec::new();
        let mut compaction = None;
        let mut kept = 0;
        for (id, entry) in tree.branch_to(leaf) {
            if compaction.is_none()
                && compacted.is_none_or(|compacted| compacted <= id)
                && let Some(place) = compaction::place_of(&self.parts, compacted.is_some(), id)
            {
                // What a compaction kept comes with it.
                let older = self.parts.iter().skip(1).take_while(|part| part.entry < id);
                kept = match compacted == Some(id) {
                    true => older.count() + 1,
                    false => place + 1,
                };
                break;
            }
            match (&entry.body, &compaction) {
                (Body::Compaction(body), None) => compaction = Some((id, entry.tokens, body.first_kept)),
                (Body::Compaction(_), Some(_)) => {}
                _ => entered.push((id, entry.tokens)),
            }
            if compaction.is_some_and(|(_, _, first)| first == id) {
                break;
            }
        }
        if kept < self.parts.len() {
            let left = self.parts.split_off(kept);
            let tokens: u64 = left.iter().map(|part| part.tokens).sum();
            self.tokens = self.tokens.saturating_sub(tokens);
        }
        let compaction = compaction.map(|(id, tokens, _)| (id, tokens));
        for (id, tokens) in compaction.into_iter().chain(entered.into_iter().rev()) {
            self.append(id, tokens);
        }
        let stays = |base: &Base| usize::try_from(base.parts).is_ok_and(|parts| parts <= kept);
        let bases = [self.base.filter(stays), self.answered(tree)];
        self.base = bases.into_iter().flatten().max_by_key(|base| base.parts);
    }

    /// The compaction with which the parts begin.
    fn compaction(&self, tree: &Tree) -> Option<EntryId> {
        let first = self.parts.front()?.entry;
        matches!(tree.get(first)?.body, Body::Compaction(_)).then_some(first)
    }

    /// The request that the last answer among the parts answers: it was made of the parts before that answer.
    fn answered(&self, tree: &Tree) -> Option<Base> {
        // What a compaction kept was an answer to other requests.
        let compacted = self.compaction(tree);
        let parts = self.parts.iter().enumerate().rev();
        let parts = parts.take_while(|(_, part)| compacted.is_none_or(|compacted| part.entry > compacted));
        let mut answers = parts.filter_map(|(place, part)| match &tree.get(part.entry)?.body {
            Body::Assistant(answer) => Some(Base {
                request: answer.request?,
                parts: u64::try_from(place).unwrap_or(u64::MAX),
            }),
            Body::Prompt { .. }
            | Body::ToolResult { .. }
            | Body::Compaction(_)
            | Body::BranchSummary(_)
            | Body::Notice(_)
            | Body::Superseded(_) => None,
        });
        answers.next()
    }

    /// Learns from a provider's count of a request.
    pub fn calibrate(&mut self, calibration: Calibration) {
        self.calibration = calibration;
    }

    /// The head in force; empty before one was set.
    #[must_use]
    pub fn head(&self) -> Arc<Head> {
        self.heads
            .get_max()
            .map(|(_, head)| Arc::clone(head))
            .unwrap_or_default()
    }

    /// The head that the dispatch `by` made.
    #[must_use]
    pub fn head_by(&self, by: u64) -> Option<&Arc<Head>> {
        self.heads.get(&by)
    }

    /// The message parts, in order.
    #[must_use]
    pub fn parts(&self) -> &Vector<Part> {
        &self.parts
    }

    /// The request from which the next one goes on.
    #[must_use]
    pub fn base(&self) -> Option<RequestId> {
        self.base.map(|base| base.request)
    }

    /// How the provider's counts relate to ours.
    #[must_use]
    pub fn calibration(&self) -> Calibration {
        self.calibration
    }

    /// Size of head and messages, in uncalibrated tokens.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.tokens.saturating_add(self.head().tokens())
    }

    /// Size of the messages alone, in uncalibrated tokens.
    #[must_use]
    pub fn message_tokens(&self) -> u64 {
        self.tokens
    }

    /// Plans a request of the first `parts` parts alone, without a head: one that is about them.
    #[must_use]
    pub fn plan_first(&self, parts: u64) -> Plan {
        let kept = self.base.map_or(0, |base| base.parts).min(parts);
        let place = |parts: u64| usize::try_from(parts).unwrap_or(usize::MAX).min(self.parts.len());
        let new: Vec<Part> = self
            .parts
            .focus()
            .narrow(place(kept)..place(parts))
            .into_iter()
            .copied()
            .collect();
        // What follows the cut is small, what lies before it is not: no sum over that.
        let after: u64 = self
            .parts
            .focus()
            .narrow(place(parts)..)
            .into_iter()
            .map(|part| part.tokens)
            .sum();
        let tokens = self.tokens.saturating_sub(after);
        Plan {
            base: self.base.filter(|_| kept > 0).map(|base| base.request),
            kept,
            new,
            head: 0,
            tokens,
            estimate: self.calibration.estimate(tokens),
        }
    }

    /// Plans a request of what is left of a branch alone, without a head.
    #[must_use]
    pub fn plan_left(&self, left: &Left) -> Plan {
        let tokens = left.parts.iter().map(|part| part.tokens).sum();
        Plan {
            base: None,
            kept: 0,
            new: left.parts.clone(),
            head: 0,
            tokens,
            estimate: self.calibration.estimate(tokens),
        }
    }

    /// Plans the next request: it goes on from the last one that had nothing but what is here, so that what a provider
    /// remembers of that one counts. Touches the head and the parts which that one lacks.
    #[must_use]
    pub fn plan(&self) -> Plan {
        let kept = self.base.map_or(0, |base| base.parts);
        let from = usize::try_from(kept).unwrap_or(usize::MAX).min(self.parts.len());
        // By index: setting up an iterator over a deep vector costs more than finding the few new ones.
        let new: Vec<Part> = (from..self.parts.len())
            .filter_map(|place| self.parts.get(place).copied())
            .collect();
        let tokens = self.tokens();
        Plan {
            base: self.base.map(|base| base.request),
            kept,
            new,
            head: self.heads.get_max().map_or(0, |(by, _)| *by),
            tokens,
            estimate: self.calibration.estimate(tokens),
        }
    }

    /// Whether it is what following the branch to the tree's leaf from nothing gives.
    #[must_use]
    pub fn fits(&self, tree: &Tree) -> bool {
        let mut afresh = Self::default();
        afresh.follow(tree, tree.leaf());
        (&afresh.parts, afresh.tokens) == (&self.parts, self.tokens)
    }
}

fn kept<T: Clone + PartialEq>(
    old: &[HeadPart<T>],
    new: &[T],
    by: u64,
    chars: impl Fn(&T) -> u64,
) -> Vec<HeadPart<T>> {
    new.iter()
        .enumerate()
        .map(|(place, part)| match old.get(place) {
            Some(same) if same.part == *part => same.clone(),
            _ => HeadPart {
                part: part.clone(),
                by,
                tokens: tokens_of_chars(chars(part)),
            },
        })
        .collect()
}

/// What a request consists of, relative to the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The request before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<RequestId>,
    /// How many message parts of `base` it begins with.
    pub kept: u64,
    /// The message parts after those.
    pub new: Vec<Part>,
    /// The dispatch that made its head; 0 where there is none.
    pub head: u64,
    /// Size of head and messages, in uncalibrated tokens.
    pub tokens: u64,
    /// The same, calibrated.
    pub estimate: u64,
}

/// A request that was prepared, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// By which means the answer shall be the result of the turn, where it shall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Means>,
    /// The turn of which it is a step.
    pub turn: TurnId,
    /// The dispatch that prepared it.
    pub by: u64,
    /// What it consists of.
    pub plan: Plan,
    /// The model that is asked.
    pub model: ModelId,
    /// How much it shall think.
    pub thinking: Thinking,
    /// Most tokens to answer with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    /// What it carries beside the conversation. A breakpoint is after a part.
    #[serde(default, skip_serializing_if = "Controls::is_none")]
    pub controls: Controls,
    /// What was asked for and is sent otherwise, or not at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adjusted: Vec<Adjusted>,
    /// The bytes that were sent, once they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyRef>,
    /// What the provider counted, failed attempts included.
    #[serde(default)]
    pub usage: Usage,
    /// How many attempts were made.
    pub attempts: u32,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Purpose::is_step")]
    pub purpose: Purpose,
}

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A step of the conversation: its parts are sent as messages.
    #[default]
    Step,
    /// A summary: its parts are what is summarised, and are sent as one text.
    Summary {
        /// Whether the cut after them lies inside a turn.
        inside_turn: bool,
        /// What the summary shall not miss.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        focus: Option<Arc<str>>,
        /// Most tokens that they may take, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budget: Option<u64>,
    },
    /// A summary of a branch that is left: its parts are what was said there, and are sent as one text.
    Branch {
        /// Older messages of the branch that are not among the parts.
        #[serde(default, skip_serializing_if = "is_none_more")]
        more: u64,
        /// What the summary shall not miss.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        focus: Option<Arc<str>>,
        /// Most tokens that they may take, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budget: Option<u64>,
    },
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_none_more(more: &u64) -> bool {
    *more == 0
}

impl Purpose {
    fn is_step(&self) -> bool {
        *self == Self::Step
    }
}

impl Prepared {
    /// How many message parts it has.
    #[must_use]
    pub fn parts(&self) -> u64 {
        let new = u64::try_from(self.plan.new.len()).unwrap_or(u64::MAX);
        self.plan.kept.saturating_add(new)
    }

    /// Whether the model is told of the tools. It is not where its answer has to be the result and its server takes no
    /// tools beside that; where it has to call one for that, those are said that it has called before.
    #[must_use]
    pub fn offers_tools(&self) -> bool {
        self.output
            .is_none_or(|means| means.with_tools || means.form == Form::Tool)
    }
}

/// Names the bytes of a request as they were sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyRef {
    /// BLAKE3, in hexadecimal.
    pub digest: Arc<str>,
    /// Length in bytes.
    pub len: u64,
    /// The images of the request that went as a text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsent: Vec<UnsentImage>,
}

/// The message parts of a request, in order: its own, and what it keeps of those before it.
#[must_use]
pub fn parts_of(requests: &TailMap<RequestId, Arc<Prepared>>, id: RequestId) -> Vec<Part> {
    let mut chain = Vec::new();
    let mut next = Some((id, u64::MAX));
    while let Some((id, take)) = next {
        let Some(prepared) = requests.get(&id) else { break };
        let own = take.saturating_sub(prepared.plan.kept);
        chain.push((prepared, usize::try_from(own).unwrap_or(usize::MAX)));
        let kept = prepared.plan.kept.min(take);
        // A base is always older: without this a damaged record could be walked forever.
        next = prepared
            .plan
            .base
            .filter(|base| *base < id && kept > 0)
            .map(|base| (base, kept));
    }
    let oldest_first = chain.iter().rev();
    oldest_first
        .flat_map(|(prepared, own)| prepared.plan.new.iter().take(*own).copied())
        .collect()
}

/// Renders a prepared request. Deterministic: the same request always renders the same.
///
/// An answer that consists of thinking alone is left out: no wire accepts it. The bytes of images are not in it: whoever
/// sends it loads them. `None` where there is no such
/// request, or the tree lacks what it refers to.
#[must_use]
pub fn render(
    tree: &Tree,
    context: &Context,
    requests: &TailMap<RequestId, Arc<Prepared>>,
    id: RequestId,
) -> Option<Request> {
    let prepared = requests.get(&id)?;
    let parts = parts_of(requests, id);
    let asked = match &prepared.purpose {
        Purpose::Step => None,
        Purpose::Summary {
            inside_turn,
            focus,
            budget,
        } => {
            let question = compaction::question(tree, &parts, *inside_turn, focus.as_deref(), *budget);
            Some((compaction::INSTRUCTIONS, question))
        }
        Purpose::Branch { more, focus, budget } => {
            let question = branch_summary::question(tree, &parts, *more, focus.as_deref(), *budget);
            Some((branch_summary::INSTRUCTIONS, question))
        }
    };
    if let Some((instructions, question)) = asked {
        return Some(Request {
            output: None,
            model: prepared.model.clone(),
            system: vec![instructions.into()],
            messages: vec![Message::User(question.into())],
            tools: vec![],
            thinking: prepared.thinking,
            max_output_tokens: prepared.max_output_tokens,
            controls: prepared.controls.clone(),
        });
    }
    let head = context.head_by(prepared.plan.head).cloned().unwrap_or_default();
    let mut messages = Vec::new();
    let mut controls = prepared.controls.clone();
    let mut marks = std::mem::take(&mut controls.cache.after);
    for (place, part) in (0..).zip(parts) {
        said(&tree.get(part.entry)?.body, &mut messages);
        // A part that is not sent hands its breakpoint to the message before it, and so does an image to what it comes
        // with.
        let last = messages
            .iter()
            .rposition(|message| !matches!(message, Message::Image(_)));
        let last = last.and_then(|last| u64::try_from(last).ok());
        if let Some(position) = marks.iter().position(|mark| *mark == After::Message(place)) {
            marks.remove(position);
            controls.cache.after.extend(last.map(After::Message));
        }
    }
    // Those of the head come first.
    marks.extend(std::mem::take(&mut controls.cache.after));
    controls.cache.after = marks;
    image::limit(&mut messages);
    let output = prepared.output.and_then(|means| {
        let schema = Arc::clone(context.schema(prepared.turn)?);
        Some(Output { schema, means })
    });
    let tools: &[HeadPart<ToolSpec>] = match prepared.offers_tools() {
        true => &head.tools,
        false => &[],
    };
    Some(Request {
        output,
        model: prepared.model.clone(),
        system: head
            .system
            .iter()
            .map(|part| Arc::clone(&part.part.text))
            .collect(),
        messages,
        tools: tools.iter().map(|part| part.part.clone()).collect(),
        thinking: prepared.thinking,
        max_output_tokens: prepared.max_output_tokens,
        controls,
    })
}

/// An entry as messages. Images come before the words about them, and behind the result that shows them.
fn said(body: &Body, messages: &mut Vec<Message>) {
    let shown = |image: &Image, call| Message::Image(Shown::new(image.clone(), call));
    if let Body::Prompt { images, .. } = body {
        messages.extend(images.iter().map(|image| shown(image, None)));
    }
    messages.extend(message(body));
    if let Body::ToolResult { result, images, .. } = body {
        let call = || Some(Arc::clone(&result.call));
        messages.extend(images.iter().map(|image| shown(image, call())));
    }
}

fn message(body: &Body) -> Option<Message> {
    match body {
        Body::Prompt { text, .. } => Some(Message::User(Arc::clone(text))),
        Body::Assistant(answer) => {
            let speaks = |block: &Block| !matches!(block, Block::Thinking(_) | Block::Kept(_));
            answer.blocks.iter().any(speaks).then(|| Message::Assistant {
                blocks: answer.blocks.clone(),
                model: answer.model.clone(),
            })
        }
        Body::ToolResult { result, .. } => Some(Message::ToolResult(result.clone())),
        Body::Compaction(compaction) => Some(Message::User(compaction::message(compaction).into())),
        Body::BranchSummary(branch) => Some(Message::User(branch_summary::message(branch).into())),
        Body::Notice(notice) => Some(Message::User(Arc::clone(&notice.text))),
        Body::Superseded(_) => None,
    }
}
