//! A small pure stand-in for the engine: it decides, applies, keeps the table of open effects, and after every
//! commit compares what the engine would compare.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_core::context::{BodyRef, SystemPart};
use glasswork_agent_core::id::{CallId, EntryId};
use glasswork_agent_core::question::{Choice, Question};
use glasswork_agent_core::tree::{Assistant, Body};
use glasswork_agent_core::{mcp_server, session as session_chart, tool_call, turn as turn_chart};
use glasswork_ai::conversation::{Block, ToolCall};
use glasswork_ai::failure::{Failure, FailureClass};
use glasswork_ai::model::{ModelId, ToolSpec};
use glasswork_ai::stream::{BlockKind, StopReason, StreamEvent, Usage};
use glasswork_engine::line::{self, Chain, Header};
use glasswork_engine::{
    Class, Commit, Context, Deadline, Decision, DispatchId, Domain, EffectKey, Moment, Origin, ScopeId,
    Timestamp,
};
use glasswork_session_state::call::{Call, Outcome};
use glasswork_session_state::domain::{DeadlineKey, Event, Fact, Glasswork, Reply};
use glasswork_session_state::effect::Effect;
use glasswork_session_state::evidence::{CommandEvidence, Evidence, FileAccess, FileEvidence, FileKind};
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::settings::{Layer, Mode, Setting, Settings, Sourced};
use glasswork_session_state::state::{Kind, Scope, Session, Turn};
use glasswork_session_state::tools::Word;
use glasswork_session_state::{fork, mcp, model, prompt, recovery, session, tools, tree};

pub(crate) struct World {
    pub(crate) state: Scope,
    pub(crate) seq: u64,
    pub(crate) now: Timestamp,
    pub(crate) open: BTreeMap<EffectKey, Effect>,
    pub(crate) stops: Vec<EffectKey>,
    pub(crate) rows: BTreeSet<(&'static str, String)>,
    pub(crate) commits: Vec<(Event, Vec<Fact>, Moment)>,
    pub(crate) audits: bool,
    /// What a journal of all this would hold.
    pub(crate) journal: Vec<u8>,
    chain: Chain,
    epoch: u32,
}

pub(crate) const SCOPE: ScopeId = ScopeId::from_u128(7);

impl World {
    /// A scope before its first commit.
    pub(crate) fn vacant() -> Self {
        let header = Header {
            glasswork: line::FORMAT,
            schema: Glasswork::SCHEMA,
            scope: SCOPE,
            kind: Kind::Session,
            created: Timestamp(1_000_000),
            lineage: Vec::new(),
        };
        let (header, chain) = line::encode_header(&header).unwrap();
        Self {
            state: Glasswork::vacant(Kind::Session, SCOPE),
            seq: 0,
            now: Timestamp(1_000_000),
            open: BTreeMap::new(),
            stops: vec![],
            rows: BTreeSet::new(),
            commits: vec![],
            audits: true,
            journal: [header, b"\n".to_vec()].concat(),
            chain,
            epoch: 1,
        }
    }

    /// An open session with a model and three tools, in mode *ask*.
    pub(crate) fn new() -> Self {
        let mut world = Self::vacant();
        world.user(opened()).unwrap();
        world
    }

    pub(crate) fn session(&self) -> &Session {
        match &self.state {
            Scope::Session(session) => session,
            Scope::Host(_) => panic!("not a session"),
        }
    }

    pub(crate) fn turn(&self) -> &Turn {
        self.session().turn.as_deref().expect("a turn")
    }

    pub(crate) fn call(&self, id: CallId) -> &Call {
        self.session().call(id).expect("a call")
    }

    #[track_caller]
    pub(crate) fn expect_turn(&self, state: turn_chart::State) {
        assert_eq!(self.turn().state, state);
    }

    #[track_caller]
    pub(crate) fn expect_session(&self, state: session_chart::State) {
        assert_eq!(self.session().state, state);
    }

    #[track_caller]
    pub(crate) fn expect_call(&self, id: CallId, state: tool_call::State) {
        assert_eq!(self.call(id).state, state);
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }

    /// Decides without committing.
    pub(crate) fn decide(&self, origin: &Origin, event: &Event) -> Result<Decision<Glasswork>, Rejection> {
        let context = Context {
            id: DispatchId::commit(SCOPE, self.seq + 1),
            at: self.now,
            origin,
        };
        Glasswork::permit(&self.state, event, origin).expect("permitted");
        Glasswork::decide(&self.state, event, &context)
    }

