//! Picking a session at a terminal: a list to walk through, narrowed by typing. Draws on standard error, so that
//! standard output stays what it is for, and gives the terminal back as it was in whatever way it ends.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::style::{Attribute, Print, SetAttribute};
use crossterm::terminal::{
    Clear, ClearType, DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen,
};
use crossterm::{cursor, execute, queue, terminal};
use glasswork_app_runtime::archive::{ArchivedSession, Filter, Listing, Sort};
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::pickers;
use glasswork_app_runtime::reading::Snapshot;
use glasswork_engine::{ScopeId, Timestamp};

use crate::compose::{self, Sessions};
use crate::escape;
use crate::problem::Problem;
use crate::session_list;
use crate::signals::{Asked, Signals};

/// Most sessions among which what is typed is looked for by letters; of those that are older by parts of a name.
const MOST: usize = 2_000;
/// How long a key is waited for before signals are looked at.
const GLANCE: Duration = Duration::from_millis(100);

/// Among which sessions one is picked.
#[derive(Debug, Clone)]
pub(crate) enum Among {
    /// Those that work in this directory; all where none does, or where the person asks for it.
    Workspace(String),
    /// These.
    These(BTreeSet<ScopeId>),
}

/// Lets a person pick a session.
///
/// # Errors
/// That they did not, and whatever goes wrong.
pub(crate) fn pick(sessions: &Sessions, among: Among) -> Result<ScopeId, Problem> {
    let mut picker = Picker::new(sessions.snapshot(), among)?;
    let tasks = compose::tasks()?;
    let picked = tasks.block_on(walk(&mut picker));
    compose::end(tasks);
    picked
}

/// This directory's sessions.
///
/// # Errors
/// Where it is gone.
pub(crate) fn among_those_of(directory: &Path) -> Among {
    Among::Workspace(session_list::resolved(directory))
}

async fn walk(picker: &mut Picker) -> Result<ScopeId, Problem> {
    let mut signals = Signals::take().map_err(Problem::failed)?;
    let screen = Screen::take().map_err(Problem::failed)?;
    loop {
        picker.draw().map_err(Problem::failed)?;
        let key = tokio::task::spawn_blocking(next_event);
        let event = tokio::select! {
            biased;
            asked = signals.next() => {
                drop(screen);
                return Err(ended(asked));
            }
            event = key => event.map_err(Problem::defect)?.map_err(Problem::failed)?,
        };
        let Some(Event::Key(key)) = event else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        match picker.press(key)? {
            Next::Stay => {}
            Next::Take(id) => return Ok(id),
            Next::Leave => {
                drop(screen);
                return Err(Problem::Told {
                    code: ExitCode::Interrupted,
                    text: "no session was picked".to_owned(),
                });
            }
        }
    }
}

fn ended(asked: Asked) -> Problem {
    Problem::Told {
        code: match asked {
            Asked::Interrupt => ExitCode::Interrupted,
            Asked::Terminate => ExitCode::Terminated,
        },
        text: "no session was picked".to_owned(),
    }
}

/// The next event of the terminal, if one comes soon.
fn next_event() -> io::Result<Option<Event>> {
    match event::poll(GLANCE)? {
        true => event::read().map(Some),
        false => Ok(None),
    }
}

/// The terminal while it is drawn upon. Dropping it, in whatever way, gives it back.
struct Screen;

impl Screen {
    fn take() -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        let screen = Self;
        execute!(io::stderr(), EnterAlternateScreen, DisableLineWrap, cursor::Hide)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone need not be given back.
        let _ = execute!(io::stderr(), cursor::Show, EnableLineWrap, LeaveAlternateScreen);
        let _ = terminal::disable_raw_mode();
    }
}

enum Next {
    Stay,
    Take(ScopeId),
    Leave,
}

struct Picker {
    snapshot: Snapshot,
    among: Among,
    /// Whether sessions of other directories are shown too.
    everywhere: bool,
    typed: String,
    sort: Sort,
    rows: Vec<ArchivedSession>,
    more: bool,
    at: usize,
}

