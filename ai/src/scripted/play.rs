//! A turn of a script, played as a real model streams it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::script::{Said, Script, Step, Turn};
use crate::conversation::{Block, Kept, Message, Request, Thought, ToolCall};
use crate::failure::{Failure, FailureClass};
use crate::stream::{BlockKind, Progress, StopReason, StreamEvent, Usage};

/// What a player of a script does next. Whoever plays keeps the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cue {
    /// Let this much time pass.
    Wait(Duration),
    /// Say this.
    Say(Progress),
    /// Say nothing more, and do not end.
    Stall,
}

/// An answer being played. Ends after the step that ends the answer, or after [`Cue::Stall`].
#[derive(Debug)]
pub struct Play {
    steps: Arc<[Step]>,
    at: usize,
    chunk: usize,
    pace: Duration,
    ready: VecDeque<Cue>,
    saying: Option<Saying>,
    connected: bool,
    over: bool,
    blocks: u32,
    calls: u32,
    cut_short: bool,
    chars: u64,
    turn: usize,
    model: Arc<str>,
    input: u64,
    usage: Option<Usage>,
}

/// A block on its way out.
#[derive(Debug)]
struct Saying {
    index: u32,
    kind: BlockKind,
    text: Arc<str>,
    sent: usize,
    partial: bool,
}

impl Script {
    /// The answer to a request. `attempt` counts from 1 and tells a repeated request from the first.
    #[must_use]
    pub fn play(&self, request: &Request, attempt: u32) -> Play {
        let answered = request
            .messages
            .iter()
            .filter(|message| matches!(message, Message::Assistant { .. }))
            .count();
        let told = told_last(request);
        let (steps, usage) = match self.turns.get(answered) {
            Some(turn) => (turn.steps(answered, &told, attempt), turn.usage),
            None => (
                refusal(format!(
                    "the script has {} turns and this is request {}; add a turn",
                    self.turns.len(),
                    answered + 1
                )),
                None,
            ),
        };
        Play {
            steps,
            at: 0,
            chunk: self.chunk.max(1) as usize,
            pace: Duration::from_millis(self.pace_ms.into()),
            ready: VecDeque::new(),
            saying: None,
            connected: false,
            over: false,
            blocks: 0,
            calls: 0,
            cut_short: false,
            chars: 0,
            turn: answered + 1,
            model: request.model.model.clone(),
            input: chars_of(request).div_ceil(4),
            usage,
        }
    }
}

impl Turn {
    fn steps(&self, answered: usize, told: &str, attempt: u32) -> Arc<[Step]> {
        let mut attempts_before = 0u32;
        for before in &self.first {
            attempts_before = attempts_before.saturating_add(before.times);
            if attempt <= attempts_before {
                return before.say.clone();
            }
        }
        if let Some(expected) = self.expect.as_deref().filter(|expected| !told.contains(expected)) {
            return refusal(format!(
                "turn {} of the script expects the model to be told `{expected}`, but it was told: {}",
                answered + 1,
                excerpt(told)
            ));
        }
        match &self.when {
            Some(condition) if !told.contains(&**condition) => self.otherwise.clone(),
            _ => self.say.clone(),
        }
    }
}

impl Iterator for Play {
    type Item = Cue;

    fn next(&mut self) -> Option<Cue> {
        loop {
            if let Some(cue) = self.ready.pop_front() {
                return Some(cue);
            }
            if self.over {
                return None;
            }
            match self.saying.take() {
                Some(saying) => self.say_on(saying),
                None => match self.steps.get(self.at).cloned() {
                    Some(step) => {
                        self.at += 1;
                        self.take(step);
                    }
                    None => self.stop(self.natural_end()),
                },
            }
        }
    }
}

impl Play {
    fn take(&mut self, step: Step) {
        match step {
            Step::Text(text) => self.begin(Said::Text(text), false),
            Step::Thinking(text) => self.begin(Said::Thinking(text), false),
            Step::Call(tool, arguments) => self.begin(Said::Call(tool, arguments), false),
            Step::CallJson(tool, text) => self.begin(Said::CallJson(tool, text), false),
            Step::Partial(said) => self.begin(said, true),
            Step::Wait(ms) => self.ready.push_back(Cue::Wait(Duration::from_millis(ms.into()))),
            Step::Connected => self.connect(),
            Step::Stop(reason) => self.stop(reason),
            Step::Cut => {
                self.connect();
                self.fail(Failure::new(
                    FailureClass::Transport,
                    "the connection broke off before the answer was complete",
                ));
            }
            Step::Stall => {
                self.ready.push_back(Cue::Stall);
                self.over = true;
            }
            Step::Fail {
                class,
                message,
                status,
                retry_after_ms,
            } => self.fail(Failure {
                class,
                message: message.unwrap_or_else(|| format!("the script fails here ({class:?})").into()),
                status,
                retry_after_ms,
            }),
        }
    }