    /// One dispatch.
    pub(crate) fn send(&mut self, origin: &Origin, event: Event) -> Result<Reply, Rejection> {
        self.pass(Duration::from_millis(1));
        let decision = self.decide(origin, &event)?;
        let moment = Moment {
            seq: self.seq + 1,
            at: self.now,
        };
        let mut candidate = self.state.clone();
        for fact in &decision.facts {
            Glasswork::evolve(&mut candidate, fact, moment);
            if let Some(taken) = Glasswork::row(fact) {
                self.rows.insert((taken.chart, taken.row.to_owned()));
            }
        }
        Glasswork::check(&candidate, &decision.facts).unwrap_or_else(|breach| {
            panic!("{event:?}\n{:#?}\nbreaks: {breach}", decision.facts);
        });
        if self.audits {
            Glasswork::audit(&candidate).unwrap_or_else(|breach| {
                panic!("{event:?}\n{:#?}\nbreaks: {breach}", decision.facts);
            });
        }
        self.seq += 1;
        self.state = candidate;
        let settles = match origin {
            Origin::Effect(key) if is_result(&event) => Some(*key),
            _ => None,
        };
        if let Some(key) = settles {
            self.open.remove(&key);
        }
        self.write(origin, &event, &decision, moment, settles);
        for key in &decision.closes {
            self.open.remove(key);
        }
        for key in &decision.stops {
            assert!(
                self.open.contains_key(key),
                "asked {key} to stop, which is not open"
            );
        }
        self.stops.extend(&decision.stops);
        for (ordinal, effect) in (0u16..).zip(decision.effects) {
            let key = EffectKey {
                seq: self.seq,
                ordinal,
            };
            self.open.insert(key, effect);
        }
        self.commits.push((event, decision.facts, moment));
        self.compare_effects();
        self.compare_waiting();
        Ok(decision.reply)
    }

    /// The line that the engine would write.
    fn write(
        &mut self,
        origin: &Origin,
        event: &Event,
        decision: &Decision<Glasswork>,
        moment: Moment,
        settles: Option<EffectKey>,
    ) {
        let caused = match origin {
            Origin::Effect(key) => Some(DispatchId::commit(SCOPE, key.seq)),
            _ => None,
        };
        let commit = Commit::<Glasswork> {
            id: DispatchId::commit(SCOPE, moment.seq),
            at: moment.at,
            origin: origin.clone(),
            cause: caused,
            consequence: None,
            settles,
            grant: Glasswork::permit(&self.state, event, origin).unwrap(),
            event: event.clone(),
            facts: decision.facts.clone(),
            effects: decision.effects.clone(),
            stops: decision.stops.clone(),
            closes: decision.closes.clone(),
            size: 0,
        };
        let (line, chain) = line::encode_commit(&commit, self.chain).unwrap();
        self.add_line(line, chain);
    }

    fn add_line(&mut self, line: Vec<u8>, chain: Chain) {
        self.journal.extend(line);
        self.journal.push(b'\n');
        self.chain = chain;
    }

    /// The state knows each open effect, and no other.
    fn compare_effects(&self) {
        let Scope::Session(session) = &self.state else {
            return;
        };
        let attempt = session.attempt().and_then(|attempt| attempt.effect);
        let calls = session.batch().filter_map(|(_, call)| call.effect);
        let forks = session.children.values().filter_map(|child| child.effect);
        let starting = session.mcp.values();
        let starting = starting.filter(|server| server.state == mcp_server::State::Starting);
        let starts = starting.filter_map(|server| server.launch);
        let known = attempt.into_iter().chain(calls).chain(forks).chain(starts);
        let known: BTreeSet<EffectKey> = known.collect();
        let open: BTreeSet<EffectKey> = self.open.keys().copied().collect();
        assert_eq!(known, open, "the state and the table of open effects differ");
    }

    /// A turn that has not ended waits for an open effect, a deadline or a person.
    fn compare_waiting(&self) {
        let Scope::Session(session) = &self.state else {
            return;
        };
        let waiting = glasswork_session_state::waiting::waiting_for(session);
        assert!(!waiting.is_empty(), "waits for nothing in {:?}", session.turn);
    }

    pub(crate) fn user(&mut self, event: Event) -> Result<Reply, Rejection> {
        self.send(&Origin::User, event)
    }

    pub(crate) fn prompt(&mut self, text: &str) -> Reply {
        self.user(prompted(text)).unwrap()
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, event: prompt::Event) -> Reply {
        self.user(Event::Prompt(event)).unwrap()
    }

