//! Picking a session to go on with.

use std::collections::BTreeSet;
use std::path::Path;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use glasswork_app_runtime::archive::{ArchivedSession, Filter, Listing, Sort};
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::pickers;
use glasswork_app_runtime::reading::Snapshot;
use glasswork_engine::{ScopeId, Timestamp};

use crate::compose::{self, Sessions};
use crate::console::Console;
use crate::escape;
use crate::picker::{self, Left, List, fitted};
use crate::problem::Problem;
use crate::session_list;
use crate::signals::{Asked, Signals};

/// Most sessions among which what is typed is looked for by letters; of those that are older by parts of a name.
const MOST: usize = 2_000;

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
pub(crate) fn pick(sessions: &Sessions, among: Among, console: &Console) -> Result<ScopeId, Problem> {
    let mut list = Past::new(sessions.snapshot(), among)?;
    let tasks = compose::tasks()?;
    let picked = tasks.block_on(async {
        let mut signals = Signals::take().map_err(Problem::failed)?;
        picker::pick(&mut list, console, &mut signals).await
    });
    compose::end(tasks);
    picked?.map_err(|left| Problem::Told {
        code: match left {
            Left::Left | Left::Asked(Asked::Interrupt) => ExitCode::Interrupted,
            Left::Asked(Asked::Terminate) => ExitCode::Terminated,
        },
        text: "no session was picked".to_owned(),
    })
}

/// This directory's sessions.
///
/// # Errors
/// Where it is gone.
pub(crate) fn among_those_of(directory: &Path) -> Among {
    Among::Workspace(session_list::resolved(directory))
}

/// Sessions that were held.
struct Past {
    snapshot: Snapshot,
    among: Among,
    /// Whether sessions of other directories are shown too.
    everywhere: bool,
    sort: Sort,
    rows: Vec<ArchivedSession>,
    ids: Vec<ScopeId>,
    more: bool,
}

impl Past {
    fn new(snapshot: Snapshot, among: Among) -> Result<Self, Problem> {
        let mut past = Self {
            snapshot,
            among,
            everywhere: false,
            sort: Sort::Updated,
            rows: Vec::new(),
            ids: Vec::new(),
            more: false,
        };
        past.find("")?;
        if past.rows.is_empty() && matches!(past.among, Among::Workspace(_)) {
            past.everywhere = true;
            past.find("")?;
        }
        match past.rows.is_empty() {
            true => Err(Problem::usage("there is no session to go on with")),
            false => Ok(past),
        }
    }

    fn find(&mut self, typed: &str) -> Result<(), Problem> {
        let (mut rows, more) = self.listed(None)?;
        if more && !typed.is_empty() {
            let (older, _) = self.listed(Some(typed.to_owned()))?;
            let known: BTreeSet<ScopeId> = rows.iter().map(|row| row.id).collect();
            rows.extend(older.into_iter().filter(|row| !known.contains(&row.id)));
        }
        let fitting = pickers::ranked(pickers::sessions(rows), typed).into_iter();
        self.rows = fitting.map(|item| item.value).collect();
        self.ids = self.rows.iter().map(|row| row.id).collect();
        self.more = more;
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
}

impl List for Past {
    type Value = ScopeId;

    async fn look(&mut self, typed: &str) -> Result<(), Problem> {
        self.find(typed)
    }

    fn values(&self) -> &[ScopeId] {
        &self.ids
    }

    fn asks(&self) -> String {
        "Go on with".to_owned()
    }

    fn aside(&self) -> String {
        let by: &str = self.sort.into();
        let place = match &self.among {
            Among::Workspace(_) if self.everywhere => "everywhere, ^A: only here",
            Among::Workspace(_) => "here, ^A: everywhere",
            Among::These(_) => "these",
        };
        format!("[{place}; Tab: by {by}]")
    }

    fn heading(&self, width: usize) -> Option<String> {
        Some(heading(width))
    }

    fn row(&self, number: usize, width: usize) -> String {
        let row = self.rows.get(number);
        row.map(|row| columns(row, width)).unwrap_or_default()
    }

    fn foot(&self, at: usize) -> String {
        match (self.rows.len(), self.more) {
            (0, _) => "no session is called so; ^U clears".to_owned(),
            (count, false) => format!("{} of {count}; Enter goes on, Esc leaves", at + 1),
            (count, true) => format!("{} of the first {count}; type to find others", at + 1),
        }
    }

    fn key(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('a') if control => self.everywhere = !self.everywhere,
            KeyCode::Tab | KeyCode::BackTab if !control => {
                self.sort = match self.sort {
                    Sort::Created => Sort::Updated,
                    _ => Sort::Created,
                };
            }
            _ => return false,
        }
        true
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
