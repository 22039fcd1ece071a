//! Sessions made by the real gate, an archive of their journals in memory, and a graph over both.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use glasswork_agent_core::context::{BodyRef, SystemPart};
use glasswork_agent_core::id::CallId;
use glasswork_agent_session::store::StoreError;
use glasswork_ai::conversation::{Block, ToolCall};
use glasswork_ai::failure::{Failure, FailureClass};
use glasswork_ai::model::ToolSpec;
use glasswork_ai::rate_limit::RateLimit;
use glasswork_ai::stream::{BlockKind, StopReason, StreamEvent, Usage};
use glasswork_app_runtime::archive::{Archive, ArchivedSession, Held, Record};
use glasswork_app_runtime::reading::{Reader, Viewer};
use glasswork_engine::journal::MemoryJournal;
use glasswork_engine::line::{self, Body};
use glasswork_engine::load::{Fold, Loaded};
use glasswork_engine::replay::Replayed;
use glasswork_engine::test_support::Fixture;
use glasswork_engine::trace::TraceRecord;
use glasswork_engine::{Commit, Job, ScopeId};
use glasswork_query::{Graph, Limits};
use glasswork_session_state::call::Outcome;
use glasswork_session_state::effect::Effect;
use glasswork_session_state::evidence::{CommandEvidence, Evidence, FileAccess, FileEvidence, FileKind};
use glasswork_session_state::settings::{Layer, Mode, Setting, Settings, Source, Sourced};
use glasswork_session_state::state::{Kind, Session};
use glasswork_session_state::tools::Word;
use glasswork_session_state::{Event, Glasswork, host, model, plan, prompt, session, state, tools};
use serde_json::{Value, json};

/// The session that tests talk to, as the graph names it.
pub(crate) const S: &str = "00000000-0000-0000-0000-000000000002";

pub(crate) struct World {
    pub(crate) engine: Fixture<Glasswork>,
    pub(crate) archive: Arc<MemoryArchive>,
    pub(crate) host: ScopeId,
    pub(crate) session: ScopeId,
}

/// The journals of the engine, read as an archive would read files.
pub(crate) struct MemoryArchive {
    journal: MemoryJournal,
    sessions: Mutex<Vec<ScopeId>>,
    /// Sessions whose journal cannot be read.
    broken: Mutex<BTreeSet<ScopeId>>,
    /// How often a mounted session was looked at from outside.
    looked_at: AtomicUsize,
}

impl MemoryArchive {
    /// How often a mounted session was looked at from outside since this was asked before.
    pub(crate) fn looked_at(&self) -> usize {
        self.looked_at.swap(0, Ordering::Relaxed)
    }

    pub(crate) fn break_off(&self, session: ScopeId) {
        self.broken.lock().unwrap().insert(session);
    }

    fn known(&self, session: ScopeId) -> Result<Vec<u8>, StoreError> {
        if !self.sessions.lock().unwrap().contains(&session) {
            return Err(StoreError::Unknown {
                wanted: session.to_string(),
            });
        }
        if self.broken.lock().unwrap().contains(&session) {
            return Err(StoreError::Io {
                doing: "read",
                path: "journal".into(),
                source: std::io::Error::other("the disk is gone"),
            });
        }
        Ok(self.journal.bytes(session))
    }
}

impl Archive for MemoryArchive {
    fn list(&self) -> Result<Vec<ArchivedSession>, StoreError> {
        let row = |id: &ScopeId| {
            let bytes = self.journal.bytes(*id);
            let mut fold = Fold::<Glasswork>::new();
            bytes
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .for_each(|line| {
                    fold.line(line).unwrap();
                });
            let created = fold.header().unwrap().created;
            let scope = fold.finish().unwrap().scope;
            ArchivedSession {
                damage: self
                    .broken
                    .lock()
                    .unwrap()
                    .contains(id)
                    .then(|| "the disk is gone".to_owned()),
                ..ArchivedSession::of(&scope, created, bytes.len() as u64).unwrap()
            }
        };
        Ok(self.sessions.lock().unwrap().iter().rev().map(row).collect())
    }

    fn held(&self, _: ScopeId) -> Option<Held> {
        self.looked_at.fetch_add(1, Ordering::Relaxed);
        None
    }

