//! What `demo` works on: a scratch workspace with a failing test, a script that mends it, and the verdict.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use glasswork_agent_core::id::CallId;
use glasswork_ai::model::ModelId;
use glasswork_ai::scripted::{Script, ScriptError};
use glasswork_engine::replay::Replayed;
use glasswork_session_state::Glasswork;
use glasswork_session_state::evidence::Access;
use glasswork_session_state::settings::{Layer, Mode, Settings, Source, Sourced};
use glasswork_session_state::state::Session;

use crate::models;
use crate::reading::Seen;

/// What the agent is asked.
pub const PROMPT: &str = "The test in check.sh fails. Find out why and fix the program; do not change the test. Run the test to be sure.";
/// The name of the built-in script, as in `scripted/demo`.
pub const SCRIPT: &str = "demo";

const PROGRAM: &str = include_str!("demo/total.sh");
const TEST: &str = include_str!("demo/check.sh");
/// How long the test may take at the end; the program may have become one that does not end.
const TEST_TIME: Duration = Duration::from_secs(20);

/// The model of the demo: the built-in script.
#[must_use]
pub fn model() -> ModelId {
    ModelId {
        provider: models::SCRIPTED.into(),
        model: SCRIPT.into(),
    }
}

/// Sets the mode in which a model may work in the scratch workspace, and says why in a sentence.
pub fn choose_mode(model: &ModelId, settings: &mut Settings) -> &'static str {
    if &*model.provider != models::SCRIPTED {
        return "the workspace is scratch, but the model is not ours, so your settings hold.";
    }
    let from = Source {
        layer: Layer::Flag,
        file: Some("glasswork demo".into()),
        line: None,
    };
    settings.mode = Sourced {
        value: Mode::Yolo,
        from,
    };
    "the workspace is scratch and the model plays a script, so nothing in it can surprise you."
}

/// The built-in script.
///
/// # Errors
/// Never: a test reads it.
pub fn script() -> Result<Script, ScriptError> {
    Script::parse(include_str!("demo/script.ron"))
}

/// A scratch workspace. It is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scratch {
    /// Where it lies.
    pub folder: PathBuf,
}

/// What the test says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All tests pass.
    Passed,
    /// These fail, each with what it says; where the test said nothing usable, what happened to it.
    Failed(Vec<String>),
}

impl Scratch {
    /// Makes a workspace below `parent` with a program and a test that fails.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn make(parent: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("glasswork-demo-")
            .tempdir_in(parent)?
            .keep();
        std::fs::write(folder.join("total.sh"), PROGRAM)?;
        std::fs::write(folder.join("check.sh"), TEST)?;
        Ok(Self { folder })
    }

    /// Runs the test as it was written here: what the agent made of the file `check.sh` does not count.
    ///
    /// # Errors
    /// Where no shell can be started.
    pub async fn verdict(&self) -> io::Result<Verdict> {
        let run = tokio::process::Command::new("sh")
            .args(["-c", TEST])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let Ok(output) = tokio::time::timeout(TEST_TIME, run).await else {
            return Ok(Verdict::Failed(vec![format!(
                "check.sh did not end within {} s",
                TEST_TIME.as_secs()
            )]));
        };
        let output = output?;
        if output.status.success() {
            return Ok(Verdict::Passed);
        }
        let printed = String::from_utf8_lossy(&output.stdout);
        let failed: Vec<_> = printed
            .lines()
            .filter_map(|line| line.strip_prefix("FAILED"))
            .map(|line| line.trim().to_owned())
            .collect();
        Ok(Verdict::Failed(if failed.is_empty() {
            vec![format!("check.sh: {}", output.status)]
        } else {
            failed
        }))
    }
}

/// Something that can be asked about the demo's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What it asks, for people.
    pub text: String,
    /// The same as a query of the graph.
    pub query: String,
}

/// What one would ask about a session: what was sent and why, why a call was allowed, what changed between two commits.
#[must_use]
pub fn questions(session: &Session) -> Vec<Question> {
    let id = session.id;
    let mut questions = vec![Question {
        text: "What was the model sent last, and which event put each part there?".to_owned(),
        query: format!(
            r#"{{ request(session: "{id}", step: {}) {{ messages(first: 20) {{ nodes {{ kind preview(characters: 40) by {{ seq event }} }} }} }} }}"#,
            session.requests.len()
        ),
    }];
    let changes = |call: &&CallId| {
        session
            .call(**call)
            .is_some_and(|call| call.access().is_some_and(Access::is_write))
    };
    let calls: Vec<_> = session.calls.keys().collect();
    if let Some(call) = calls.iter().copied().find(changes).or(calls.last().copied()) {
        let tool = session.call(*call).map_or("", |call| &*call.call.name);
        questions.push(Question {
            text: format!("Why was the call of `{tool}` allowed, and what led to it?"),
            query: format!(
                r#"{{ why(of: {{ toolCall: "{id}/{call}" }}) {{ decision {{ verdict rule mode modeFrom {{ file }} }} chain {{ dispatch {{ seq event }} text }} }} }}"#
            ),
        });
        questions.push(Question {
            text: "What did the commit after it change in the state?".to_owned(),
            query: format!(
                r#"{{ diff(session: "{id}", from: {}, to: {}, first: 6) {{ changes {{ path {{ field key index }} kind before after }} more }} }}"#,
                call.seq,
                call.seq.saturating_add(1)
            ),
        });
    }
    questions
}

/// What a strict replay is, compared with the state that it should lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// Every event was decided as before, and the states are equal.
    Equal,
    /// Decisions differ.
    Decisions {
        /// How many.
        count: u64,
        /// The first commit whose decision differs.
        first: Option<u64>,
    },
    /// All decisions are equal, but the states are not.
    States,
}

/// Compares a replay with the session as it was seen live.
#[must_use]
pub fn compare(live: &Seen, replayed: &Replayed<Glasswork>) -> Comparison {
    if replayed.difference_count > 0 {
        return Comparison::Decisions {
            count: replayed.difference_count,
            first: replayed.differences.first().map(|difference| difference.seq),
        };
    }
    match replayed.loaded.scope == live.scope {
        true => Comparison::Equal,
        false => Comparison::States,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_test_fails_at_first_and_cannot_be_talked_out_of_it() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::make(parent.path()).unwrap();
        let failing = |names: &[&str]| Verdict::Failed(names.iter().map(|name| (*name).to_owned()).collect());
        let all = failing(&[
            "one_of_one: should print 2.50, printed 2.51",
            "three_of_one: should print 7.50, printed 2.53",
            "whole_invoice: should print 12.99, printed 11.52",
        ]);
        assert_eq!(scratch.verdict().await.unwrap(), all);
        std::fs::write(scratch.folder.join("check.sh"), "echo all tests pass").unwrap();
        assert_eq!(scratch.verdict().await.unwrap(), all);
        let mended = PROGRAM.replace("quantity + price", "quantity * price");
        std::fs::write(scratch.folder.join("total.sh"), mended).unwrap();
        assert_eq!(scratch.verdict().await.unwrap(), Verdict::Passed);
    }

    #[test]
    fn the_built_in_script_is_one() {
        assert_eq!(script().unwrap().turns.len(), 5);
    }
}