    pub(crate) fn set(&mut self, setting: Setting) {
        self.user(Event::Session(session::Event::SettingChanged(setting)))
            .unwrap();
    }

    pub(crate) fn set_mode(&mut self, mode: Mode) {
        self.set(Setting::Mode(Sourced::from_layer(mode, Layer::Session)));
    }

    // The tree.

    pub(crate) fn tree(&mut self, event: tree::Event) -> Result<Reply, Rejection> {
        self.user(Event::Tree(event))
    }

    pub(crate) fn move_to(&mut self, to: Option<EntryId>) -> Result<Reply, Rejection> {
        self.tree(tree::Event::LeafMoved { to, key: None })
    }

    /// The entries of the conversation, on all branches, oldest first.
    pub(crate) fn entries(&self) -> Vec<EntryId> {
        self.session().tree.entries().map(|(id, _)| id).collect()
    }

    /// What stands on the branch to the leaf, in short.
    pub(crate) fn branch(&self) -> Vec<String> {
        let branch = self.session().tree.branch();
        let mut said: Vec<String> = branch.map(|(_, entry)| short(&entry.body)).collect();
        said.reverse();
        said
    }

    // The model.

    pub(crate) fn request(&self) -> EffectKey {
        self.session()
            .attempt()
            .and_then(|attempt| attempt.effect)
            .expect("a request")
    }

    pub(crate) fn model(&mut self, event: model::Event) -> Result<Reply, Rejection> {
        let origin = Origin::Effect(self.request());
        self.send(&origin, Event::Model(event))
    }

    pub(crate) fn connect(&mut self) {
        self.model(model::Event::Connected {
            body: Some(BodyRef {
                digest: "d".into(),
                len: 1,
                unsent: vec![],
            }),
            limits: vec![],
        })
        .unwrap();
    }

    pub(crate) fn stream(&mut self, steps: Vec<StreamEvent>) {
        self.model(model::Event::Streamed {
            body: None,
            limits: vec![],
            steps,
        })
        .unwrap();
    }

    pub(crate) fn finish(&mut self, steps: Vec<StreamEvent>, stop: StopReason) {
        self.model(model::Event::Answered {
            body: None,
            limits: vec![],
            steps,
            outcome: model::Outcome::Finished(stop),
        })
        .unwrap();
    }

    pub(crate) fn fail(&mut self, class: FailureClass, retry_after_ms: Option<u64>) {
        self.model(model::Event::Answered {
            body: None,
            limits: vec![],
            steps: vec![],
            outcome: model::Outcome::Failed(failure(class, retry_after_ms)),
        })
        .unwrap();
    }

    /// The model answers with a text and stops.
    pub(crate) fn answer(&mut self, text: &str) {
        self.connect();
        self.finish(vec![finished(0, Block::Text(text.into()))], StopReason::EndOfTurn);
    }

    /// The model proposes calls of these tools.
    pub(crate) fn propose(&mut self, names: &[&str]) -> Vec<CallId> {
        self.connect();
        let steps = names
            .iter()
            .zip(0..)
            .map(|(name, index)| finished(index, call_block(name, index)));
        self.finish(steps.collect(), StopReason::ToolUse);
        self.turn().batch.iter().copied().collect()
    }

    // The tools.

    pub(crate) fn tool(&mut self, call: CallId, event: tools::Event) -> Result<Reply, Rejection> {
        let key = self.call(call).effect.expect("an effect");
        self.send(&Origin::Effect(key), Event::Tools(event))
    }

    pub(crate) fn find(&mut self, call: CallId, evidence: Evidence) {
        let evidence = Arc::new(evidence);
        self.tool(call, tools::Event::EvidenceGathered { call, evidence })
            .unwrap();
    }

    pub(crate) fn settle(&mut self, call: CallId, word: Word, text: &str) {
        let outcome = outcome(text);
        self.tool(call, tools::Event::ToolSettled { call, word, outcome })
            .unwrap();
    }

    pub(crate) fn approve(&mut self, call: CallId) {
        self.user(Event::Tools(tools::Event::Approved { call })).unwrap();
    }

    pub(crate) fn refuse(&mut self, call: CallId) {
        let reason = None;
        self.user(Event::Tools(tools::Event::Refused { call, reason }))
            .unwrap();
    }

    /// A turn with one call of each of these in mode *yolo*, all running.
    pub(crate) fn running(&mut self, evidence: &[Evidence]) -> Vec<CallId> {
        self.set_mode(Mode::Yolo);
        self.prompt("go");
        let calls = self.propose(&vec!["tool"; evidence.len()]);
        for (call, evidence) in calls.iter().zip(evidence) {
            self.find(*call, evidence.clone());
        }
        calls
    }

