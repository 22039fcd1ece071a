//! Loop guards: an agent that goes in circles is told so, and stops where it goes on.
//!
//! What is looked at is the branch since someone last spoke, and nothing else: calls with their results, and the last
//! answer. A call whose results change is no loop, however often it is repeated: it may well be waiting for something.

use std::sync::Arc;

use glasswork_ai::conversation::{Block, ToolCall, ToolResult};
use glasswork_ai::stream::StopReason;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

use crate::structured::Telling;
use crate::tree::{Assistant, Body, Tree};

/// The most steps that make up one round.
const LONGEST_ROUND: usize = 4;
/// The most rounds that are looked at, whatever is set: each step decides anew.
const MOST_ROUNDS: usize = 32;

/// Ways in which an agent goes in circles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, VariantArray, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    /// Step after step the same calls, with the same results.
    SameCall,
    /// A round of several steps again and again, with the same results.
    Alternating,
    /// An answer that says nothing and calls nothing.
    EmptyAnswer,
    /// An answer that promises a call and has none.
    PromisedCall,
}

/// When the guards speak up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How many times the same round makes a loop; below two, none does.
    pub rounds: u32,
    /// Whether answers that are empty, or promise a call, are looked at.
    pub answers: bool,
}

/// What the runtime itself tells the model: an entry of the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What it is about.
    pub kind: About,
    /// What the model is told.
    pub text: Arc<str>,
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "AboutText", into = "AboutText")]
pub enum About {
    /// That the agent goes in circles.
    Loop(Kind),
    /// The result that the turn is asked for, and why the model is told of it.
    Result(Telling),
}

/// How it is written: one word, as it was when there were loops alone.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AboutText {
    SameCall,
    Alternating,
    EmptyAnswer,
    PromisedCall,
    ResultWanted,
    ResultDue,
    ResultUnfit,
}

impl From<About> for AboutText {
    fn from(about: About) -> Self {
        match about {
            About::Loop(Kind::SameCall) => Self::SameCall,
            About::Loop(Kind::Alternating) => Self::Alternating,
            About::Loop(Kind::EmptyAnswer) => Self::EmptyAnswer,
            About::Loop(Kind::PromisedCall) => Self::PromisedCall,
            About::Result(Telling::Wanted) => Self::ResultWanted,
            About::Result(Telling::Due) => Self::ResultDue,
            About::Result(Telling::Unfit) => Self::ResultUnfit,
        }
    }
}

impl From<AboutText> for About {
    fn from(text: AboutText) -> Self {
        match text {
            AboutText::SameCall => Self::Loop(Kind::SameCall),
            AboutText::Alternating => Self::Loop(Kind::Alternating),
            AboutText::EmptyAnswer => Self::Loop(Kind::EmptyAnswer),
            AboutText::PromisedCall => Self::Loop(Kind::PromisedCall),
            AboutText::ResultWanted => Self::Result(Telling::Wanted),
            AboutText::ResultDue => Self::Result(Telling::Due),
            AboutText::ResultUnfit => Self::Result(Telling::Unfit),
        }
    }
}

/// The end of a conversation, as the guards see it.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    /// The conversation.
    pub tree: &'a Tree,
    /// Why the model stopped that was asked last; `None` where calls or words wait for it.
    pub stop: Option<&'a StopReason>,
    /// Whether the model has tools that it could call.
    pub tools: bool,
}

/// Finds a loop at the end of a conversation.
#[must_use]
pub fn find(end: End<'_>, rules: Rules) -> Option<Kind> {
    match end.stop {
        Some(stop) => rules.answers.then(|| answer(end, stop)).flatten(),
        None => repeated(end.tree, rules.rounds),
    }
}

/// How often the model was told of this kind of loop since a person last spoke.
#[must_use]
pub fn told(tree: &Tree, kind: Kind) -> u32 {
    let since = tree
        .branch()
        .take_while(|(_, entry)| !matches!(entry.body, Body::Prompt { .. }));
    let notices = since
        .filter(|(_, entry)| matches!(&entry.body, Body::Notice(notice) if notice.kind == About::Loop(kind)));
    u32::try_from(notices.count()).unwrap_or(u32::MAX)
}

/// What the model is told.
#[must_use]
pub fn notice(kind: Kind, rules: Rules) -> Notice {
    let rounds = rules.rounds;
    let text = match kind {
        Kind::SameCall => format!(
            "[Notice of the runtime, not of the user] The same call has now been made {rounds} times with the same \
             result each time. Making it again will not change anything. Use what you know, try something else, or say \
             what keeps you from going on."
        ),
        Kind::Alternating => format!(
            "[Notice of the runtime, not of the user] The same calls have now been made in turn {rounds} times, with \
             the same results each time. Going on like that will not change anything. Use what you know, try something \
             else, or say what keeps you from going on."
        ),
        Kind::EmptyAnswer => "[Notice of the runtime, not of the user] Your last answer was empty. Go on with the \
                              task, or say that it is done."
            .to_owned(),
        Kind::PromisedCall => "[Notice of the runtime, not of the user] Your last answer says that you are about to \
                               use a tool, and has no tool call. Make the call now, or say that the task is done."
            .to_owned(),
    };
    Notice {
        kind: About::Loop(kind),
        text: text.into(),
    }
}

