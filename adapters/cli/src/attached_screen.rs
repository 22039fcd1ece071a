//! What comes from a host, as text.

use glasswork_agent_core::id::StepId;
use glasswork_agent_core::question::Question;
use glasswork_client::Notice;
use glasswork_client::wire;
use serde_json::Value;

use crate::ask;
use crate::console::Console;
use crate::escape;
use crate::plan;
use crate::problem::Problem;

/// Shows what comes. What the model says goes to standard output, the rest to standard error.
#[derive(Debug)]
pub(crate) struct Screen {
    console: Console,
    /// A line is begun that has no end yet.
    open: bool,
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

impl Screen {
    /// A screen on which nothing stands.
    pub(crate) fn new(console: Console) -> Self {
        Self { console, open: false }
    }

    /// The session as it is now.
    pub(crate) fn attached(&mut self, attached: &wire::Attached) -> Result<(), Problem> {
        let base = attached.base.clone().unwrap_or_default();
        self.base(&Value::Object(base))?;
        self.note(&format!(
            "attached to {} at commit {}; `/` and Enter shows what can be typed",
            attached.session, attached.seq
        ))
    }

    /// What the host told.
    pub(crate) fn told(&mut self, notice: &Notice) -> Result<(), Problem> {
        let params = &notice.params;
        match &*notice.method {
            "_glasswork/update" => {
                let updates = params.get("updates").and_then(Value::as_array);
                updates
                    .into_iter()
                    .flatten()
                    .try_for_each(|update| self.update(update))
            }
            "_glasswork/gap" => {
                let number = |field: &str| params.get(field).and_then(Value::as_u64).unwrap_or_default();
                self.note(&format!(
                    "commits {} to {} were missed; the session now:",
                    number("from"),
                    number("to")
                ))?;
                params.get("base").map_or(Ok(()), |base| self.base(base))
            }
            "_glasswork/ended" => self.note(&format!("ended: {}", text(params, "reason"))),
            "_glasswork/waiting" => {
                let place = params.get("place").and_then(Value::as_u64).unwrap_or_default();
                self.note(&format!(
                    "the prompt waits for a turn to end; its place is {place}"
                ))
            }
            "_glasswork/stopping" => self.note("the host stops; no turn begins any more"),
            _ => Ok(()),
        }
    }

    fn base(&mut self, base: &Value) -> Result<(), Problem> {
        let lines = base.get("transcript").and_then(Value::as_array);
        for line in lines.into_iter().flatten() {
            match text(line, "type") {
                "person" => self.note(&format!("> {}", text(line, "text")))?,
                "text" => {
                    self.say(text(line, "text"))?;
                    self.end_line()?;
                }
                "call" => self.note(&format!("{} {}", text(line, "name"), text(line, "arguments")))?,
                _ => {}
            }
        }
        if base.get("plan").is_some() {
            self.plan(base.get("plan"), |_| true)?;
        }
        let waiting = base.pointer("/status/waiting").and_then(Value::as_array);
        for awaited in waiting.into_iter().flatten() {
            self.note(text(awaited, "text"))?;
        }
        Ok(())
    }

    fn update(&mut self, update: &Value) -> Result<(), Problem> {
        match text(update, "type") {
            "said" => self.note(&format!("> {}", text(update, "text"))),
            "queued" => self.note(&format!("waits: {}", text(update, "text"))),
            "text" => self.say(text(update, "text")),
            "block_finished" => self.end_line(),
            "attempt_failed" => self.note(&format!(
                "the request failed: {}",
                update
                    .pointer("/failure/message")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            )),
            "tool_proposed" if plan::is_written_by(text(update, "name")) => Ok(()),
            "plan_changed" => {
                let changed = update.get("changed").cloned().unwrap_or_default();
                let changed: Vec<StepId> = serde_json::from_value(changed).unwrap_or_default();
                self.plan(update.get("plan"), |step| changed.contains(&step))
            }
            "tool_proposed" => self.note(&format!("{} {}", text(update, "name"), text(update, "arguments"))),
            "tool_asked" => {
                let call = text(update, "call");
                self.note(&format!(
                    "may {} {} run? /approve {call} or /refuse {call}",
                    text(update, "name"),
                    text(update, "arguments")
                ))
            }
            "question_asked" => {
                let call = text(update, "call");
                let question = update.get("question").cloned().unwrap_or_default();
                if let Ok(question) = serde_json::from_value::<Question>(question) {
                    self.end_line()?;
                    self.console.note(&ask::asked(&question, self.console.err));
                }
                self.note(&format!("/answer {call} ANSWER, or /refuse {call}"))
            }
            "question_answered" => self.note(&format!("{} was answered", text(update, "call"))),
            "tool_answered" => {
                let approved = update.get("approved").and_then(Value::as_bool);
                let answer = match approved {
                    Some(true) => "approved",
                    _ => "refused",
                };
                self.note(&format!("{} was {answer}", text(update, "call")))
            }
            "tool_settled" => self.note(&format!(
                "{} {}",
                text(update, "name"),
                update.get("state").and_then(Value::as_str).unwrap_or("settled")
            )),
            "turn_ended" => self.note(&format!("the turn has ended: {}", text(update, "state"))),
            "turn_paused" => self.note("the turn rests"),
            "closed" => self.note("the session was closed"),
            _ => Ok(()),
        }
    }

    fn plan(&mut self, plan: Option<&Value>, shows: impl Fn(StepId) -> bool) -> Result<(), Problem> {
        let plan = plan.and_then(|plan| serde_json::from_value(plan.clone()).ok());
        self.end_line()?;
        let lines = plan::lines(plan.as_ref(), shows, self.console.err);
        self.console.note(&format!("{lines}\n"));
        Ok(())
    }

    fn say(&mut self, text: &str) -> Result<(), Problem> {
        self.open = !text.ends_with('\n') && (self.open || !text.is_empty());
        self.console.data(&escape::text(text))
    }

    fn end_line(&mut self) -> Result<(), Problem> {
        match std::mem::take(&mut self.open) {
            true => self.console.data("\n"),
            false => Ok(()),
        }
    }

    /// Says something that is not the model's.
    pub(crate) fn note(&mut self, text: &str) -> Result<(), Problem> {
        self.end_line()?;
        self.console
            .note(&format!("{}\n", self.console.err.dim(&escape::text(text))));
        Ok(())
    }
}
