//! What of a conversation can be searched.

use glasswork_agent_core::tree::Body;
use glasswork_ai::conversation::Block;

/// Most bytes of a prompt or an answer that can be searched.
const WORDS_BYTES: usize = 32 << 10;
/// Most bytes of a tool's result that can be searched: its beginning, and as much again of its end.
const RESULT_BYTES: usize = 4 << 10;
/// Most bytes of the arguments of a call that can be searched.
const ARGUMENT_BYTES: usize = 2 << 10;

/// Stand around what matched, in what SQLite returns. They are taken out of what is written, so nobody can forge them.
pub(super) const MARKS: [char; 2] = ['\u{2}', '\u{3}'];

/// Whose words they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, strum::VariantArray, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Speaker {
    /// A person's.
    Person,
    /// A model's, the calls of tools among them.
    Model,
    /// A tool's.
    Tool,
}

impl Speaker {
    pub(super) fn named(name: &str) -> Option<Self> {
        use strum::VariantArray as _;
        let mut all = Self::VARIANTS.iter();
        all.find(|speaker| <&str>::from(**speaker) == name).copied()
    }
}

/// What can be searched of an entry, and whose words they are. `None` where there is nothing.
pub(super) fn of(body: &Body) -> Option<(Speaker, String)> {
    let (speaker, text) = match body {
        Body::Prompt { text, .. } => (Speaker::Person, beginning(text, WORDS_BYTES).to_owned()),
        Body::Assistant(answer) => (Speaker::Model, answered(&answer.blocks)),
        Body::ToolResult { result, .. } => (Speaker::Tool, both_ends(&result.text)),
        Body::Compaction(compaction) => (
            Speaker::Model,
            beginning(&compaction.summary, WORDS_BYTES).to_owned(),
        ),
        // Nobody's words: whoever searches looks for what people, models and tools said.
        Body::Notice(_) | Body::Superseded(_) => return None,
        Body::BranchSummary(branch) => (Speaker::Model, beginning(&branch.summary, WORDS_BYTES).to_owned()),
    };
    let text = match text.contains(MARKS) {
        true => text.replace(MARKS, " "),
        false => text,
    };
    (!text.trim().is_empty()).then_some((speaker, text))
}

/// Text and calls. What was thought is not part of what was said.
fn answered(blocks: &[Block]) -> String {
    let mut said = String::new();
    for block in blocks {
        let room = WORDS_BYTES.saturating_sub(said.len());
        match block {
            Block::Text(text) => said.push_str(beginning(text, room)),
            Block::ToolCall(call) => {
                said.push_str(beginning(&call.name, room.min(ARGUMENT_BYTES)));
                said.push(' ');
                said.push_str(beginning(&call.arguments, room.min(ARGUMENT_BYTES)));
            }
            Block::Thinking(_) | Block::Kept(_) => continue,
        }
        said.push('\n');
    }
    said
}

fn both_ends(text: &str) -> String {
    if text.len() <= 2 * RESULT_BYTES {
        return text.to_owned();
    }
    let end = text.ceil_char_boundary(text.len() - RESULT_BYTES);
    format!(
        "{}\n…\n{}",
        beginning(text, RESULT_BYTES),
        text.get(end..).unwrap_or_default()
    )
}

fn beginning(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}
