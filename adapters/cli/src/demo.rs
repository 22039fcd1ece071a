//! `glasswork demo`

use glasswork_ai::model::ModelId;
use glasswork_app_runtime::archive::Record;
use glasswork_app_runtime::demo::{self as scene, Comparison, Scratch, Verdict};
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::explain;
use glasswork_app_runtime::models;
use glasswork_app_runtime::prompting::Prompt;
use glasswork_app_runtime::reading::{Seen, Viewer};
use glasswork_app_runtime::runtime::{Opening, Runtime};
use glasswork_app_runtime::settings::Flag;
use glasswork_app_runtime::watching::Update;
use glasswork_engine::ScopeId;
use glasswork_session_state::settings::{Layer, Sourced};
use serde_json::Value;

use crate::ask::Asker;
use crate::commands::Demo;
use crate::compose::{self, Model, Place, Providers, Sessions};
use crate::console::Console;
use crate::drive::{self, By, Left, Says, Show};
use crate::problem::Problem;
use crate::show::{Screen, To};
use crate::signals::Signals;
use crate::{escape, graph};

/// Shows an agent at work, and that its work can be replayed.
pub(crate) fn demo(arguments: &Demo, console: &Console) -> Result<ExitCode, Problem> {
    let place = Place::find()?;
    let sessions = place.sessions()?;
    let providers = place.providers()?;
    let scratch = Scratch::make(&std::env::temp_dir())
        .map_err(|error| Problem::failed(format!("cannot make a scratch directory: {error}")))?;
    let unattended = (!console.can_ask).then(|| Flag {
        name: "attended".to_owned(),
        value: "false".to_owned(),
        flag: "no terminal to ask on".to_owned(),
    });
    let flags: Vec<_> = unattended.into_iter().collect();
    let mut settings = place.settings(&flags, &scratch.folder)?.settings;
    let id: ModelId = match &arguments.model {
        Some(name) => name.parse().map_err(Problem::usage)?,
        None => scene::model(),
    };
    let model = match &arguments.model {
        Some(_) => {
            let model = Model::prepare(&id, &providers)?;
            console.warn(models::warning(&id, &providers.catalogue));
            model
        }
        None => Model::of_demo()?,
    };
    let why_mode = scene::choose_mode(&id, &mut settings);
    settings.model = Sourced::from_layer(Some(id), Layer::Flag);
    let asker = settings.attended.value.then(|| Asker::on(*console));
    let mode: &str = settings.mode.value.into();
    let head = format!("Mode {mode} ({}): {why_mode}", explain::mode(settings.mode.value));

    let mut stage = Stage {
        screen: Screen::new(*console, To::Data, To::Data),
        console: *console,
    };
    let folder = scratch.folder.display().to_string();
    stage.tell(&head)?;
    stage.tell(&format!("Workspace {}", escape::line(&folder)))?;
    stage.tell(&format!(
        "{}\n",
        console.out.bold(&format!("> {}", scene::PROMPT))
    ))?;
    let opening = Opening {
        workspace: scratch.folder.clone(),
        settings,
        title: Some("demo".into()),
        servers: vec![],
    };
    let tasks = compose::tasks()?;
    let code = tasks.block_on(stage.perform(&sessions, providers, &model, opening, asker, &scratch));
    compose::end(tasks);
    code
}

struct Stage {
    screen: Screen,
    console: Console,
}

impl Show for Stage {
    fn show(&mut self, _: u64, update: &Update) -> Result<(), Problem> {
        self.screen.show(update)
    }

    fn tell(&mut self, text: &str) -> Result<(), Problem> {
        self.screen.tell(text)
    }
}

