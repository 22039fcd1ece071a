//! Requests: what a model was sent, part by part, each with the dispatch that put it there.

use std::sync::{Arc, OnceLock};

use async_graphql::{Enum, ID, Object, SimpleObject};
use glasswork_agent_core::context::{self, Head, HeadPart, Part, Prepared, Purpose, SystemPart};
use glasswork_agent_core::id::{EntryId, RequestId};
use glasswork_agent_core::tail_map::TailMap;
use glasswork_agent_core::tree::{self, Body};
use glasswork_agent_core::{branch_summary, compaction};
use glasswork_ai::conversation::Message;
use glasswork_ai::image;
use glasswork_ai::model;
use glasswork_ai::stream::Usage;

use crate::controls::{Adjusted, Controls};
use crate::dispatch::Dispatch;
use crate::entry::{self, Block, Entry, EntryKind};
use crate::error::{Answer, absent};
use crate::id;
use crate::image::SentImage;
use crate::page::{self, Page, Place};
use crate::scalar::Long;
use crate::session::View;
use crate::structured::ResultMeans;
use crate::text;
use crate::tokens::Tokens;
use crate::tool::Tool;

/// A request: one that was prepared, or the one that would be prepared now.
pub(crate) struct Request {
    pub(crate) view: Arc<View>,
    pub(crate) id: RequestId,
    pub(crate) prepared: Arc<Prepared>,
    /// Whether it was prepared, or only would be.
    recorded: bool,
    /// The message parts; found when first asked for.
    parts: OnceLock<Vec<SentPart>>,
}

/// A message part of a request.
#[derive(Clone)]
pub(crate) struct SentPart {
    pub(crate) part: Part,
    /// Whether the rendering has a message for it.
    pub(crate) sent: bool,
    /// Its images.
    pub(crate) images: Vec<SentImage>,
}

/// How much a model thinks before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::Thinking")]
pub(crate) enum Thinking {
    /// As the server does by itself.
    Default,
    /// Not at all.
    Off,
    /// Hardly.
    Minimal,
    /// A little.
    Low,
    /// Somewhat.
    Medium,
    /// A lot.
    High,
    /// As much as it can.
    Xhigh,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum RequestPurpose {
    /// A step of the conversation: its parts are sent as messages.
    Step,
    /// A summary: its parts are what is summarised, and are sent as one text.
    Compaction,
    /// A summary of a branch that is left: its parts are what was said there, and are sent as one text.
    BranchSummary,
}

/// What the provider's cache did for a request, by the provider's own count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum CacheStatus {
    /// The provider has not counted the request (yet).
    NotReported,
    /// Part of the input was read from the cache.
    Hit,
    /// Nothing was read from the cache.
    Miss,
}

/// What the provider's cache did for a request.
#[derive(Debug, SimpleObject)]
pub(crate) struct Cache {
    /// What it did, by the provider's count.
    status: CacheStatus,
    /// Input tokens read from it.
    read: Long,
    /// Input tokens written to it.
    written: Long,
    /// All input tokens, cached or not.
    input: Long,
}

impl From<&Usage> for Cache {
    fn from(usage: &Usage) -> Self {
        let input = usage
            .input
            .saturating_add(usage.cache_read)
            .saturating_add(usage.cache_write);
        let status = match (input, usage.cache_read) {
            (0, _) => CacheStatus::NotReported,
            (_, 0) => CacheStatus::Miss,
            _ => CacheStatus::Hit,
        };
        Self {
            status,
            read: Long(usage.cache_read),
            written: Long(usage.cache_write),
            input: Long(input),
        }
    }
}

/// A part of the system prompt, as it was sent.
#[derive(SimpleObject)]
pub(crate) struct SystemPromptPart {
    /// What it is: `base`, or the path of the file that it was read from.
    name: String,
    /// The text.
    text: String,
    /// Estimated size in tokens, before calibration.
    tokens: Long,
    /// The dispatch that put it there.
    by: Dispatch,
}

/// A message of a request.
pub(crate) struct RequestMessage {
    view: Arc<View>,
    index: usize,
    part: SentPart,
    entry: Arc<tree::Entry>,
}

/// Names the bytes of a request as they were sent.
#[derive(Debug, SimpleObject)]
pub(crate) struct SentBody {
    /// BLAKE3 of the bytes, in hexadecimal.
    digest: String,
    /// Their length.
    bytes: Long,
}

/// A message of a request.
#[Object]
impl RequestMessage {
    /// Its place among the messages, from 0. With the request's id it names the part for `why`.
    async fn index(&self) -> Long {
        Long::of(self.index)
    }

    /// The kind of the entry that it is made of.
    async fn kind(&self) -> EntryKind {
        EntryKind::of(&self.entry.body)
    }