    fn find(&self, text: &str) -> Result<ScopeId, StoreError> {
        let sessions = self.sessions.lock().unwrap();
        let found: Vec<_> = sessions
            .iter()
            .filter(|id| id.to_string().starts_with(text))
            .copied()
            .collect();
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(StoreError::Unknown {
                wanted: text.to_owned(),
            }),
            _ => Err(StoreError::Ambiguous {
                wanted: text.to_owned(),
                candidates: found,
            }),
        }
    }

    fn load(&self, session: ScopeId, until: Option<u64>) -> Result<Loaded<Glasswork>, StoreError> {
        let mut fold = Fold::new();
        for line in self
            .known(session)?
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            if fold.header().is_some() && until == Some(fold.reached()) {
                break;
            }
            fold.line(line).unwrap();
        }
        Ok(fold.finish().unwrap())
    }

    fn replay(&self, _: &Record, _: Option<u64>) -> Result<Replayed<Glasswork>, StoreError> {
        unreachable!("the graph decides nothing again")
    }

    fn commits(
        &self,
        session: ScopeId,
        range: RangeInclusive<u64>,
    ) -> Result<Vec<Arc<Commit<Glasswork>>>, StoreError> {
        let bytes = self.known(session)?;
        let lines = bytes
            .split(|byte| *byte == b'\n')
            .skip(1)
            .filter(|line| !line.is_empty());
        let commits = lines.filter_map(|line| match line::decode_body::<Glasswork>(line).unwrap() {
            Body::Commit(commit) => Some(Arc::new(commit.parse(session, line.len()).unwrap())),
            Body::Opened(_) | Body::Folded(_) => None,
        });
        Ok(commits.filter(|commit| range.contains(&commit.id.seq)).collect())
    }

    fn traces(&self, session: ScopeId) -> Result<Vec<Arc<TraceRecord>>, StoreError> {
        self.known(session).map(|_| Vec::new())
    }
}

impl World {
    /// A host, and one open session in this mode, which a project's file sets.
    pub(crate) fn new(mode: Mode) -> Self {
        let engine = Fixture::<Glasswork>::default();
        let archive = Arc::new(MemoryArchive {
            journal: engine.journal.clone(),
            sessions: Mutex::default(),
            broken: Mutex::default(),
            looked_at: AtomicUsize::default(),
        });
        let host = engine.create(Kind::Host);
        let started = host::Event::Started {
            version: "0.1.0".into(),
            providers: [(Arc::from("scripted"), host::Credential::NotNeeded)]
                .into_iter()
                .collect(),
        };
        engine.accept(host, Event::Host(started));
        let mut world = Self {
            engine,
            archive,
            host,
            session: host,
        };
        world.session = world.open(mode);
        world
    }

    /// One more open session.
    pub(crate) fn open(&self, mode: Mode) -> ScopeId {
        let session = self.engine.create(Kind::Session);
        self.archive.sessions.lock().unwrap().push(session);
        self.engine
            .accept(self.host, Event::Host(host::Event::Mounted(session)));
        let from = Source {
            layer: Layer::Project,
            file: Some("/work/.glasswork/settings.ron".into()),
            line: Some(3),
        };
        let settings = Settings {
            model: Sourced::from_layer(Some("scripted/test".parse().unwrap()), Layer::Flag),
            mode: Sourced { value: mode, from },
            ..Settings::default()
        };
        self.engine.accept(
            session,
            Event::Session(session::Event::Opened {
                workspace: "/work".into(),
                title: Some("A test".into()),
                settings: Box::new(settings),
                system: vec![system("base", "You are a test.")],
                tools: ["read", "bash"].map(tool).to_vec(),
            }),
        );
        session
    }

    pub(crate) fn state(&self) -> Arc<Session> {
        match &self.engine.scope(self.session).state {
            state::Scope::Session(session) => Arc::clone(session),
            state::Scope::Host(_) => unreachable!("it is a session"),
        }
    }

    pub(crate) fn seq(&self) -> u64 {
        self.engine.scope(self.session).seq
    }

    pub(crate) fn accept(&self, event: Event) -> u64 {
        self.engine.accept(self.session, event).id.seq
    }