impl Stage {
    async fn perform(
        &mut self,
        sessions: &Sessions,
        providers: Providers,
        model: &Model,
        opening: Opening,
        asker: Option<Asker>,
        scratch: &Scratch,
    ) -> Result<ExitCode, Problem> {
        let mut signals = Signals::take().map_err(Problem::failed)?;
        let runtime = sessions.start(providers, model).await?;
        let (doors, failed) = sessions.doors(runtime, "demo", None);
        if let Some(error) = failed {
            self.console
                .warn(Some(format!("nobody can attach to this demo: {error}")));
        }
        let played = self.play(doors.runtime(), opening, asker, &mut signals).await;
        doors.close().await;
        let (id, left, live) = played?;
        if left.by != By::Itself {
            return Ok(left.code());
        }
        let passed = self.test(scratch).await?;
        let equal = self.replay(sessions, id, &live)?;
        self.ask(sessions, &live).await?;
        self.conclude(id, &live)?;
        Ok(if passed && equal {
            ExitCode::Done
        } else {
            ExitCode::Failed
        })
    }

    async fn play(
        &mut self,
        runtime: &Runtime,
        opening: Opening,
        asker: Option<Asker>,
        signals: &mut Signals,
    ) -> Result<(ScopeId, Left, Seen), Problem> {
        let id = runtime.new_session(opening).await?;
        let left = drive::turn(
            runtime,
            id,
            &Says::Prompt(Prompt::new(scene::PROMPT)),
            self,
            signals,
            asker,
        )
        .await?;
        let live = runtime.reader().snapshot(Viewer::owner()).session(id, None)?;
        Ok((id, left, live))
    }

    /// Whether the test passes now.
    async fn test(&mut self, scratch: &Scratch) -> Result<bool, Problem> {
        let paint = self.console.out;
        match scratch.verdict().await.map_err(Problem::failed)? {
            Verdict::Passed => {
                self.tell(&format!("\nThe test:   {}", paint.green("passes")))?;
                Ok(true)
            }
            Verdict::Failed(tests) => {
                self.tell(&format!("\nThe test:   {}", paint.red("still fails")))?;
                for test in tests {
                    self.tell(&format!("            {}", escape::line(&test)))?;
                }
                Ok(false)
            }
        }
    }

    /// Whether the journal leads to the state that was.
    fn replay(&mut self, sessions: &Sessions, id: ScopeId, live: &Seen) -> Result<bool, Problem> {
        let paint = self.console.out;
        let replayed = sessions.snapshot().replay(&Record::Session(id), None)?;
        let commits = replayed.commits;
        let (equal, text) = match scene::compare(live, &replayed) {
            Comparison::Equal => (
                true,
                format!(
                    "{}: {commits} commits decided again, each as before, to an equal state",
                    paint.green("equal")
                ),
            ),
            Comparison::Decisions { count, first } => {
                let first = first
                    .map(|seq| format!(", the first at {seq}"))
                    .unwrap_or_default();
                (
                    false,
                    format!("{}: {count} decisions differ{first}", paint.red("different")),
                )
            }
            Comparison::States => (
                false,
                format!("{}: the states are not equal", paint.red("different")),
            ),
        };
        self.tell(&format!("The replay: {text}"))?;
        Ok(equal)
    }

    /// Asks the graph about what happened, as anyone can.
    async fn ask(&mut self, sessions: &Sessions, live: &Seen) -> Result<(), Problem> {
        let paint = self.console.out;
        let graph = sessions.graph();
        for question in scene::questions(live.session()?) {
            self.tell(&format!("\n{}", paint.bold(&question.text)))?;
            self.tell(&paint.dim(&format!("glasswork query '{}'", question.query)))?;
            let data = graph::data(&graph, &question.query, Value::Null).await?;
            self.tell(graph::answer_text(&data).trim_start_matches('\n'))?;
        }
        Ok(())
    }

    fn conclude(&mut self, id: ScopeId, live: &Seen) -> Result<(), Problem> {
        let last = live.scope.seq;
        self.tell(&format!(
            "\nTry next:\n  \
             glasswork log {id}\n  \
             glasswork trace {id}/{last}\n  \
             glasswork replay {id} --until {last}\n  \
             glasswork charts turn\n  \
             glasswork run 'explain what this project does'    (with a key; `glasswork run --help`)"
        ))
    }
}
