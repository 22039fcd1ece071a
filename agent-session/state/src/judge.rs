//! May this call run? One table, read by one function, which also says why.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::evidence::{Access, Evidence};
use crate::settings::{Mode, Source, Sourced};

/// What the policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may run.
    Allow,
    /// A person decides.
    Ask,
    /// It may not run.
    Deny,
}

/// A verdict with all that it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// What was decided.
    pub verdict: Verdict,
    /// Why.
    pub explanation: Explanation,
}

/// Why a call was judged as it was: data, which becomes text where it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The key of the table's row.
    pub rule: Arc<str>,
    /// What the row says; the verdict differs from it only where nobody can be asked.
    pub rule_says: Verdict,
    /// The mode that was in force.
    pub mode: Mode,
    /// Where the mode comes from.
    pub mode_from: Source,
    /// What the call does.
    pub access: Access,
    /// Whether the row wanted a person asked, and nobody was there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unattended: bool,
    /// What was known of the call.
    pub evidence: Arc<Evidence>,
}

/// A row of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its stable key.
    pub key: &'static str,
    /// The mode in which it holds.
    pub mode: Mode,
    /// The accesses for which it holds.
    pub access: &'static [Access],
    /// What it says.
    pub verdict: Verdict,
}

const fn rule(key: &'static str, mode: Mode, access: &'static [Access], verdict: Verdict) -> Rule {
    Rule {
        key,
        mode,
        access,
        verdict,
    }
}

/// The policy by mode. Exactly one row holds for each mode and access.
#[rustfmt::skip]
pub static RULES: &[Rule] = {
    use Access as A;
    use Mode as M;
    use Verdict::{Allow, Ask, Deny};
    &[
        rule("plan.read",             M::Plan,        &[A::Read, A::Inspect, A::Plan],        Allow),
        rule("plan.question",         M::Plan,        &[A::Question],                         Ask),
        rule("plan.read_outside",     M::Plan,        &[A::ReadOutside],                      Ask),
        rule("plan.change",           M::Plan,        &[A::Write, A::WriteOutside, A::Execute, A::AskServer], Deny),
        rule("ask.read",              M::Ask,         &[A::Read, A::Inspect, A::Plan],        Allow),
        rule("ask.question",          M::Ask,         &[A::Question],                         Ask),
        rule("ask.read_outside",      M::Ask,         &[A::ReadOutside],                      Ask),
        rule("ask.change",            M::Ask,         &[A::Write, A::WriteOutside, A::Execute, A::AskServer], Ask),
        rule("accept_edits.read",     M::AcceptEdits, &[A::Read, A::Inspect, A::Plan],        Allow),
        rule("accept_edits.question", M::AcceptEdits, &[A::Question],                         Ask),
        rule("accept_edits.edit",     M::AcceptEdits, &[A::Write],                            Allow),
        rule("accept_edits.outside",  M::AcceptEdits, &[A::ReadOutside, A::WriteOutside],     Ask),
        rule("accept_edits.execute",  M::AcceptEdits, &[A::Execute],                          Ask),
        rule("accept_edits.server",   M::AcceptEdits, &[A::AskServer],                        Ask),
        rule("auto.read",             M::Auto,        &[A::Read, A::Inspect, A::Plan],        Allow),
        rule("auto.question",         M::Auto,        &[A::Question],                         Ask),
        rule("auto.edit",             M::Auto,        &[A::Write],                            Allow),
        rule("auto.outside",          M::Auto,        &[A::ReadOutside, A::WriteOutside],     Ask),
        rule("auto.execute",          M::Auto,        &[A::Execute],                          Ask),
        rule("auto.server",           M::Auto,        &[A::AskServer],                        Ask),
        rule("yolo",                  M::Yolo,        &[A::Read, A::ReadOutside, A::Inspect, A::Plan, A::Write,
            A::WriteOutside, A::Execute, A::AskServer],                                                     Allow),
        // That nobody is asked for permission is no reason not to answer.
        rule("yolo.question",         M::Yolo,        &[A::Question],                         Ask),
    ]
};

/// Judges a call. Without a person to ask, *ask* is *deny*. `None` for evidence of a call that cannot run at all.
#[must_use]
pub fn judge(mode: &Sourced<Mode>, attended: bool, evidence: &Arc<Evidence>) -> Option<Judgement> {
    let access = evidence.access()?;
    let row = RULES
        .iter()
        .find(|row| row.mode == mode.value && row.access.contains(&access))?;
    let unattended = row.verdict == Verdict::Ask && !attended;
    Some(Judgement {
        verdict: if unattended { Verdict::Deny } else { row.verdict },
        explanation: Explanation {
            rule: row.key.into(),
            rule_says: row.verdict,
            mode: mode.value,
            mode_from: mode.from.clone(),
            access,
            unattended,
            evidence: Arc::clone(evidence),
        },
    })
}
