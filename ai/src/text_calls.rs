//! Calls and thinking that a server leaves in the text, turned into what a better server would have sent: steps in,
//! steps out, by the same grammar. Reading the text is the work of [`glasswork_dialects`].

mod family;
mod setting;

use std::collections::BTreeMap;
use std::sync::Arc;

use glasswork_dialects::{Call, Ending, Event, Expected, Recogniser, Refusal, Repair, Tools, mend};

use crate::conversation::{Block, Mended, Reading, Request, Thought, ToolCall};
use crate::stream::{BlockKind, StopReason, StreamEvent, Usage};
use crate::wire::Wire;
pub use setting::ReadCalls;

/// How much of what the model wrote is kept beside a call that was read from it.
const RAW: usize = 4096;
/// The name of a call that names no tool.
const UNNAMED: &str = "unnamed";

/// Reads the text of one answer. Keeps the text of blocks that are open, and what its recogniser keeps.
#[derive(Debug)]
pub(crate) struct TextCalls {
    recogniser: Recogniser,
    /// Messages in the request: makes ids of calls unique in a conversation.
    conversation: usize,
    calls: usize,
    /// The number of the next block.
    next: u32,
    /// What became of the server's blocks that are open.
    blocks: BTreeMap<u32, Source>,
    text: Option<Open>,
    thinking: Option<Open>,
    /// A call whose name is known: its block and its id.
    call: Option<(u32, Arc<str>, Arc<str>)>,
    /// Blanks that were not told yet. Beside a call or a thought they mean nothing.
    blanks: String,
    /// The same of thinking.
    blank_thought: String,
    /// Whether anything but blanks came.
    has_content: bool,
    /// Tokens that were reported while a text was open, which for the server had ended.
    usage: Option<Usage>,
    out: Vec<StreamEvent>,
}

/// A block of the server's.
#[derive(Debug)]
enum Source {
    /// Its text is read.
    Text,
    /// Its text is thinking, or may be a call.
    Thinking,
    /// It goes on under another number.
    As(u32),
}

#[derive(Debug)]
struct Open {
    index: u32,
    text: String,
}

impl TextCalls {
    /// A reader of the answer to a request, where a server of this wire may leave calls or thinking in its text.
    pub(crate) fn of(request: &Request, wire: Wire, setting: ReadCalls) -> Option<Self> {
        let offered = request.tools.iter().map(|tool| (&*tool.name, &*tool.parameters));
        let recogniser = match setting {
            ReadCalls::As(dialect) => Recogniser::new(Tools::new(offered)).expecting(Expected::Only(dialect)),
            _ if wire != Wire::OpenAiCompatible => return None,
            ReadCalls::Auto => {
                let family = family::dialect(&request.model.model).map_or(Expected::Any, Expected::Rather);
                Recogniser::new(Tools::new(offered)).expecting(family)
            }
            // Where no tool is known there are no calls, and thinking still is no text.
            ReadCalls::Off => Recogniser::new(Tools::default()),
        };
        Some(Self::new(request, recogniser))
    }

    fn new(request: &Request, recogniser: Recogniser) -> Self {
        Self {
            recogniser,
            conversation: request.messages.len(),
            calls: 0,
            next: 0,
            blocks: BTreeMap::new(),
            text: None,
            thinking: None,
            call: None,
            blanks: String::new(),
            blank_thought: String::new(),
            has_content: false,
            usage: None,
            out: Vec::new(),
        }
    }

    /// Takes the steps of the server's answer, and gives those that they mean.
    pub(crate) fn read(&mut self, steps: Vec<StreamEvent>) -> Vec<StreamEvent> {
        for step in steps {
            self.step(step);
        }
        std::mem::take(&mut self.out)
    }