    // Time and crashes.

    pub(crate) fn deadlines(&self) -> BTreeMap<DeadlineKey, Deadline> {
        let mut all = BTreeMap::new();
        Glasswork::deadlines(&self.state, &mut |key, deadline| {
            assert!(all.insert(key, deadline).is_none(), "{key:?} twice");
        });
        all
    }

    /// Lets time pass until this deadline, and reports it.
    #[track_caller]
    pub(crate) fn reach(&mut self, key: DeadlineKey) {
        let deadline = self.deadlines()[&key];
        self.now = deadline.set_at.after(deadline.duration());
        let event = Glasswork::deadline_reached(key, deadline);
        self.send(&Origin::Deadline, event).unwrap();
    }

    /// The process ends; another one loads the session.
    pub(crate) fn crash(&mut self) {
        self.epoch += 1;
        let opening = line::Opening {
            epoch: self.epoch,
            at: self.now,
            schema: Glasswork::SCHEMA,
        };
        let (line, chain) = line::encode_opening(&opening, self.chain).unwrap();
        self.add_line(line, chain);
        let open = self.open.clone();
        let open: Vec<(EffectKey, &Effect)> = open.iter().map(|(key, effect)| (*key, effect)).collect();
        for recovery in Glasswork::recover(&self.state, &open) {
            self.send(&Origin::Recovery, recovery.event).unwrap();
        }
        // What it has done again must be of the class that says so.
        let once = self.open.values().filter(|effect| {
            Glasswork::class(effect) == Class::Once || !matches!(effect, Effect::Fork { .. })
        });
        assert_eq!(once.count(), 0, "recovery left {:?} open", self.open);
    }

    // The conversation.

    /// The conversation in short: `user: …`, `model: …`, `model cancelled: …`, `result: …`, `error: …`.
    pub(crate) fn said(&self) -> Vec<String> {
        let tree = &self.session().tree;
        tree.entries().map(|(_, entry)| short(&entry.body)).collect()
    }

