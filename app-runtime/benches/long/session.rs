//! Long sessions, made by the real gate: no model, no tool, no pause.

use std::sync::Arc;

use glasswork_agent_core::session::State as Rest;
use glasswork_ai::conversation::{Block, ToolCall};
use glasswork_ai::model::ToolSpec;
use glasswork_ai::stream::{BlockKind, StopReason, StreamEvent, Usage};
use glasswork_engine::journal::{Appended, Journal, Line, Reporter};
use glasswork_engine::line::Chain;
use glasswork_engine::load::Loaded;
use glasswork_engine::test_support::{ManualRunner, wait};
use glasswork_engine::trace::TraceSink;
use glasswork_engine::{Engine, Handle, Job, Limits, Parts, Party, ScopeId, SystemClock};
use glasswork_session_state::call::Outcome;
use glasswork_session_state::effect::Effect;
use glasswork_session_state::evidence::{Evidence, FileAccess, FileEvidence, FileKind};
use glasswork_session_state::settings::{Layer, Mode, Settings, Sourced};
use glasswork_session_state::state::{Kind, Scope, Session};
use glasswork_session_state::tools::Word;
use glasswork_session_state::{Event, Glasswork, model, prompt, session, tools};

/// Keeps nothing.
struct Forgetting;

impl Journal for Forgetting {
    fn start(&mut self, _: Reporter) {}
    fn append(&mut self, _: Line) -> Appended {
        Appended::Synced
    }
    fn unmounted(&mut self, _: ScopeId) {}
}

/// An engine whose effects are done by hand, one session at a time.
pub struct House {
    pub engine: Engine<Glasswork>,
    pub user: Handle<Glasswork>,
    runner: ManualRunner<Glasswork>,
}

/// The entries that a turn adds: the prompt, an answer that calls a tool, its result, the last answer.
pub const ENTRIES: usize = 4;

impl House {
    /// In memory: what is written and traced goes nowhere.
    pub fn new() -> Self {
        Self::on(Forgetting, ())
    }

    pub fn on(journal: impl Journal + 'static, trace: impl TraceSink + 'static) -> Self {
        let runner = ManualRunner::<Glasswork>::default();
        let engine = Engine::start(Parts {
            journal: Box::new(journal),
            runner: Arc::new(runner.clone()),
            clock: Arc::new(SystemClock::default()),
            trace: Box::new(trace),
            limits: Limits::default(),
        })
        .unwrap();
        let user = engine.handle(Party::User);
        Self { engine, user, runner }
    }

    /// A scope that no journal knows.
    pub fn vacant(&self) -> ScopeId {
        let id = ScopeId::mint();
        self.open(Loaded::vacant(id, Kind::Session, Chain::default()));
        id
    }

    pub fn open(&self, loaded: Loaded<Glasswork>) {
        let id = loaded.scope.id;
        wait(self.engine.mount(loaded)).unwrap();
        let settings = Settings {
            model: Sourced::from_layer(Some("scripted/test".parse().unwrap()), Layer::Flag),
            mode: Sourced::from_layer(Mode::Yolo, Layer::Flag),
            ..Settings::default()
        };
        let opened = session::Event::Opened {
            workspace: "/work".into(),
            title: Some("A long one".into()),
            settings: Box::new(settings),
            system: vec![],
            tools: vec![ToolSpec {
                name: "read".into(),
                description: "reads".into(),
                parameters: "{}".into(),
            }],
        };
        self.send(id, Event::Session(opened));
    }

    pub fn send(&self, id: ScopeId, event: Event) {
        wait(self.user.dispatch(id, event)).unwrap();
    }

    pub fn state(&self, id: ScopeId) -> Arc<Session> {
        match &self.engine.reader().scope(id).unwrap().state {
            Scope::Session(session) => Arc::clone(session),
            Scope::Host(_) => unreachable!("it is a session"),
        }
    }

    /// A turn of four entries; each of the three longer texts has `bytes`, and answers come in `deltas`.
    pub fn turn(&self, id: ScopeId, bytes: usize, deltas: usize) {
        self.send(id, prompted("What does a.txt say?"));
        let text: Arc<str> = "Words that someone might read, or not.\n"
            .chars()
            .cycle()
            .take(bytes)
            .collect::<String>()
            .into();
        let call = Block::ToolCall(ToolCall {
            id: "c".into(),
            name: "read".into(),
            arguments: r#"{"path":"a.txt"}"#.into(),
            reading: None,
        });
        self.answer(id, &text, Some(call), deltas);
        let job = self.runner.next();
        let Effect::GatherEvidence { call } = *job.effect else {
            panic!("{:?}", job.effect)
        };
        let evidence = Arc::new(Evidence::File(FileEvidence {
            access: FileAccess::Read,
            requested: "a.txt".into(),
            resolved: "/work/a.txt".into(),
            inside_workspace: true,
            kind: FileKind::File,
            digest: None,
        }));
        job.port
            .finish(Event::Tools(tools::Event::EvidenceGathered { call, evidence }));
        let job = self.runner.next();
        let Effect::RunTool { call, .. } = *job.effect else {
            panic!("{:?}", job.effect)
        };
        let outcome = Outcome {
            text: Arc::clone(&text),
            is_error: false,
            blob: None,
            detail: None,
        };
        job.port.finish(Event::Tools(tools::Event::ToolSettled {
            call,
            word: Word::Succeeded,
            outcome,
        }));
        self.answer(id, &text, None, deltas);
        while self.state(id).state != Rest::Idle {
            std::thread::yield_now();
        }
    }

    fn answer(&self, id: ScopeId, text: &Arc<str>, call: Option<Block>, deltas: usize) {
        let job = self.runner.next();
        if deltas > 0 {
            let begun = StreamEvent::BlockStarted {
                index: 0,
                kind: BlockKind::Text,
            };
            self.progress(&job, id, begun);
            for piece in text.as_bytes().chunks(text.len().div_ceil(deltas)) {
                let text = std::str::from_utf8(piece).unwrap().into();
                self.progress(&job, id, StreamEvent::Delta { index: 0, text });
            }
        }
        let stop = match call {
            Some(_) => StopReason::ToolUse,
            None => StopReason::EndOfTurn,
        };
        let blocks = [Some(Block::Text(Arc::clone(text))), call];
        let finished = (0..)
            .zip(blocks.into_iter().flatten())
            .map(|(index, block)| StreamEvent::BlockFinished { index, block });
        let steps = finished.chain([StreamEvent::Usage(Usage::default())]).collect();
        job.port.finish(Event::Model(model::Event::Answered {
            body: None,
            limits: vec![],
            steps,
            outcome: model::Outcome::Finished(stop),
        }));
    }

    /// Waits for the commit, lest the next delta is put into it.
    fn progress(&self, job: &Job<Glasswork>, id: ScopeId, step: StreamEvent) {
        let reader = self.engine.reader();
        let before = reader.scope(id).unwrap().seq;
        job.port.progress(Event::Model(model::Event::Streamed {
            body: None,
            limits: vec![],
            steps: vec![step],
        }));
        while reader.scope(id).unwrap().seq == before {
            std::thread::yield_now();
        }
    }
}

pub fn prompted(text: &str) -> Event {
    Event::Prompt(prompt::Event::Prompted {
        result: None,
        text: text.into(),
        max_steps: None,
        images: vec![],
        key: None,
    })
}
