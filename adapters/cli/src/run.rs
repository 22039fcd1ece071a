//! `glasswork run`

use std::io::{self, IsTerminal as _, Read as _};
use std::path::PathBuf;

use clap::ValueEnum as _;
use glasswork_agent_core::json_schema::Schema;
use glasswork_ai::model::ModelId;
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::pictures::{self, Picture};
use glasswork_app_runtime::prompting::Prompt;
use glasswork_app_runtime::resuming::{self, Past};
use glasswork_app_runtime::runtime::{Opening, OperationError, Runtime};
use glasswork_app_runtime::settings::Flag;
use glasswork_app_runtime::structured;
use glasswork_app_runtime::watching::Update;
use glasswork_app_runtime::{model_list, models};
use glasswork_engine::{ScopeId, UnmountError};
use glasswork_session_state::settings::{Layer, Settings, Source};
use serde::Serialize;

use crate::ask::Asker;
use crate::commands::{OutputFormat, Run};
use crate::compose::{self, Model, Place, Providers, Sessions};
use crate::console::{Console, Layout};
use crate::drive::{self, By, Left, Says, Show};
use crate::escape;
use crate::failed_disk;
use crate::problem::Problem;
use crate::resume;
use crate::show::{Screen, To};
use crate::signals::Signals;

/// Most bytes of a prompt: what a line of the journal takes, with room for the rest of it.
const PROMPT_BYTES: u64 = 512 << 10;

/// The budget of the turn, as a flag: a part of the setting `budget`, of which the other parts stay.
const TURN_BUDGET: &str = "budget.turn";

/// A model of the list that is asked where the model gives no answer, as a flag: one of the setting `fallback_models`.
const FALLBACK: &str = "fallback_model";

/// Has the agent do something.
pub(crate) fn run(arguments: &Run, console: &Console) -> Result<ExitCode, Problem> {
    let goes_on = arguments.go_on || arguments.resume.is_some();
    let prompt = prompt(arguments.prompt.as_deref())?;
    if prompt.is_none() && !goes_on {
        return Err(no_prompt());
    }
    within(arguments, prompt, &Place::find()?, console)
}

/// The same, of a prompt that was read, in a place that was found.
pub(crate) fn within(
    arguments: &Run,
    prompt: Option<String>,
    place: &Place,
    console: &Console,
) -> Result<ExitCode, Problem> {
    let schema = arguments.schema.as_deref().map(structured::read).transpose();
    let schema = schema.map_err(Problem::usage)?;
    let sessions = place.sessions()?;
    let past = past(arguments, &sessions, console)?;
    // Only a turn that rests can go on without a word.
    if prompt.is_none() && !past.as_ref().is_some_and(|past| past.rests) {
        return Err(no_prompt());
    }
    if schema.is_some() && past.as_ref().is_some_and(|past| past.rests) {
        return Err(Problem::usage(
            "the turn of this session rests, and goes on as it began; `--schema` is for a new one",
        ));
    }
    if !arguments.images.is_empty() && past.as_ref().is_some_and(|past| past.rests) {
        return Err(Problem::usage(
            "the turn of this session rests, and what it is told on its way takes no images: let it go on without \
             `--image`, and show them with the prompt after it",
        ));
    }
    let pictures = pictures::read(&arguments.images).map_err(Problem::usage)?;
    let workspace = match (&past, &arguments.directory) {
        (Some(past), _) => past.workspace.clone(),
        (None, Some(directory)) => directory.clone(),
        (None, None) => here()?,
    };
    let flags = flags(arguments, console);
    let ready = prepare(place, &flags, past.as_ref(), workspace, console)?;
    let asker = ready.opening.settings.attended.value.then(|| Asker::on(*console));
    let task = Task {
        prompt,
        schema,
        pictures,
        past,
        opening: ready.opening,
        asker,
    };
    let tasks = compose::tasks()?;
    let (providers, model) = (ready.providers, ready.model);
    let code = tasks.block_on(task.perform(&sessions, providers, &model, arguments.output_format, console));
    compose::end(tasks);
    code
}

/// What it takes to open a session.
pub(crate) struct Ready {
    /// How it is opened.
    pub opening: Opening,
    /// Who can be asked.
    pub providers: Providers,
    /// The model that is.
    pub model: Model,
}