    /// Its text, without thinking and calls.
    async fn text(&self) -> Answer<Option<String>> {
        self.view.op.text(entry::said(&self.entry.body)).map(Some)
    }

    /// The beginning of that on one line, at most so many characters.
    async fn preview(&self, #[graphql(default = 80)] characters: u16) -> String {
        text::first_words(&entry::said(&self.entry.body), usize::from(characters.min(1_000)))
    }

    /// The blocks, of an answer.
    #[graphql(complexity = "8 * child_complexity")]
    async fn blocks(&self) -> Answer<Option<Vec<Block>>> {
        match &self.entry.body {
            Body::Assistant(answer) => entry::blocks(&self.view, self.part.part.entry, answer).map(Some),
            Body::Prompt { .. }
            | Body::ToolResult { .. }
            | Body::Compaction(_)
            | Body::BranchSummary(_)
            | Body::Notice(_)
            | Body::Superseded(_) => Ok(None),
        }
    }

    /// Estimated size in tokens, before calibration.
    async fn tokens(&self) -> Long {
        Long(self.part.part.tokens)
    }

    /// Whether the model is sent it: an answer of thinking alone is left out, no wire accepts it.
    async fn sent(&self) -> bool {
        self.part.sent
    }

    /// Its images, and as what each of them was sent, or would be.
    async fn images(&self) -> Vec<SentImage> {
        self.part.images.clone()
    }

    /// The entry that it is made of.
    async fn entry(&self) -> Entry {
        Entry {
            view: Arc::clone(&self.view),
            id: self.part.part.entry,
            entry: Arc::clone(&self.entry),
        }
    }

    /// The dispatch that put it there.
    async fn by(&self) -> Dispatch {
        Dispatch::commit(&self.view.op, self.view.id, self.part.part.by)
    }
}

impl Request {
    pub(crate) fn find(view: &Arc<View>, id: RequestId) -> Answer<Self> {
        let prepared = view
            .session
            .requests
            .get(&id)
            .ok_or_else(|| absent("request", id::request(view.id, id).0))?;
        Ok(Self::of(view, id, prepared))
    }

    pub(crate) fn of(view: &Arc<View>, id: RequestId, prepared: &Arc<Prepared>) -> Self {
        let prepared = Arc::clone(prepared);
        Self {
            view: Arc::clone(view),
            id,
            prepared,
            recorded: true,
            parts: OnceLock::new(),
        }
    }

    /// The request that would be prepared now, planned by the same function that plans one.
    pub(crate) fn next(view: &Arc<View>) -> Option<Self> {
        let session = &view.session;
        let last = session.requests.get_max().map_or(0, |(id, _)| id.0);
        let prepared = session.next_prepared()?;
        Some(Self {
            view: Arc::clone(view),
            id: RequestId(last.saturating_add(1)),
            prepared: Arc::new(prepared),
            recorded: false,
            parts: OnceLock::new(),
        })
    }

    /// The head that it was made with.
    pub(crate) fn head(&self) -> Arc<Head> {
        self.view
            .session
            .context
            .head_by(self.prepared.plan.head)
            .cloned()
            .unwrap_or_default()
    }

    /// The tools that are offered with it, in order.
    pub(crate) fn tools_sent(&self) -> Vec<HeadPart<model::ToolSpec>> {
        match self.prepared.offers_tools() {
            true => self.head().tools.to_vec(),
            false => Vec::new(),
        }
    }

    /// All requests, this one among them.
    fn requests(&self) -> TailMap<RequestId, Arc<Prepared>> {
        let requests = &self.view.session.requests;
        if self.recorded {
            requests.clone()
        } else {
            requests.update(self.id, Arc::clone(&self.prepared))
        }
    }

    /// The message parts, in order.
    pub(crate) fn parts(&self) -> &[SentPart] {
        self.parts.get_or_init(|| {
            let requests = self.requests();
            let session = &self.view.session;
            if self.prepared.purpose != Purpose::Step {
                // What is summarised is sent as one text.
                let parts = context::parts_of(&requests, self.id).into_iter();
                let in_text = |part: Part| {
                    let entry = session.tree.get(part.entry);
                    let images = entry.map_or(&[][..], |entry| entry.body.images());
                    SentPart {
                        part,
                        sent: true,
                        images: images.iter().map(SentImage::in_text).collect(),
                    }
                };
                return parts.map(in_text).collect();
            }
            let rendered = context::render(&session.tree, &session.context, &requests, self.id);
            // Which parts are sent is read off the rendering itself: both are in the same order.
            let messages = rendered.map(|request| request.messages).unwrap_or_default();
            let mut shown = messages.iter().filter_map(|message| match message {
                Message::Image(shown) => Some(self.sent_image(shown)),
                _ => None,
            });
            let is_image = |message: &&Message| matches!(message, Message::Image(_));
            let mut messages = messages.iter().filter(|message| !is_image(message)).peekable();
            let parts = context::parts_of(&requests, self.id).into_iter();
            parts
                .map(|part| {
                    let entry = session.tree.get(part.entry);
                    let is_its =
                        |message: &&Message| entry.is_some_and(|entry| renders(&entry.body, message));
                    let images = entry.map_or(0, |entry| entry.body.images().len());
                    SentPart {
                        part,
                        sent: messages.next_if(is_its).is_some(),
                        images: shown.by_ref().take(images).collect(),
                    }
                })
                .collect()
        })
    }

