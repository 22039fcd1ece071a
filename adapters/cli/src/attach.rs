//! `glasswork attach`: a plain console on a session of a live host.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::slash_commands::{self, CommandError, Operation};
use glasswork_rpc::socket::client::{Client, ClientError, Notice};
use glasswork_rpc::socket::directory::{Directory, Live};
use glasswork_rpc::socket::wire;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::attached_screen::Screen;
use crate::choosing::{self, Choices};
use crate::compose;
use crate::console::{Console, Layout};
use crate::escape;
use crate::hosts::{self, Found};
use crate::picker::{self, Left};
use crate::problem::Problem;
use crate::signals::{Asked, Signals};
use crate::typing::Typing;

/// Arguments of `attach`.
#[derive(Debug, Args)]
pub(crate) struct Attach {
    /// The session; may be left out where one alone is open
    pub session: Option<String>,
    /// Begin a session in this directory, at the host that serves
    #[arg(long, conflicts_with = "session")]
    pub new: bool,
    /// Only look
    #[arg(long)]
    pub observe: bool,
    /// What is shown of what was before
    #[arg(long, value_enum, default_value_t = Before::Full)]
    pub history: Before,
    /// Print a line of JSON for everything that comes
    #[arg(long)]
    pub json: bool,
}

/// What is shown of what was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Before {
    /// The conversation
    Full,
    /// What the session waits for
    Pending,
    /// Nothing
    None,
}

impl From<Before> for wire::History {
    fn from(before: Before) -> Self {
        match before {
            Before::Full => Self::Full,
            Before::Pending => Self::Pending,
            Before::None => Self::None,
        }
    }
}

/// Attaches to a session and stays until it ends, or the person leaves.
pub(crate) fn attach(arguments: &Attach, console: &Console) -> Result<ExitCode, Problem> {
    let directory = hosts::directory()?;
    let tasks = compose::tasks()?;
    let done = tasks.block_on(stay(arguments, &directory, console));
    compose::end(tasks);
    done
}

async fn stay(arguments: &Attach, directory: &Directory, console: &Console) -> Result<ExitCode, Problem> {
    let found = hosts::find(directory).await?;
    let (host, named) = match arguments.new {
        true => (serving(&found)?, None),
        false => chosen(&found, arguments.session.as_deref())?,
    };
    let (client, notices) = Client::connect(directory, host).await.map_err(failed)?;
    let session = match named {
        Some(named) => named,
        None => {
            let here = std::env::current_dir().map_err(Problem::usage)?;
            let params = wire::New {
                directory: here.display().to_string(),
                title: None,
            };
            let begun: wire::Session = client.ask("_glasswork/new", &params).await.map_err(failed)?;
            begun.session
        }
    };
    let params = wire::Attach {
        session,
        name: format!("glasswork attach, process {}", std::process::id()),
        role: match arguments.observe {
            true => wire::Role::Observer,
            false => wire::Role::Controller,
        },
        history: arguments.history.into(),
        seen: None,
    };
    let attached: wire::Attached = client.ask("_glasswork/attach", &params).await.map_err(failed)?;
    let mut shown = match arguments.json {
        true => Shown::Lines(*console),
        false => Shown::Screen(Screen::new(*console)),
    };
    shown.attached(&attached)?;
    let subscribe = wire::Attachment {
        attachment: attached.attachment,
    };
    let _: wire::Nothing = client
        .ask("_glasswork/subscribe", &subscribe)
        .await
        .map_err(failed)?;
    let conversing = Conversing {
        client: Arc::new(client),
        attachment: attached.attachment,
        shown,
        console: *console,
        prompted: false,
        input_ended: false,
        typed: false,
        asked: 0,
        commanded: false,
        failed: false,
        host: HostDoor {
            host: host.clone(),
            session: attached.session.clone(),
        },
        printed: None,
        signals: None,
    };
    conversing.until_the_end(notices).await
}