/// Resolves settings and model for a session, and tells what is worth telling about them.
pub(crate) fn prepare(
    place: &Place,
    flags: &[Flag],
    past: Option<&Past>,
    workspace: PathBuf,
    console: &Console,
) -> Result<Ready, Problem> {
    let mut providers = place.providers()?;
    let named = meant(flags, &providers)?;
    let mut resolved = place.settings(&named, &workspace)?;
    if let Some(flag) = flags.iter().find(|flag| flag.name == TURN_BUDGET) {
        let budget = &mut resolved.settings.budget;
        budget.value.turn = Some(flag.value.parse().map_err(Problem::usage)?);
        budget.from = Source {
            layer: Layer::Flag,
            file: Some(flag.flag.as_str().into()),
            line: None,
        };
    }
    for left in &resolved.not_read {
        console.note(&format!(
            "note: {} is not read: {}\n",
            escape::line(&left.file.to_string_lossy()),
            left.reason
        ));
    }
    let mut settings = resolved.settings;
    match &past {
        Some(past) => settings = resuming::settings(settings, past, &providers.known)?,
        None => settings.model = models::choose(&settings.model, &providers.known)?,
    }
    let model = match &settings.model.value {
        Some(id) => {
            let mut model = Model::prepare(id, &providers)?;
            providers.make_ready(id);
            for fallback in &settings.fallback_models.value {
                model = model.also(fallback)?;
            }
            if settings.context_window.value.is_none() {
                providers.learn(id)?;
            }
            console.warn(models::warning(id, &providers.catalogue));
            model
        }
        None => return Err(Problem::defect("no model was chosen")),
    };
    let opening = Opening {
        workspace,
        settings,
        title: None,
        servers: resolved.mcp_servers.commands().to_vec(),
    };
    Ok(Ready {
        opening,
        providers,
        model,
    })
}

/// The flags, with the model that was meant by the one that names it; how much it shall think may stand behind it.
pub(crate) fn meant(flags: &[Flag], providers: &Providers) -> Result<Vec<Flag>, Problem> {
    let mut meant = Vec::new();
    let mut fallbacks: Vec<String> = Vec::new();
    for flag in flags.iter().filter(|flag| flag.name != TURN_BUDGET) {
        if flag.name == FALLBACK {
            let choice = model_list::chosen(&flag.value, &providers.catalogue, &providers.known)
                .map_err(Problem::usage)?;
            fallbacks.push(format!("{:?}", choice.model.to_string()));
            continue;
        }
        if flag.name != "model" {
            meant.push(flag.clone());
            continue;
        }
        let choice = model_list::chosen(&flag.value, &providers.catalogue, &providers.known)
            .map_err(Problem::usage)?;
        meant.push(Flag {
            value: choice.model.to_string(),
            ..flag.clone()
        });
        meant.extend(choice.thinking.map(|level| Flag {
            name: "thinking".to_owned(),
            value: format!("{level:?}").to_lowercase(),
            flag: flag.flag.clone(),
        }));
    }
    if !fallbacks.is_empty() {
        meant.push(Flag {
            name: "fallback_models".to_owned(),
            value: format!("[{}]", fallbacks.join(", ")),
            flag: "--fallback-model".to_owned(),
        });
    }
    Ok(meant)
}

fn here() -> Result<PathBuf, Problem> {
    std::env::current_dir().map_err(|error| Problem::usage(format!("the current directory is gone: {error}")))
}

fn no_prompt() -> Problem {
    Problem::usage("there is no prompt: `glasswork run 'what to do'`, or give it on standard input")
}

fn prompt(given: Option<&str>) -> Result<Option<String>, Problem> {
    let text = match given {
        Some("-") => read_prompt()?,
        Some(text) => text.to_owned(),
        None if !io::stdin().is_terminal() => read_prompt()?,
        None => String::new(),
    };
    Ok(Some(text).filter(|text| !text.trim().is_empty()))
}

fn read_prompt() -> Result<String, Problem> {
    let mut text = String::new();
    let read = io::stdin()
        .lock()
        .take(PROMPT_BYTES + 1)
        .read_to_string(&mut text);
    match read
        .map_err(|error| Problem::usage(format!("cannot read the prompt from standard input: {error}")))?
        as u64
    {
        length if length > PROMPT_BYTES => Err(Problem::usage(format!(
            "the prompt is longer than {} KiB; put it into a file and name that",
            PROMPT_BYTES >> 10
        ))),
        _ => Ok(text),
    }
}