impl Picker {
    fn new(snapshot: Snapshot, among: Among) -> Result<Self, Problem> {
        let mut picker = Self {
            snapshot,
            among,
            everywhere: false,
            typed: String::new(),
            sort: Sort::Updated,
            rows: Vec::new(),
            more: false,
            at: 0,
        };
        picker.look()?;
        if picker.rows.is_empty() && matches!(picker.among, Among::Workspace(_)) {
            picker.everywhere = true;
            picker.look()?;
        }
        match picker.rows.is_empty() {
            true => Err(Problem::usage("there is no session to go on with")),
            false => Ok(picker),
        }
    }

    /// Looks up the sessions anew. The one at which the person stands stays where it can.
    fn look(&mut self) -> Result<(), Problem> {
        let stood = self.rows.get(self.at).map(|row| row.id);
        let (mut rows, more) = self.listed(None)?;
        let typed = self.typed.trim();
        if more && !typed.is_empty() {
            let (older, _) = self.listed(Some(typed.to_owned()))?;
            let known: BTreeSet<ScopeId> = rows.iter().map(|row| row.id).collect();
            rows.extend(older.into_iter().filter(|row| !known.contains(&row.id)));
        }
        let fitting = pickers::ranked(pickers::sessions(rows), typed).into_iter();
        self.rows = fitting.map(|item| item.value).collect();
        self.more = more;
        self.at = stood
            .and_then(|id| self.rows.iter().position(|row| row.id == id))
            .unwrap_or(0);
        Ok(())
    }

    /// The first sessions among which one is picked, and whether there are more.
    fn listed(&self, named: Option<String>) -> Result<(Vec<ArchivedSession>, bool), Problem> {
        let mut filter = Filter {
            named,
            ..Filter::default()
        };
        match &self.among {
            Among::Workspace(workspace) => filter.workspace = (!self.everywhere).then(|| workspace.clone()),
            Among::These(ids) => filter.within = Some(ids.clone()),
        }
        let listing = Listing {
            filter,
            sort: self.sort,
            after: None,
            limit: MOST,
        };
        let page = self.snapshot.page(&listing, None)?;
        let rows = page.rows.into_iter().map(|row| row.archived).collect();
        Ok((rows, page.more))
    }