    pub(crate) fn prompt(&self, text: &str) -> u64 {
        self.accept(prompted(text))
    }

    pub(crate) fn set(&self, setting: Setting) -> u64 {
        self.accept(Event::Session(session::Event::SettingChanged(setting)))
    }

    fn finish(&self, job: Job<Glasswork>, event: Event) {
        job.port.finish(event);
        self.engine.fence();
    }

    /// The model answers the request that waits.
    pub(crate) fn answer(&self, blocks: Vec<Block>, stop: StopReason, usage: Usage) {
        let job = self.engine.runner.next();
        let (Effect::CallModel { request, .. } | Effect::Summarise { request, .. }) = &*job.effect else {
            panic!("no request: {:?}", job.effect)
        };
        let body = BodyRef {
            digest: format!("body of request {request}").into(),
            len: 1_000 + request.0,
            unsent: vec![],
        };
        let finished = blocks
            .into_iter()
            .zip(0..)
            .map(|(block, index)| StreamEvent::BlockFinished { index, block });
        let steps = finished.chain([StreamEvent::Usage(usage)]).collect();
        let outcome = model::Outcome::Finished(stop);
        self.finish(
            job,
            Event::Model(model::Event::Answered {
                body: Some(body),
                limits: vec![],
                steps,
                outcome,
            }),
        );
    }

    /// The model says something, and then the request that waits fails.
    pub(crate) fn fail(&self, text: &str, class: FailureClass) {
        let steps = vec![
            StreamEvent::BlockStarted {
                index: 0,
                kind: BlockKind::Text,
            },
            StreamEvent::Delta {
                index: 0,
                text: text.into(),
            },
        ];
        self.answer_failed(steps, vec![], Failure::new(class, "it failed"));
    }

    /// The provider refuses the request that waits, because of what it allows within a time.
    pub(crate) fn refuse_for_now(&self, limits: Vec<RateLimit>) {
        let failure = Failure {
            class: FailureClass::RateLimit,
            message: "too many requests".into(),
            status: Some(429),
            retry_after_ms: Some(9_000),
        };
        self.answer_failed(vec![], limits, failure);
    }

    fn answer_failed(&self, steps: Vec<StreamEvent>, limits: Vec<RateLimit>, failure: Failure) {
        let job = self.engine.runner.next();
        self.finish(
            job,
            Event::Model(model::Event::Answered {
                body: None,
                limits,
                steps,
                outcome: model::Outcome::Failed(failure),
            }),
        );
    }

    /// The model calls `read` with a path, and it is found out that the path leads here.
    pub(crate) fn call_read(&self, requested: &str, resolved: &str) -> CallId {
        let arguments = json!({ "path": requested }).to_string();
        let call = Block::ToolCall(ToolCall {
            id: "c".into(),
            name: "read".into(),
            arguments: arguments.into(),
            reading: None,
        });
        let blocks = vec![Block::Text("I look.".into()), call];
        self.answer(blocks, StopReason::ToolUse, counted(100, 0));
        self.find(Evidence::File(FileEvidence {
            access: FileAccess::Read,
            requested: requested.into(),
            resolved: resolved.into(),
            inside_workspace: resolved.starts_with("/work/"),
            kind: FileKind::File,
            digest: None,
        }))
    }

    /// The model calls a tool with these arguments, of which this is found out.
    pub(crate) fn call_tool(&self, name: &str, arguments: &Value, evidence: Evidence) -> CallId {
        let call = Block::ToolCall(ToolCall {
            id: "c".into(),
            name: name.into(),
            arguments: arguments.to_string().into(),
            reading: None,
        });
        self.answer(vec![call], StopReason::ToolUse, counted(100, 0));
        self.find(evidence)
    }

    /// The model writes a plan.
    pub(crate) fn plan(&self, plan: &Value) -> CallId {
        let call = self.call_tool("update_plan", plan, Evidence::Plan);
        let job = self.engine.runner.next();
        let plan = serde_json::from_value(plan.clone()).unwrap();
        self.finish(job, Event::Plan(plan::Event::Written { call, plan }));
        call
    }