    /// Loading gives the live state; state, events and facts survive being written down.
    pub(crate) fn compare_with_journal(&self) {
        let mut loaded = Glasswork::vacant(Kind::Session, SCOPE);
        for (event, facts, moment) in &self.commits {
            let line = serde_json::to_string(&(event, facts)).unwrap();
            let (read, read_facts): (Event, Vec<Fact>) = serde_json::from_str(&line).unwrap();
            assert_eq!((&read, &read_facts), (event, facts));
            for fact in &read_facts {
                Glasswork::evolve(&mut loaded, fact, *moment);
            }
        }
        assert_eq!(loaded, self.state);
        let text = serde_json::to_string(&self.state).unwrap();
        assert_eq!(serde_json::from_str::<Scope>(&text).unwrap(), self.state);
        // Deltas of effects that have ended need not be loaded: what ends an effect carries all that they said.
        let mut without = Glasswork::vacant(Kind::Session, SCOPE);
        for (_, facts, moment) in &self.commits {
            if !facts.is_empty() && facts.iter().all(Glasswork::is_interim) {
                continue;
            }
            for fact in facts {
                Glasswork::evolve(&mut without, fact, *moment);
            }
        }
        if self.open.is_empty() {
            assert_eq!(without, self.state);
        }
    }
}

fn short(body: &Body) -> String {
    match body {
        Body::Notice(notice) => format!("notice: {}", notice.text),
        Body::Prompt { text, .. } => format!("user: {text}"),
        Body::Assistant(Assistant {
            blocks, cancelled, ..
        }) => {
            let blocks: Vec<String> = blocks
                .iter()
                .map(|block| match block {
                    Block::Text(text) => text.to_string(),
                    Block::Thinking(thought) => format!("({})", thought.text),
                    Block::ToolCall(call) => format!("[{}]", call.name),
                    Block::Kept(_) => "<kept>".to_owned(),
                })
                .collect();
            let who = if *cancelled { "model cancelled" } else { "model" };
            format!("{who}: {}", blocks.join(" "))
        }
        Body::ToolResult { result, .. } => {
            let what = if result.is_error { "error" } else { "result" };
            format!("{what}: {}", result.text)
        }
        Body::Compaction(compaction) => format!("notes: {}", compaction.summary),
        Body::BranchSummary(branch) => format!("attempt: {}", branch.summary),
        Body::Superseded(gone) => format!("superseded by {}: {}", gone.by, gone.said),
    }
}

fn is_result(event: &Event) -> bool {
    matches!(
        event,
        Event::Model(model::Event::Answered { .. })
            | Event::Mcp(mcp::Event::Introduced { .. } | mcp::Event::Failed { .. })
            | Event::Fork(fork::Event::Made { .. } | fork::Event::Failed { .. })
            | Event::Plan(_)
            | Event::Tools(
                tools::Event::EvidenceGathered { .. }
                    | tools::Event::ToolSettled { .. }
                    | tools::Event::ToolLost { .. }
            )
    )
}

/// What is found out of a call that asks something and offers this.
pub(crate) fn question(labels: &[&str]) -> Evidence {
    let options = labels.iter().map(|label| Choice {
        label: (*label).into(),
        description: None,
    });
    Evidence::Question(Arc::new(Question {
        question: "Which?".into(),
        options: options.collect(),
        multi_select: false,
    }))
}

pub(crate) fn model_id() -> ModelId {
    "scripted/test".parse().unwrap()
}

pub(crate) fn settings() -> Settings {
    Settings {
        model: Sourced::from_layer(Some(model_id()), Layer::Flag),
        ..Settings::default()
    }
}

pub(crate) fn tool_spec(name: &str) -> ToolSpec {
    ToolSpec {
        name: name.into(),
        description: format!("{name} something").into(),
        parameters: "{}".into(),
    }
}

pub(crate) fn opened() -> Event {
    Event::Session(session::Event::Opened {
        workspace: "/work".into(),
        title: None,
        settings: Box::new(settings()),
        system: vec![SystemPart {
            name: "base".into(),
            text: "You are a test.".into(),
        }],
        tools: ["read", "write", "bash"].map(tool_spec).to_vec(),
    })
}

pub(crate) fn prompted(text: &str) -> Event {
    Event::Prompt(prompt::Event::Prompted {
        result: None,
        text: text.into(),
        max_steps: None,
        images: vec![],
        key: None,
    })
}

pub(crate) fn steered(text: &str) -> prompt::Event {
    prompt::Event::Steered {
        text: text.into(),
        key: None,
    }
}

pub(crate) fn followed_up(text: &str) -> prompt::Event {
    prompt::Event::FollowedUp {
        text: text.into(),
        key: None,
    }
}

pub(crate) fn abandoned(open: Vec<EffectKey>) -> Event {
    Event::Recovery(recovery::Event::Abandoned { open })
}

pub(crate) fn failure(class: FailureClass, retry_after_ms: Option<u64>) -> Failure {
    Failure {
        class,
        message: "it failed".into(),
        status: None,
        retry_after_ms,
    }
}

pub(crate) fn usage(input: u64, output: u64) -> Usage {
    Usage {
        input,
        output,
        cache_read: 0,
        cache_write: 0,
        cache_write_1h: 0,
    }
}

pub(crate) fn began(index: u32) -> StreamEvent {
    StreamEvent::BlockStarted {
        index,
        kind: BlockKind::Text,
    }
}

pub(crate) fn delta(index: u32, text: &str) -> StreamEvent {
    StreamEvent::Delta {
        index,
        text: text.into(),
    }
}

pub(crate) fn finished(index: u32, block: Block) -> StreamEvent {
    StreamEvent::BlockFinished { index, block }
}

pub(crate) fn call_block(name: &str, index: u32) -> Block {
    Block::ToolCall(ToolCall {
        id: format!("call_{index}").into(),
        name: name.into(),
        arguments: "{}".into(),
        reading: None,
    })
}

pub(crate) fn outcome(text: &str) -> Outcome {
    Outcome {
        text: text.into(),
        is_error: false,
        blob: None,
        detail: None,
    }
}

pub(crate) fn file(access: FileAccess, path: &str, inside: bool) -> Evidence {
    Evidence::File(FileEvidence {
        access,
        requested: path.into(),
        resolved: path.into(),
        inside_workspace: inside,
        kind: FileKind::File,
        digest: None,
    })
}

pub(crate) fn read(path: &str) -> Evidence {
    file(FileAccess::Read, path, true)
}

pub(crate) fn write(path: &str) -> Evidence {
    file(FileAccess::Write, path, true)
}

pub(crate) fn bash() -> Evidence {
    Evidence::Command(CommandEvidence {
        command: "make".into(),
        directory: "/work".into(),
        timeout_ms: None,
    })
}

pub(crate) fn misfit() -> Evidence {
    Evidence::Misfit {
        message: "there is no tool `reed`; did you mean `read`?".into(),
    }
}