    fn begin(&mut self, said: Said, partial: bool) {
        self.start();
        let (kind, text) = match said {
            Said::Text(text) => (BlockKind::Text, text),
            Said::Thinking(text) => (BlockKind::Thinking, text),
            Said::Call(name, arguments) => (self.call(name), arguments.0),
            Said::CallJson(name, text) => (self.call(name), text),
        };
        let index = self.blocks;
        self.blocks += 1;
        self.cut_short |= partial;
        self.chars += text.chars().count() as u64;
        self.step(StreamEvent::BlockStarted {
            index,
            kind: kind.clone(),
        });
        self.saying = Some(Saying {
            index,
            kind,
            text,
            sent: 0,
            partial,
        });
    }

    fn call(&mut self, name: Arc<str>) -> BlockKind {
        self.calls += 1;
        BlockKind::ToolCall {
            id: format!("call_{}_{}", self.turn, self.calls).into(),
            name,
        }
    }

    /// The next chunk of a block, or its end.
    fn say_on(&mut self, mut saying: Saying) {
        let rest = saying.text.get(saying.sent..).unwrap_or_default();
        let whole = match (saying.partial, rest.char_indices().next_back()) {
            (true, Some((last, _))) => last,
            _ => rest.len(),
        };
        let chunk = rest
            .char_indices()
            .nth(self.chunk)
            .map_or(whole, |(end, _)| end.min(whole));
        if let Some(text) = rest.get(..chunk).filter(|text| !text.is_empty()) {
            if !self.pace.is_zero() {
                self.ready.push_back(Cue::Wait(self.pace));
            }
            let delta = StreamEvent::Delta {
                index: saying.index,
                text: text.into(),
            };
            self.step(delta);
            saying.sent += chunk;
            self.saying = Some(saying);
        } else if !saying.partial {
            let text = saying.text;
            let block = match saying.kind {
                BlockKind::Text => Block::Text(text),
                BlockKind::Thinking => Block::Thinking(Thought {
                    text,
                    signature: None,
                    redacted: None,
                }),
                BlockKind::ToolCall { id, name } => Block::ToolCall(ToolCall {
                    id,
                    name,
                    arguments: text,
                    reading: None,
                }),
                BlockKind::Kept => Block::Kept(Kept::Item(text)),
            };
            self.step(StreamEvent::BlockFinished {
                index: saying.index,
                block,
            });
        }
    }

    fn connect(&mut self) {
        if !self.connected {
            self.connected = true;
            self.ready.push_back(Cue::Say(Progress::Connected));
        }
    }

    /// The server's first words, once.
    fn start(&mut self) {
        self.connect();
        if self.blocks == 0 {
            self.step(StreamEvent::Started {
                response: Some(format!("scripted-{}", self.turn).into()),
                model: Some(self.model.clone()),
            });
        }
    }

    fn natural_end(&self) -> StopReason {
        if self.cut_short {
            StopReason::Length
        } else if self.calls > 0 {
            StopReason::ToolUse
        } else {
            StopReason::EndOfTurn
        }
    }

    fn stop(&mut self, reason: StopReason) {
        self.start();
        let usage = self.usage.unwrap_or(Usage {
            input: self.input,
            output: self.chars.div_ceil(4),
            ..Usage::default()
        });
        self.step(StreamEvent::Usage(usage));
        self.step(StreamEvent::Finished(reason));
        self.over = true;
    }

    fn fail(&mut self, failure: Failure) {
        self.step(StreamEvent::Failed(failure));
        self.over = true;
    }

    fn step(&mut self, step: StreamEvent) {
        self.ready.push_back(Cue::Say(Progress::Step(step)));
    }
}

fn refusal(message: String) -> Arc<[Step]> {
    Arc::new([Step::Fail {
        class: FailureClass::Invalid,
        message: Some(message.into()),
        status: None,
        retry_after_ms: None,
    }])
}

/// All that the model was told since it last spoke.
fn told_last(request: &Request) -> String {
    let mut told: Vec<&str> = request
        .messages
        .iter()
        .rev()
        .map_while(|message| match message {
            Message::User(text) => Some(&**text),
            Message::ToolResult(result) => Some(&*result.text),
            Message::Image(shown) => Some(&*shown.image.name),
            Message::Assistant { .. } => None,
        })
        .collect();
    told.reverse();
    told.join("\n")
}

fn excerpt(text: &str) -> String {
    const MOST: usize = 300;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The characters that a request sends, schemas included.
fn chars_of(request: &Request) -> u64 {
    let count = |text: &str| text.chars().count() as u64;
    let system: u64 = request.system.iter().map(|part| count(part)).sum();
    let tools: u64 = request
        .tools
        .iter()
        .map(|tool| count(&tool.name) + count(&tool.description) + count(&tool.parameters))
        .sum();
    let messages: u64 = request
        .messages
        .iter()
        .map(|message| match message {
            Message::User(text) => count(text),
            Message::ToolResult(result) => count(&result.text),
            Message::Image(shown) => shown.image.tokens() * 4,
            Message::Assistant { blocks, .. } => blocks
                .iter()
                .map(|block| match block {
                    Block::Text(text) => count(text),
                    Block::Thinking(thought) => count(&thought.text),
                    Block::ToolCall(call) => count(&call.name) + count(&call.arguments),
                    Block::Kept(_) => 0,
                })
                .sum(),
        })
        .sum();
    system + tools + messages
}