fn past(arguments: &Run, sessions: &Sessions, console: &Console) -> Result<Option<Past>, Problem> {
    if let Some(name) = &arguments.resume {
        return resume::chosen(name, sessions, console).map(Some);
    }
    if !arguments.go_on {
        return Ok(None);
    }
    let directory = arguments.directory.clone().map_or_else(here, Ok)?;
    let directory = directory
        .canonicalize()
        .map_err(|error| Problem::usage(format!("cannot work in {}: {error}", directory.display())))?;
    Ok(Some(resuming::last_in(&sessions.snapshot(), &directory)?))
}

fn flags(arguments: &Run, console: &Console) -> Vec<Flag> {
    let flag = |name: &str, value: String, flag: &str| Flag {
        name: name.to_owned(),
        value,
        flag: flag.to_owned(),
    };
    let mode = arguments
        .permission_mode
        .and_then(|mode| mode.to_possible_value());
    let attended = (!console.can_ask).then(|| flag("attended", "false".to_owned(), "no terminal to ask on"));
    [
        arguments
            .model
            .clone()
            .map(|model| flag("model", model, "--model")),
        mode.map(|mode| flag("mode", mode.get_name().to_owned(), "--permission-mode")),
        arguments
            .max_steps
            .map(|most| flag("max_steps", most.to_string(), "--max-steps")),
        arguments
            .max_budget
            .map(|most| flag(TURN_BUDGET, most.to_string(), "--max-budget")),
        attended,
    ]
    .into_iter()
    .flatten()
    .chain(
        arguments
            .fallback_model
            .iter()
            .map(|model| flag(FALLBACK, model.clone(), "--fallback-model")),
    )
    .chain(arguments.answering.flags())
    .collect()
}

/// Something to do, all questions about it answered.
struct Task {
    prompt: Option<String>,
    schema: Option<Schema>,
    pictures: Vec<Picture>,
    past: Option<Past>,
    opening: Opening,
    asker: Option<Asker>,
}

impl Task {
    async fn perform(
        self,
        sessions: &Sessions,
        providers: Providers,
        model: &Model,
        format: OutputFormat,
        console: &Console,
    ) -> Result<ExitCode, Problem> {
        let mut signals = Signals::take().map_err(Problem::failed)?;
        let runtime = sessions.start(providers, model).await?;
        let (doors, failed) = sessions.doors(runtime, "run", None);
        if let Some(error) = failed {
            console.warn(Some(format!("nobody can attach to this run: {error}")));
        }
        let done = self
            .converse(doors.runtime(), format, console, &mut signals)
            .await;
        doors.close().await;
        done
    }

    async fn converse(
        self,
        runtime: &Runtime,
        format: OutputFormat,
        console: &Console,
        signals: &mut Signals,
    ) -> Result<ExitCode, Problem> {
        let settings = self.opening.settings.clone();
        let structured = self.schema.is_some();
        let resumed = self.past.is_some();
        let workspace = self.opening.workspace.clone();
        let says = match (self.prompt, self.past.as_ref().is_some_and(|past| past.rests)) {
            (Some(text), false) => Says::Prompt(Prompt {
                text,
                pictures: self.pictures,
                result: self.schema,
            }),
            (said, _) => Says::GoOn(said),
        };
        let session = match self.past {
            Some(past) => {
                for notice in runtime.open(past.id, self.opening).await? {
                    console.note(&format!("note: {}\n", escape::line(&notice)));
                }
                past.id
            }
            None => runtime.new_session(self.opening).await?,
        };
        for line in runtime.not_as_asked(session) {
            console.note(&format!("note: {}\n", escape::line(&line)));
        }
        let mut shown = Shown::begin(
            format,
            structured,
            console,
            Init::of(session, &settings, workspace, resumed),
        )?;
        let left = match drive::turn(runtime, session, &says, &mut shown, signals, self.asker).await {
            Ok(left) => left,
            Err(problem) => {
                failed_disk::save(runtime, session, signals, console).await;
                return Err(problem);
            }
        };
        shown.end(&left)?;
        if left.by == By::Itself {
            match runtime.give_up(session).await {
                // What is not on the disk yet is waited for when the runtime stops.
                Ok(()) | Err(OperationError::Unmount(UnmountError::Busy(..))) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(left.code())
    }
}

/// What a program is told first.
#[derive(Debug, Serialize)]
struct Init {
    version: &'static str,
    session: ScopeId,
    resumed: bool,
    workspace: PathBuf,
    model: Option<ModelId>,
    mode: glasswork_session_state::settings::Mode,
    mode_from: glasswork_session_state::settings::Source,
    attended: bool,
    max_steps: u32,
}

impl Init {
    fn of(session: ScopeId, settings: &Settings, workspace: PathBuf, resumed: bool) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            session,
            resumed,
            workspace,
            model: settings.model.value.clone(),
            mode: settings.mode.value,
            mode_from: settings.mode.from.clone(),
            attended: settings.attended.value,
            max_steps: settings.max_steps.value,
        }
    }
}

