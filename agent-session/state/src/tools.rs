//! Tool calls: evidence, approval, running, results.

use std::sync::Arc;

use glasswork_agent_core::id::CallId;
use glasswork_agent_core::tool_call::State;
use glasswork_engine::envelope::Origin;
use serde::{Deserialize, Serialize};

use crate::call::Outcome;
use crate::evidence::Evidence;
use crate::judge::Judgement;

/// What comes of the effects that work on calls, and what people say about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Result: what a call would touch.
    EvidenceGathered {
        /// The call.
        call: CallId,
        /// What was found.
        evidence: Arc<Evidence>,
    },
    /// A person lets a call run.
    Approved {
        /// The call.
        call: CallId,
    },
    /// A person does not let a call run.
    Refused {
        /// The call.
        call: CallId,
        /// What the model is told besides.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Arc<str>>,
    },
    /// Progress: the end of the call's output so far.
    ToolProgressed {
        /// The call.
        call: CallId,
        /// The text.
        tail: Arc<str>,
    },
    /// Result: the call has ended.
    ToolSettled {
        /// The call.
        call: CallId,
        /// How, by its runner's word.
        word: Word,
        /// What came out.
        outcome: Outcome,
    },
    /// The call's runner is gone without a word.
    ToolLost {
        /// The call.
        call: CallId,
        /// What is known of it.
        message: Arc<str>,
    },
}

/// A runner's word about how a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// It did what it should.
    Succeeded,
    /// It did not.
    Failed,
    /// It was stopped before its end.
    Stopped,
}

/// What was decided of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// Its chart moved.
    Moved {
        /// The call.
        call: CallId,
        /// The key of the row.
        row: Arc<str>,
        /// Where it stands now.
        to: State,
    },
    /// An effect works on it.
    Begun {
        /// The call.
        call: CallId,
        /// Number of the effect among those of this commit.
        effect: u16,
        /// How long it may take, in milliseconds.
        after_ms: u64,
    },
    /// A person is asked about it.
    Asked {
        /// The call.
        call: CallId,
        /// How long the person may take, in milliseconds.
        after_ms: u64,
    },
    /// It was asked to stop because it took too long.
    TimedOut {
        /// The call.
        call: CallId,
    },
    /// What it would touch.
    Found {
        /// The call.
        call: CallId,
        /// What was found.
        evidence: Arc<Evidence>,
    },
    /// What the policy said.
    Judged {
        /// The call.
        call: CallId,
        /// The verdict and why.
        judgement: Arc<Judgement>,
    },
    /// What a person said.
    Answered {
        /// The call.
        call: CallId,
        /// Whether it may run.
        approved: bool,
        /// Who said so.
        by: Origin,
    },
    /// The end of its output so far.
    Progressed {
        /// The call.
        call: CallId,
        /// The text.
        tail: Arc<str>,
    },
    /// How it ended.
    Settled {
        /// The call.
        call: CallId,
        /// What came out.
        outcome: Outcome,
    },
    /// Its result is an entry.
    Told {
        /// The call.
        call: CallId,
        /// Number of the entry among those of this commit.
        #[serde(default, skip_serializing_if = "crate::prompt::is_zero")]
        entry: u16,
    },
}