/// The host that has the session that is named; where none is named, the one session that is open.
fn chosen<'a>(found: &'a [Found], named: Option<&str>) -> Result<(&'a Live, Option<String>), Problem> {
    let plain = |text: &str| text.trim().replace('-', "").to_ascii_lowercase();
    let wanted = named.filter(|named| *named != "last").map(plain);
    let mut open: Vec<(&Live, String)> = Vec::new();
    for host in found {
        for session in host.info.iter().flat_map(|info| &info.sessions) {
            let fits = wanted
                .as_ref()
                .is_none_or(|wanted| plain(&session.session).starts_with(wanted));
            if fits {
                open.push((&host.live, session.session.clone()));
            }
        }
    }
    if named == Some("last") {
        // An id begins with the time at which it was minted.
        open.sort_by(|one, other| other.1.cmp(&one.1));
        open.truncate(1);
    }
    match (open.as_slice(), named) {
        ([(host, session)], _) => Ok((host, Some(session.clone()))),
        // It may rest on the disk; a host that serves opens it.
        ([], Some(named)) => Ok((serving(found)?, Some(named.to_owned()))),
        ([], None) => Err(Problem::usage(
            "no session is open in a live host; name one, or begin one with `glasswork attach --new`",
        )),
        (several, _) => {
            let sessions: Vec<_> = several
                .iter()
                .map(|(_, session)| format!("  {session}"))
                .collect();
            Err(Problem::usage(format!(
                "several sessions are open; name one:\n{}",
                sessions.join("\n")
            )))
        }
    }
}

fn serving(found: &[Found]) -> Result<&Live, Problem> {
    let serving = found.iter().find(|host| host.live.card.command == "serve");
    serving.map(|host| &host.live).ok_or_else(|| {
        Problem::usage("no host serves, so nobody can open a session; start one with `glasswork serve`")
    })
}

fn failed(error: ClientError) -> Problem {
    Problem::failed(error)
}

/// What comes, for a person or a program.
enum Shown {
    Screen(Screen),
    Lines(Console),
}

impl Shown {
    fn attached(&mut self, attached: &wire::Attached) -> Result<(), Problem> {
        match self {
            Self::Screen(screen) => screen.attached(attached),
            Self::Lines(console) => {
                console.json(&json!({ "method": "attached", "params": attached }), Layout::Line)
            }
        }
    }

    /// Says something of this client's own.
    fn note(&mut self, text: &str) -> Result<(), Problem> {
        match self {
            Self::Screen(screen) => screen.note(text),
            Self::Lines(_) => Ok(()),
        }
    }

    /// What the host answered, where that is something to be shown.
    fn answered(&mut self, answer: &Value) -> Result<(), Problem> {
        let text = answer.get("text").and_then(Value::as_str);
        match (self, text) {
            (_, None) => Ok(()),
            (Self::Screen(screen), Some(text)) => screen.note(text.trim_end()),
            (Self::Lines(console), Some(_)) => {
                console.json(&json!({ "method": "performed", "params": answer }), Layout::Line)
            }
        }
    }

    fn told(&mut self, notice: &Notice) -> Result<(), Problem> {
        match self {
            Self::Screen(screen) => screen.told(notice),
            Self::Lines(console) => console.json(
                &json!({ "method": notice.method, "params": notice.params }),
                Layout::Line,
            ),
        }
    }
}

struct Conversing {
    client: Arc<Client>,
    attachment: u64,
    shown: Shown,
    console: Console,
    /// Whether a prompt of this client has not come to rest yet.
    prompted: bool,
    input_ended: bool,
    /// Whether anything was typed: whoever only looks on stays.
    typed: bool,
    /// What the host has not answered yet.
    asked: usize,
    /// Whether a command is among that: the next line waits for it, so that what is typed is done in order. A prompt may
    /// wait for long, and what is typed meanwhile may be to stop it.
    commanded: bool,
    failed: bool,
    /// Where the host can be asked what can be chosen.
    host: HostDoor,
    /// A list that was printed: the next line may be a number of it.
    printed: Option<Choices>,
    /// Once a list was drawn, signals are told to this client and do not end it by themselves.
    signals: Option<Signals>,
}