    fn step(&mut self, step: StreamEvent) {
        match step {
            StreamEvent::BlockStarted { index, kind } => {
                let source = match kind {
                    BlockKind::Text => Source::Text,
                    BlockKind::Thinking => Source::Thinking,
                    other => {
                        self.end_text();
                        self.end_thinking(None);
                        self.has_content = true;
                        Source::As(self.begin(other))
                    }
                };
                self.blocks.insert(index, source);
            }
            StreamEvent::Delta { index, text } => match self.blocks.get(&index) {
                Some(Source::Text) => {
                    let events = self.recogniser.feed(&text);
                    self.tell(events);
                }
                Some(Source::Thinking) => {
                    let events = self.recogniser.feed_thinking(&text);
                    self.tell(events);
                }
                Some(Source::As(index)) => self.out.push(StreamEvent::Delta { index: *index, text }),
                None => {}
            },
            StreamEvent::BlockFinished { index, block } => match (self.blocks.remove(&index), block) {
                (Some(Source::Thinking), Block::Thinking(thought)) => self.end_thinking(Some(thought)),
                (Some(Source::As(index)), Block::ToolCall(call)) => {
                    let block = Block::ToolCall(mended(call));
                    self.out.push(StreamEvent::BlockFinished { index, block });
                }
                (Some(Source::As(index)), block) => {
                    self.out.push(StreamEvent::BlockFinished { index, block })
                }
                // Text goes on until something else begins: a call may lie across blocks.
                _ => {}
            },
            StreamEvent::Finished(reason) => self.finish(reason),
            StreamEvent::Usage(usage) if self.text.is_some() => self.usage = Some(usage),
            StreamEvent::Failed(_) => {
                self.tell_usage();
                self.out.push(step);
            }
            StreamEvent::Started { .. } | StreamEvent::Usage(_) => self.out.push(step),
        }
    }

    fn finish(&mut self, reason: StopReason) {
        let ending = match reason {
            StopReason::EndOfTurn | StopReason::ToolUse | StopReason::StopSequence => Ending::Complete,
            _ => Ending::Length,
        };
        let events = self.recogniser.finish(ending);
        self.tell(events);
        if !self.has_content && !self.blanks.is_empty() {
            let blanks = std::mem::take(&mut self.blanks);
            self.say(&blanks);
        }
        self.end_text();
        self.end_thinking(None);
        let reason = match reason {
            StopReason::EndOfTurn | StopReason::StopSequence if self.calls > 0 => StopReason::ToolUse,
            other => other,
        };
        self.out.push(StreamEvent::Finished(reason));
    }