    fn press(&mut self, key: KeyEvent) -> Result<Next, Problem> {
        let last = self.rows.len().saturating_sub(1);
        let page = usize::from(terminal::size().map_or(24, |(_, height)| height)).saturating_sub(4);
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Char('c' | 'd' | 'g') => return Ok(Next::Leave),
                KeyCode::Char('p') => self.at = self.at.saturating_sub(1),
                KeyCode::Char('n') => self.at = (self.at + 1).min(last),
                KeyCode::Char('u') => {
                    self.typed.clear();
                    self.look()?;
                }
                KeyCode::Char('a') => {
                    self.everywhere = !self.everywhere;
                    self.look()?;
                }
                _ => {}
            }
            return Ok(Next::Stay);
        }
        match key.code {
            KeyCode::Enter => {
                if let Some(row) = self.rows.get(self.at) {
                    return Ok(Next::Take(row.id));
                }
            }
            KeyCode::Esc => return Ok(Next::Leave),
            KeyCode::Up => self.at = self.at.saturating_sub(1),
            KeyCode::Down => self.at = (self.at + 1).min(last),
            KeyCode::PageUp => self.at = self.at.saturating_sub(page),
            KeyCode::PageDown => self.at = (self.at + page).min(last),
            KeyCode::Home => self.at = 0,
            KeyCode::End => self.at = last,
            KeyCode::Tab | KeyCode::BackTab => {
                self.sort = match self.sort {
                    Sort::Created => Sort::Updated,
                    _ => Sort::Created,
                };
                self.look()?;
            }
            KeyCode::Backspace => {
                self.typed.pop();
                self.look()?;
            }
            KeyCode::Char(char) => {
                self.typed.push(char);
                self.look()?;
            }
            _ => {}
        }
        Ok(Next::Stay)
    }

    fn draw(&self) -> io::Result<()> {
        let (width, height) = terminal::size()?;
        let (width, room) = (usize::from(width), usize::from(height).saturating_sub(3).max(1));
        let mut out = io::BufWriter::new(io::stderr().lock());
        queue!(out, Clear(ClearType::All), cursor::MoveTo(0, 0))?;
        let by: &str = self.sort.into();
        let place = match &self.among {
            Among::Workspace(_) if self.everywhere => "everywhere, ^A: only here",
            Among::Workspace(_) => "here, ^A: everywhere",
            Among::These(_) => "these",
        };
        let head = format!(
            "Go on with: {}_   [{place}; Tab: by {by}]",
            escape::line(&self.typed)
        );
        queue!(out, Print(fitted(&head, width)))?;
        queue!(
            out,
            cursor::MoveTo(0, 1),
            SetAttribute(Attribute::Dim),
            Print(fitted(&heading(width), width)),
            SetAttribute(Attribute::Reset)
        )?;
        let top = self.at.saturating_sub(room.saturating_sub(1));
        for (line, (number, row)) in self.rows.iter().enumerate().skip(top).take(room).enumerate() {
            let stands = number == self.at;
            queue!(
                out,
                cursor::MoveTo(0, u16::try_from(line + 2).unwrap_or(u16::MAX))
            )?;
            if stands {
                queue!(out, SetAttribute(Attribute::Reverse))?;
            }
            let mark = if stands { ">" } else { " " };
            queue!(
                out,
                Print(fitted(&format!("{mark} {}", columns(row, width)), width)),
                SetAttribute(Attribute::Reset)
            )?;
        }
        let count = self.rows.len();
        let foot = match (count, self.more) {
            (0, _) => "no session is called so; ^U clears".to_owned(),
            (count, false) => format!("{} of {count}; Enter goes on, Esc leaves", self.at + 1),
            (count, true) => format!("{} of the first {count}; type to find others", self.at + 1),
        };
        queue!(
            out,
            cursor::MoveTo(0, height.saturating_sub(1)),
            SetAttribute(Attribute::Dim),
            Print(fitted(&foot, width)),
            SetAttribute(Attribute::Reset)
        )?;
        out.flush()
    }
}

/// Widths below which columns are left out.
const WITH_MODEL: usize = 120;
const WITH_CREATED: usize = 90;

fn heading(width: usize) -> String {
    let mut text = String::from("  ");
    if width >= WITH_CREATED {
        text.push_str(&format!("{:<17}", "created (UTC)"));
    }
    text.push_str(&format!(
        "{:<17}{:>5}  {:<12}{:<14}",
        "updated (UTC)", "msgs", "status", "branch"
    ));
    if width >= WITH_MODEL {
        text.push_str(&format!("{:<26}", "model"));
    }
    text + "first words"
}

fn columns(row: &ArchivedSession, width: usize) -> String {
    let status: &str = row.status.into();
    let branch = row.branch.as_deref().unwrap_or("-");
    let mut text = String::new();
    if width >= WITH_CREATED {
        text.push_str(&format!("{:<17}", minute(row.created)));
    }
    text.push_str(&format!(
        "{:<17}{:>5}  {status:<12}{:<14}",
        minute(row.updated.unwrap_or(row.created)),
        row.messages,
        fitted(&escape::line(branch), 13)
    ));
    if width >= WITH_MODEL {
        let model = row.model.as_ref().map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("{:<26}", fitted(&escape::line(&model), 25)));
    }
    text + &escape::line(row.name())
}

fn minute(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_microsecond(at.0).unwrap_or_default();
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

fn fitted(text: &str, width: usize) -> String {
    match text.chars().count() > width {
        true => text.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    }
}