    /// As what an image was sent; before that, as what it would be by what is known of the model.
    fn sent_image(&self, shown: &image::Shown) -> SentImage {
        let unsent = match &self.prepared.body {
            Some(body) => {
                let mut unsent = body.unsent.iter();
                unsent
                    .find(|unsent| unsent.digest == shown.image.digest)
                    .map(|unsent| unsent.why)
            }
            None => {
                let known = self.view.op.catalogue.get(&self.prepared.model);
                let abilities = known.map(|known| known.abilities).unwrap_or_default();
                // Whether its bytes can be had is known when it is sent.
                shown
                    .sent(&abilities)
                    .err()
                    .filter(|why| *why != image::Unsent::Missing)
            }
        };
        match unsent {
            Some(why) => {
                let text = shown.stand_in(why, &self.prepared.model);
                SentImage::unsent(&shown.image, why, text)
            }
            None => SentImage::of(&shown.image),
        }
    }

    pub(crate) fn entry(&self, id: EntryId) -> Answer<&Arc<tree::Entry>> {
        self.view
            .session
            .tree
            .get(id)
            .ok_or_else(|| absent("entry", id::global(self.view.id, id).0))
    }
}

/// Whether a message is made of an entry.
fn renders(body: &Body, message: &Message) -> bool {
    match (body, message) {
        (Body::Prompt { text, .. }, Message::User(sent)) => text == sent,
        (Body::Assistant(answer), Message::Assistant { blocks, model }) => {
            answer.model == *model && answer.blocks == *blocks
        }
        (Body::ToolResult { result, .. }, Message::ToolResult(sent)) => result == sent,
        (Body::Compaction(body), Message::User(sent)) => compaction::message(body) == **sent,
        (Body::Notice(notice), Message::User(sent)) => notice.text == *sent,
        (Body::BranchSummary(body), Message::User(sent)) => branch_summary::message(body) == **sent,
        _ => false,
    }
}

/// What a model was sent, part by part, or would be sent now.
#[Object]
impl Request {
    /// Its name: the session, and its number there.
    async fn id(&self) -> ID {
        id::request(self.view.id, self.id)
    }

    /// Its number in the session, from 1.
    async fn number(&self) -> Long {
        Long(self.id.0)
    }

    /// Whether it was prepared, or only would be now.
    async fn recorded(&self) -> bool {
        self.recorded
    }

    /// What it is for.
    async fn purpose(&self) -> RequestPurpose {
        match self.prepared.purpose {
            Purpose::Step => RequestPurpose::Step,
            Purpose::Summary { .. } => RequestPurpose::Compaction,
            Purpose::Branch { .. } => RequestPurpose::BranchSummary,
        }
    }

    /// Of a request for a summary: the one text that is sent, made of all its messages; null for a step.
    async fn question(&self) -> Answer<Option<String>> {
        let session = &self.view.session;
        if self.prepared.purpose == Purpose::Step {
            return Ok(None);
        }
        let requests = self.requests();
        let rendered = context::render(&session.tree, &session.context, &requests, self.id);
        let text = rendered.and_then(|request| match request.messages.into_iter().next() {
            Some(Message::User(text)) => Some(text),
            _ => None,
        });
        text.map(|text| self.view.op.text(&*text)).transpose()
    }

    /// Of the request that would be made next: the estimate above which the conversation is compacted first; null where
    /// that does not happen by itself, and for one that was made.
    async fn threshold(&self) -> Option<Long> {
        if self.recorded {
            return None;
        }
        self.view.session.compaction_threshold().map(Long)
    }

    /// The turn of which it is a step, by the commit that began the turn; null for a summary that someone asked for
    /// between turns.
    async fn turn(&self) -> Option<ID> {
        (self.recorded && self.prepared.turn.0 > 0).then(|| id::commit(self.view.id, self.prepared.turn.0))
    }

    /// The dispatch that prepared it; null for one that only would be.
    async fn by(&self) -> Option<Dispatch> {
        self.recorded
            .then(|| Dispatch::commit(&self.view.op, self.view.id, self.prepared.by))
    }