/// Where a host is, and the session that is conversed with.
struct HostDoor {
    host: Live,
    session: String,
}

/// What became of a line that was typed.
enum Completed {
    /// It is whole.
    Line(String),
    /// Nothing is to be done.
    Nothing,
    /// The client was asked to end.
    Ended(ExitCode),
}

/// What a signal asks for, where signals are told to this client.
async fn ended(signals: &mut Option<Signals>) -> Asked {
    match signals {
        Some(signals) => signals.next().await,
        None => std::future::pending().await,
    }
}

impl Conversing {
    /// Lets what a line lacks be chosen: from a list that is drawn where that can be, else from one that is printed.
    async fn completed(&mut self, line: String) -> Result<Completed, Problem> {
        let mut line = match self.printed.take() {
            Some(printed) => match printed.numbered(&line) {
                Some(chosen) => printed.lack().with(chosen),
                None => line,
            },
            None => line,
        };
        if matches!(self.shown, Shown::Lines(_)) {
            return Ok(Completed::Line(line));
        }
        while let Some(lack) = choosing::lack(&line) {
            // Of commands help says the same; and an `@` in what a program says may be meant as it stands.
            if !self.console.can_draw && !lack.is_of_a_command() {
                break;
            }
            let door = &self.host;
            let connected = Client::connect(&hosts::directory()?, &door.host).await;
            let choices = match connected {
                // Nothing is told there.
                Ok((client, _)) => Choices::of(client, &door.session, lack).await,
                Err(error) => Err(failed(error)),
            };
            let mut choices = match choices {
                Ok(choices) if choices.is_empty() => {
                    self.shown.note("there is nothing to choose")?;
                    break;
                }
                Ok(choices) => choices,
                Err(Problem::Closed) => return Err(Problem::Closed),
                Err(Problem::Told { text, .. }) => {
                    self.complain(&text);
                    return Ok(Completed::Nothing);
                }
            };
            if !self.console.can_draw {
                choices.print(&self.console);
                self.printed = Some(choices);
                return Ok(Completed::Nothing);
            }
            let signals = match &mut self.signals {
                Some(signals) => signals,
                none => none.insert(Signals::take().map_err(Problem::failed)?),
            };
            match picker::pick(&mut choices, &self.console, signals).await? {
                Ok(chosen) => line = choices.lack().with(&chosen),
                Err(Left::Left) => {
                    self.shown.note("nothing was chosen, and nothing done")?;
                    return Ok(Completed::Nothing);
                }
                Err(Left::Asked(Asked::Interrupt)) => return Ok(Completed::Ended(ExitCode::Interrupted)),
                Err(Left::Asked(Asked::Terminate)) => return Ok(Completed::Ended(ExitCode::Terminated)),
            }
            self.shown.note(&line)?;
        }
        Ok(Completed::Line(line))
    }

    /// The end, where all that was typed is done and nothing more can be.
    fn over(&self, is_terminal: bool) -> Option<ExitCode> {
        let done = self.input_ended && self.typed && self.asked == 0 && !self.prompted;
        let code = if self.failed {
            ExitCode::Failed
        } else {
            ExitCode::Done
        };
        (done && !is_terminal).then_some(code)
    }

    fn complain(&mut self, error: &dyn std::fmt::Display) {
        self.failed = true;
        let error = escape::text(&error.to_string()).into_owned();
        self.console
            .note(&format!("{} {error}\n", self.console.err.red("error:")));
    }