fn answer(end: End<'_>, stop: &StopReason) -> Option<Kind> {
    // Who will not say anything has said so.
    if *stop == StopReason::Refusal {
        return None;
    }
    let last = end.tree.branch().next().map(|(_, entry)| &entry.body);
    let Some(Body::Assistant(said)) = last else {
        // An answer without a single block is no entry.
        return Some(Kind::EmptyAnswer);
    };
    let text = spoken(said);
    if text.trim().is_empty() && said.calls().next().is_none() {
        return Some(Kind::EmptyAnswer);
    }
    (end.tools && said.calls().next().is_none() && promises(&text)).then_some(Kind::PromisedCall)
}

fn spoken(said: &Assistant) -> String {
    let texts = said.blocks.iter().filter_map(|block| match block {
        Block::Text(text) => Some(&**text),
        Block::Thinking(_) | Block::ToolCall(_) | Block::Kept(_) => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// Whether the last sentence of a text announces what only a tool can do. Rather one promise too few is seen than one
/// too many: whoever asks the user, or leaves something to them, has finished.
fn promises(text: &str) -> bool {
    const OPENINGS: [&str; 9] = [
        "i'll ",
        "i will ",
        "let me ",
        "i'm going to ",
        "i am going to ",
        "let's ",
        "now i'll ",
        "next, i'll ",
        "now let me ",
    ];
    const FILLERS: [&str; 6] = ["now ", "first ", "then ", "quickly ", "also ", "start by "];
    const WORKS: [&str; 26] = [
        "read", "look", "check", "run", "search", "list", "open", "write", "edit", "create", "inspect",
        "examine", "execute", "grep", "find", "view", "explore", "update", "fix", "apply", "use", "call",
        "reading", "looking", "checking", "running",
    ];
    let text = text.trim_end();
    if !text.ends_with([':', '.', '…']) {
        return false;
    }
    let body = text.trim_end_matches([':', '.', '…']);
    // A dot within a name ends no sentence: the space or the line behind it does.
    let start = [". ", "! ", "? ", ".\n", "!\n", "?\n", ":\n", "\n"]
        .iter()
        .filter_map(|end| body.rfind(end).map(|at| at + end.len()))
        .max()
        .unwrap_or(0);
    let sentence = body.get(start..).unwrap_or_default();
    let sentence = sentence.trim().replace('\u{2019}', "'").to_ascii_lowercase();
    if [
        "if you",
        "when you",
        "once you",
        "let me know",
        "after you",
        "later",
    ]
    .iter()
    .any(|word| sentence.contains(word))
    {
        return false;
    }
    let Some(mut rest) = OPENINGS.iter().find_map(|opening| sentence.strip_prefix(opening)) else {
        return false;
    };
    while let Some(shorter) = FILLERS.iter().find_map(|filler| rest.strip_prefix(filler)) {
        rest = shorter;
    }
    let verb = rest
        .split(|c: char| !c.is_ascii_alphabetic())
        .next()
        .unwrap_or_default();
    WORKS.contains(&verb)
}

/// A call and what came of it.
struct Made<'a> {
    call: &'a ToolCall,
    result: &'a ToolResult,
}

impl PartialEq for Made<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.call.name == other.call.name
            && self.result.is_error == other.result.is_error
            && self.result.text == other.result.text
            && same_arguments(&self.call.arguments, &other.call.arguments)
    }
}

/// Whether two texts are the same JSON, but for blanks between its parts.
fn same_arguments(one: &str, other: &str) -> bool {
    one == other || significant(one).eq(significant(other))
}

fn significant(json: &str) -> impl Iterator<Item = char> {
    let (mut quoted, mut escaped) = (false, false);
    json.chars().filter(move |c| {
        let blank = !quoted && c.is_ascii_whitespace();
        match c {
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = quoted && *c == '\\' && !escaped;
        !blank
    })
}

fn repeated(tree: &Tree, rounds: u32) -> Option<Kind> {
    let rounds = usize::try_from(rounds).unwrap_or(usize::MAX).min(MOST_ROUNDS);
    if rounds < 2 {
        return None;
    }
    let steps = steps(tree, rounds * LONGEST_ROUND);
    (1..=LONGEST_ROUND)
        .find(|round| {
            let span = round * rounds;
            let later = steps.get(..span - round);
            later.is_some() && later == steps.get(*round..span)
        })
        .map(|round| {
            if round == 1 {
                Kind::SameCall
            } else {
                Kind::Alternating
            }
        })
}

/// The last steps since someone spoke, the latest first: the calls of each with their results, in order.
fn steps(tree: &Tree, most: usize) -> Vec<Vec<Made<'_>>> {
    let mut steps = Vec::new();
    let mut results: Vec<&ToolResult> = Vec::new();
    for (_, entry) in tree.branch() {
        match &entry.body {
            Body::ToolResult { result, .. } => results.push(result),
            Body::Assistant(said) => {
                let made: Vec<_> = said
                    .calls()
                    .filter_map(|(_, call)| {
                        let result = results.iter().find(|result| result.call == call.id)?;
                        Some(Made { call, result })
                    })
                    .collect();
                results.clear();
                if made.is_empty() {
                    break;
                }
                steps.push(made);
            }
            // Nobody's word: what was said around it is one conversation.
            Body::Superseded(_) => {}
            Body::Prompt { .. } | Body::Notice(_) | Body::Compaction(_) | Body::BranchSummary(_) => break,
        }
        if steps.len() == most {
            break;
        }
    }
    steps
}