    /// The model that is asked, as `provider/id`.
    async fn model(&self) -> String {
        self.prepared.model.to_string()
    }

    /// How much it shall think.
    async fn thinking(&self) -> Thinking {
        self.prepared.thinking.into()
    }

    /// Most tokens to answer with; null is the wire's default.
    async fn max_output_tokens(&self) -> Option<u32> {
        self.prepared.max_output_tokens
    }

    /// By which means its answer shall be the result that the turn is asked for; null where it need not be.
    async fn structured(&self) -> Option<ResultMeans> {
        self.prepared.output.map(ResultMeans::from)
    }

    /// What it carries beside the conversation.
    async fn controls(&self) -> Controls {
        Controls::from(&self.prepared.controls)
    }

    /// What was asked for and is sent otherwise, or not at all.
    async fn adjusted(&self) -> Vec<Adjusted> {
        self.prepared.adjusted.iter().map(Adjusted::from).collect()
    }

    /// The parts of the system prompt, in order.
    #[graphql(complexity = "8 * child_complexity")]
    async fn system(&self) -> Answer<Option<Vec<SystemPromptPart>>> {
        let part = |part: &HeadPart<SystemPart>| {
            Ok(SystemPromptPart {
                name: part.part.name.to_string(),
                text: self.view.op.text(&*part.part.text)?,
                tokens: Long(part.tokens),
                by: Dispatch::commit(&self.view.op, self.view.id, part.by),
            })
        };
        self.head()
            .system
            .iter()
            .map(part)
            .collect::<Answer<_>>()
            .map(Some)
    }

    /// The tools, in order; none where its answer has to be the result and its server takes no tools beside that.
    #[graphql(complexity = "16 * child_complexity")]
    async fn tools(&self) -> Vec<Tool> {
        let tools = self.tools_sent();
        tools.iter().map(|part| Tool::of(&self.view, part)).collect()
    }

    /// The messages, in order.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn messages(
        &self,
        first: Option<u32>,
        after: Option<String>,
    ) -> Answer<Option<Page<RequestMessage>>> {
        let length = page::length(&self.view.op, first)?;
        let after = page::after::<Place>(after.as_deref())?;
        let from = after.map_or(0, |after| after.0.saturating_add(1));
        let parts = self
            .parts()
            .iter()
            .enumerate()
            .skip(from)
            .take(length.saturating_add(1));
        let message = |(index, part): (usize, &SentPart)| {
            let entry = Arc::clone(self.entry(part.part.entry)?);
            let message = RequestMessage {
                view: Arc::clone(&self.view),
                index,
                part: part.clone(),
                entry,
            };
            Ok((index.to_string(), message))
        };
        let messages: Vec<_> = parts.map(message).collect::<Answer<_>>()?;
        Ok(Some(page::page(length, after.is_some(), messages)))
    }

    /// How many message parts it has.
    async fn message_count(&self) -> Long {
        Long(self.prepared.parts())
    }

    /// The request before it, whose first message parts it keeps.
    async fn base(&self) -> Option<ID> {
        self.prepared
            .plan
            .base
            .map(|base| id::request(self.view.id, base))
    }

    /// How many message parts of that request it begins with.
    async fn kept(&self) -> Long {
        Long(self.prepared.plan.kept)
    }

    /// Size of all parts in tokens: four characters to a token.
    async fn tokens(&self) -> Long {
        Long(self.prepared.plan.tokens)
    }

    /// The same, calibrated by what the provider counted before.
    async fn estimate(&self) -> Long {
        Long(self.prepared.plan.estimate)
    }

    /// The bytes that were sent; null before they were.
    async fn body(&self) -> Option<SentBody> {
        let body = self.prepared.body.as_ref()?;
        Some(SentBody {
            digest: body.digest.to_string(),
            bytes: Long(body.len),
        })
    }

    /// What the provider's cache did for it.
    async fn cache(&self) -> Cache {
        Cache::from(&self.prepared.usage)
    }

    /// What the provider counted, failed attempts included.
    async fn usage(&self) -> Tokens {
        Tokens::from(&self.prepared.usage)
    }

    /// How many attempts were made.
    async fn attempts(&self) -> u32 {
        self.prepared.attempts
    }

    /// Words of steering that would be taken in before it is sent; only for one that was not prepared yet.
    async fn steering(&self) -> Answer<Option<Vec<String>>> {
        if self.recorded {
            return Ok(None);
        }
        let words = self.view.session.queue.steering.iter();
        words
            .map(|words| self.view.op.text(&*words.text))
            .collect::<Answer<_>>()
            .map(Some)
    }
}