    async fn until_the_end(mut self, mut notices: mpsc::Receiver<Notice>) -> Result<ExitCode, Problem> {
        let mut typing = Typing::begin();
        // Answers come while notices are read: a request must not keep them waiting.
        let (asked, mut answers) = mpsc::channel::<(bool, Result<Value, ClientError>)>(1);
        let is_terminal = io::stdin().is_terminal();
        loop {
            if let Some(code) = self.over(is_terminal) {
                return Ok(code);
            }
            tokio::select! {
                asked = ended(&mut self.signals) => {
                    return Ok(match asked {
                        Asked::Interrupt => ExitCode::Interrupted,
                        Asked::Terminate => ExitCode::Terminated,
                    });
                }
                line = typing.next(), if !self.input_ended && !self.commanded => {
                    let Some(line) = line else {
                        self.input_ended = true;
                        if is_terminal {
                            return Ok(ExitCode::Done);
                        }
                        continue;
                    };
                    let line = match self.completed(line).await? {
                        Completed::Line(line) => line,
                        Completed::Nothing => continue,
                        Completed::Ended(code) => return Ok(code),
                    };
                    let line = line.trim();
                    if line.is_empty() {
                        continue;
                    }
                    match read(self.attachment, line) {
                        Line::Leave => return Ok(ExitCode::Done),
                        Line::Ask { method, params, begins } => {
                            self.prompted |= begins;
                            self.typed = true;
                            self.asked += 1;
                            self.commanded = !begins;
                            let (client, asked) = (Arc::clone(&self.client), asked.clone());
                            tokio::spawn(async move {
                                let done = client.ask::<Value>(method, &params).await;
                                let _ = asked.send((begins, done)).await;
                            });
                        }
                        Line::Show(text) => {
                            self.typed = true;
                            self.console.note(&escape::text(&text));
                        }
                        Line::Wrong(error) => {
                            self.typed = true;
                            self.complain(&error);
                        }
                    }
                }
                Some((begins, done)) = answers.recv() => {
                    self.commanded &= begins;
                    self.asked = self.asked.saturating_sub(1);
                    match done {
                        Ok(answer) => self.shown.answered(&answer)?,
                        Err(error) => {
                            self.prompted &= !begins;
                            self.complain(&error);
                        }
                    }
                }
                notice = notices.recv() => {
                    let Some(notice) = notice else {
                        return Err(failed(ClientError::Gone));
                    };
                    self.shown.told(&notice)?;
                    if notice.method == "_glasswork/ended" {
                        return Ok(ExitCode::Done);
                    }
                    if rests(&notice) {
                        self.prompted = false;
                    }
                }
            }
        }
    }
}

/// Whether a notice says that the turn rests.
fn rests(notice: &Notice) -> bool {
    let updates = notice.params.get("updates").and_then(Value::as_array);
    updates.into_iter().flatten().any(|update| {
        let kind = update.get("type").and_then(Value::as_str);
        matches!(kind, Some("turn_ended" | "turn_paused"))
    })
}

/// What a line asks for.
enum Line {
    /// The client itself leaves.
    Leave,
    /// This is shown.
    Show(String),
    /// It is no command.
    Wrong(CommandError),
    /// The host is asked.
    Ask {
        method: &'static str,
        params: Value,
        /// Whether a turn begins, or goes on, by it.
        begins: bool,
    },
}

fn read(attachment: u64, line: &str) -> Line {
    if !line.starts_with('/') {
        return Line::Ask {
            method: "_glasswork/prompt",
            params: json!({ "attachment": attachment, "text": line }),
            begins: true,
        };
    }
    match slash_commands::read(line) {
        Ok(Operation::Detach) => Line::Leave,
        Ok(Operation::Help { of }) => Line::Show(slash_commands::help(of)),
        Ok(operation) => Line::Ask {
            method: "_glasswork/command",
            params: json!({ "attachment": attachment, "line": line }),
            begins: matches!(operation, Operation::FollowUp { .. } | Operation::Resume),
        },
        Err(CommandError::Unknown { .. }) if line == "/" => Line::Show(slash_commands::help(None)),
        Err(error) => Line::Wrong(error),
    }
}