    /// The model calls `bash` with a command.
    pub(crate) fn call_bash(&self, command: &str) -> CallId {
        let arguments = json!({ "command": command }).to_string();
        let call = Block::ToolCall(ToolCall {
            id: "c".into(),
            name: "bash".into(),
            arguments: arguments.into(),
            reading: None,
        });
        self.answer(vec![call], StopReason::ToolUse, counted(100, 0));
        self.find(Evidence::Command(CommandEvidence {
            command: command.into(),
            directory: "/work".into(),
            timeout_ms: None,
        }))
    }

    fn find(&self, evidence: Evidence) -> CallId {
        let job = self.engine.runner.next();
        let Effect::GatherEvidence { call } = *job.effect else {
            panic!("no evidence: {:?}", job.effect)
        };
        let evidence = Arc::new(evidence);
        self.finish(
            job,
            Event::Tools(tools::Event::EvidenceGathered { call, evidence }),
        );
        call
    }

    /// The call that runs ends well.
    pub(crate) fn settle(&self, text: &str) {
        let job = self.engine.runner.next();
        let Effect::RunTool { call, .. } = *job.effect else {
            panic!("no call runs: {:?}", job.effect)
        };
        let outcome = Outcome {
            text: text.into(),
            is_error: false,
            blob: None,
            detail: None,
        };
        self.finish(
            job,
            Event::Tools(tools::Event::ToolSettled {
                call,
                word: Word::Succeeded,
                outcome,
            }),
        );
    }

    /// The model says its last word.
    pub(crate) fn say(&self, text: &str) {
        self.answer(
            vec![Block::Text(text.into())],
            StopReason::EndOfTurn,
            counted(20, 100),
        );
    }

    /// A whole turn: prompt, a read that is allowed, an answer.
    pub(crate) fn turn(&self) -> CallId {
        self.prompt("Fix the test");
        let call = self.call_read("a.txt", "/work/a.txt");
        self.settle("contents of a");
        self.say("Fixed.");
        call
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::new(
            Some(self.engine.reader.clone()),
            Arc::<MemoryArchive>::clone(&self.archive),
        )
    }

    pub(crate) fn graph(&self) -> Graph {
        Graph::new(self.reader())
    }

    /// The graph of a later process: nothing is mounted.
    pub(crate) fn later(&self) -> Graph {
        Graph::new(Reader::new(None, Arc::<MemoryArchive>::clone(&self.archive)))
    }

    /// What the owner is answered; no field may fail.
    #[track_caller]
    pub(crate) fn ask(&self, query: &str) -> Value {
        let answer = ask(&self.graph(), Viewer::owner(), query);
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"].clone()
    }

    /// What is refused or fails, as code and path.
    pub(crate) fn failures(&self, query: &str) -> Vec<(String, String)> {
        failures(&self.graph(), Viewer::owner(), query)
    }
}

pub(crate) fn ask(graph: &Graph, viewer: Viewer, query: &str) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let mut answer = runtime
        .block_on(graph.execute(viewer, query, Value::Null, None))
        .to_json()
        .unwrap();
    // Printed, it is the same whether or not a build has `serde_json` keep the order of members.
    answer.sort_all_objects();
    answer
}

pub(crate) fn failures(graph: &Graph, viewer: Viewer, query: &str) -> Vec<(String, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let response = runtime.block_on(graph.execute(viewer, query, Value::Null, None));
    response
        .errors()
        .into_iter()
        .map(|error| (error.code, error.path.join(".")))
        .collect()
}

pub(crate) fn limited(world: &World, change: impl FnOnce(&mut Limits)) -> Graph {
    let mut limits = Limits::default();
    change(&mut limits);
    Graph::with_limits(world.reader(), limits)
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

pub(crate) fn system(name: &str, text: &str) -> SystemPart {
    SystemPart {
        name: name.into(),
        text: text.into(),
    }
}

pub(crate) fn tool(name: &str) -> ToolSpec {
    ToolSpec {
        name: name.into(),
        description: format!("{name} something").into(),
        parameters: "{\"a\":1}".into(),
    }
}

pub(crate) fn counted(input: u64, cache_read: u64) -> Usage {
    Usage {
        input,
        output: 10,
        cache_read,
        cache_write: 0,
        cache_write_1h: 0,
    }
}

/// The time that the clock shows: it stands still.
pub(crate) const NOW: &str = "1970-01-12T13:46:40.000000Z";