    fn tell(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Text(text) => self.text(&text),
                Event::Thinking(text) => self.think(&text),
                Event::TextWasThinking => {
                    self.blanks.clear();
                    if let Some(Open { index, text }) = self.text.take() {
                        self.thought(index, text, None);
                    }
                }
                Event::CallBegan { name } => {
                    self.begin_call(&name);
                }
                Event::Call(call) => self.call(&call),
                Event::Refused(refusal) => self.refuse(&refusal),
            }
        }
    }

    fn begin(&mut self, kind: BlockKind) -> u32 {
        let index = self.next;
        self.next += 1;
        self.out.push(StreamEvent::BlockStarted { index, kind });
        index
    }

    fn text(&mut self, text: &str) {
        if self.text.is_none() {
            self.blanks.push_str(text);
            if text.trim().is_empty() {
                return;
            }
            let text = std::mem::take(&mut self.blanks);
            self.end_thinking(None);
            self.say(&text);
        } else {
            self.say(text);
        }
    }

    fn say(&mut self, text: &str) {
        self.has_content = true;
        if self.text.is_none() {
            let index = self.begin(BlockKind::Text);
            self.text = Some(Open {
                index,
                text: String::new(),
            });
        }
        if let Some(open) = &mut self.text {
            open.grow(text, &mut self.out);
        }
    }

    fn think(&mut self, text: &str) {
        self.end_text();
        if self.thinking.is_none() {
            self.blank_thought.push_str(text);
            if text.trim().is_empty() {
                return;
            }
            self.has_content = true;
            let index = self.begin(BlockKind::Thinking);
            self.thinking = Some(Open {
                index,
                text: String::new(),
            });
            let text = std::mem::take(&mut self.blank_thought);
            if let Some(open) = &mut self.thinking {
                open.grow(&text, &mut self.out);
            }
        } else if let Some(open) = &mut self.thinking {
            open.grow(text, &mut self.out);
        }
    }

    fn end_text(&mut self) {
        self.blanks.clear();
        if let Some(Open { index, text }) = self.text.take() {
            let block = Block::Text(text.into());
            self.out.push(StreamEvent::BlockFinished { index, block });
        }
        self.tell_usage();
    }

    fn tell_usage(&mut self) {
        self.out.extend(self.usage.take().map(StreamEvent::Usage));
    }

    fn end_thinking(&mut self, whole: Option<Thought>) {
        self.blank_thought.clear();
        if let Some(Open { index, text }) = self.thinking.take() {
            self.thought(index, text, whole);
        } else if let Some(whole) =
            whole.filter(|whole| whole.signature.is_some() || whole.redacted.is_some())
        {
            let index = self.begin(BlockKind::Thinking);
            self.thought(index, String::new(), Some(whole));
        }
    }

    fn thought(&mut self, index: u32, text: String, whole: Option<Thought>) {
        let (signature, redacted) = whole.map_or((None, None), |whole| (whole.signature, whole.redacted));
        let block = Block::Thinking(Thought {
            text: text.into(),
            signature,
            redacted,
        });
        self.out.push(StreamEvent::BlockFinished { index, block });
    }

    fn begin_call(&mut self, name: &str) -> (u32, Arc<str>, Arc<str>) {
        self.end_text();
        self.end_thinking(None);
        self.has_content = true;
        let id: Arc<str> = format!("text_{}_{}", self.conversation, self.calls).into();
        let name: Arc<str> = name.into();
        self.calls += 1;
        let kind = BlockKind::ToolCall {
            id: Arc::clone(&id),
            name: Arc::clone(&name),
        };
        let begun = (self.begin(kind), id, name);
        self.call = Some(begun.clone());
        begun
    }

    fn call(&mut self, call: &Call) {
        let reading = Reading {
            dialect: call.dialect.key().into(),
            raw: beginning(&call.raw),
            raw_bytes: call.raw.len() as u64,
            repairs: call.repairs.iter().map(repair).collect(),
            refused: None,
        };
        self.end_call(&call.name, &call.arguments, reading);
    }

    /// A call that must not run. Its raw text stands where its arguments would, and nowhere else.
    fn refuse(&mut self, refusal: &Refusal) {
        let reading = Reading {
            dialect: refusal.dialect.key().into(),
            raw: Arc::default(),
            raw_bytes: refusal.raw.len() as u64,
            repairs: Vec::new(),
            refused: Some(refusal.reason.as_str().into()),
        };
        self.end_call(refusal.name.as_deref().unwrap_or(UNNAMED), &refusal.raw, reading);
    }

    fn end_call(&mut self, name: &str, arguments: &str, reading: Reading) {
        let (index, id, name) = self.call.take().unwrap_or_else(|| self.begin_call(name));
        self.call = None;
        let arguments: Arc<str> = arguments.into();
        self.out.push(StreamEvent::Delta {
            index,
            text: Arc::clone(&arguments),
        });
        let reading = Some(Arc::new(reading));
        let block = Block::ToolCall(ToolCall {
            id,
            name,
            arguments,
            reading,
        });
        self.out.push(StreamEvent::BlockFinished { index, block });
    }
}

impl Open {
    fn grow(&mut self, text: &str, out: &mut Vec<StreamEvent>) {
        self.text.push_str(text);
        out.push(StreamEvent::Delta {
            index: self.index,
            text: text.into(),
        });
    }
}

/// A native call, its arguments mended where they are no JSON and can be read in one way.
fn mended(call: ToolCall) -> ToolCall {
    if call.arguments.trim().is_empty() || crate::wire::is_object(&call.arguments) {
        return call;
    }
    let refused;
    let (arguments, repairs) = match mend(&call.arguments) {
        Ok((arguments, repairs)) => {
            refused = None;
            (Some(arguments), repairs)
        }
        Err(broken) => {
            refused = Some(Arc::from(format!("the arguments cannot be read: {broken}")));
            (None, Vec::new())
        }
    };
    let reading = Reading {
        dialect: "json".into(),
        raw: if arguments.is_some() {
            beginning(&call.arguments)
        } else {
            Arc::default()
        },
        raw_bytes: call.arguments.len() as u64,
        repairs: repairs.iter().map(repair).collect(),
        refused,
    };
    ToolCall {
        arguments: arguments.map_or(call.arguments, Into::into),
        reading: Some(Arc::new(reading)),
        ..call
    }
}

fn repair(repair: &Repair) -> Mended {
    Mended {
        kind: repair.kind.key().into(),
        at: repair.at as u64,
    }
}

fn beginning(raw: &str) -> Arc<str> {
    raw.get(..raw.floor_char_boundary(RAW)).unwrap_or_default().into()
}