/// A line of `stream-json`.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Framing<'a> {
    Init(&'a Init),
    Result(&'a glasswork_app_runtime::projection::report::Report),
}

#[derive(Debug, Serialize)]
struct Numbered<'a> {
    seq: u64,
    #[serde(flatten)]
    update: &'a Update,
}

/// A turn on its way to standard output and standard error.
enum Shown {
    /// The answer as text; streamed where a person looks.
    Text {
        screen: Screen,
        streamed: bool,
        structured: bool,
        console: Console,
    },
    /// One document at the end.
    Document { screen: Screen, console: Console },
    /// A line for each update.
    Lines(Console),
}

impl Shown {
    /// What is `structured` is told whole, once it is judged.
    fn begin(format: OutputFormat, structured: bool, console: &Console, init: Init) -> Result<Self, Problem> {
        let console = *console;
        let streamed = console.out_is_terminal && format == OutputFormat::Text && !structured;
        let answers = if streamed { To::Data } else { To::Notes };
        let mut screen = Screen::new(console, answers, To::Notes);
        if format == OutputFormat::StreamJson {
            console.json(&Framing::Init(&init), Layout::Line)?;
            return Ok(Self::Lines(console));
        }
        let model = init.model.as_ref().map(ToString::to_string).unwrap_or_default();
        let mode: &str = init.mode.into();
        let head = format!("session {}, {}, mode {mode}", init.session, escape::line(&model));
        screen.tell(&screen.paint().dim(&head))?;
        Ok(match format {
            OutputFormat::Text => Self::Text {
                screen,
                streamed,
                structured,
                console,
            },
            OutputFormat::Json | OutputFormat::StreamJson => Self::Document { screen, console },
        })
    }

    fn end(&mut self, left: &Left) -> Result<(), Problem> {
        if left.by == By::ClosedOutput {
            return Ok(());
        }
        let report = &left.report;
        match self {
            Self::Text {
                screen,
                streamed,
                structured,
                console,
            } => {
                for denied in &report.denied {
                    screen.tell(&format!(
                        "the call {} of `{}` was not run: {}",
                        denied.call, denied.tool, denied.reason
                    ))?;
                }
                // A program gets the answer as it is; a person has seen it come, escaped.
                let answer = match *structured {
                    true => report.result.as_deref().unwrap_or_default(),
                    false => &report.answer,
                };
                match *streamed || answer.is_empty() {
                    true => Ok(()),
                    false => console.data(&format!("{answer}\n")),
                }
            }
            Self::Document { console, .. } => console.json(report, Layout::Document),
            Self::Lines(console) => console.json(&Framing::Result(report), Layout::Line),
        }
    }
}

impl Show for Shown {
    fn show(&mut self, seq: u64, update: &Update) -> Result<(), Problem> {
        match self {
            Self::Text { screen, .. } | Self::Document { screen, .. } => screen.show(update),
            Self::Lines(console) => console.json(&Numbered { seq, update }, Layout::Line),
        }
    }

    fn tell(&mut self, text: &str) -> Result<(), Problem> {
        match self {
            Self::Text { screen, .. } | Self::Document { screen, .. } => screen.tell(text),
            Self::Lines(console) => {
                console.note(&format!("{text}\n"));
                Ok(())
            }
        }
    }
}
