//! Picking one thing of a list at a terminal: a list to walk through, narrowed by typing. Draws on standard error, so
//! that standard output stays what it is for, and gives the terminal back as it was in whatever way it ends.

use std::io::{self, Write as _};
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::style::{Attribute, Print, SetAttribute};
use crossterm::terminal::{
    Clear, ClearType, DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen,
};
use crossterm::{cursor, execute, queue, terminal};

use crate::console::Console;
use crate::escape;
use crate::problem::Problem;
use crate::signals::{Asked, Signals};

/// How long a key is waited for before signals are looked at.
const GLANCE: Duration = Duration::from_millis(100);

/// What is picked from.
pub(crate) trait List {
    /// What is picked.
    type Value: Clone + PartialEq;

    /// Looks up anew what fits what was typed, the best first.
    async fn look(&mut self, typed: &str) -> Result<(), Problem>;

    /// What was found.
    fn values(&self) -> &[Self::Value];

    /// Which of them is stood at first.
    fn first(&self) -> usize {
        0
    }

    /// What is asked, before what is typed.
    fn asks(&self) -> String;

    /// What is said behind that: which keys change the list, and how it is now.
    fn aside(&self) -> String {
        String::new()
    }

    /// What stands over the columns.
    fn heading(&self, width: usize) -> Option<String>;

    /// One of those that were found, as a line.
    fn row(&self, number: usize, width: usize) -> String;

    /// What is said below the list, of the one that is stood at.
    fn foot(&self, at: usize) -> String;

    /// A key of its own: whether the list is another one now.
    fn key(&mut self, _: KeyEvent) -> bool {
        false
    }
}

/// How it ended that nothing was picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// The person left the list.
    Left,
    /// The process was asked to end.
    Asked(Asked),
}

/// Lets a person pick. The list has been looked up already.
///
/// # Errors
/// Whatever goes wrong.
pub(crate) async fn pick<L: List>(
    list: &mut L,
    console: &Console,
    signals: &mut Signals,
) -> Result<Result<L::Value, Left>, Problem> {
    let screen = Screen::take().map_err(Problem::failed)?;
    let at = list.first();
    let mut picker = Picker {
        list,
        typed: String::new(),
        at,
        painted: console.err.0,
    };
    loop {
        picker.draw().map_err(Problem::failed)?;
        let key = tokio::task::spawn_blocking(next_event);
        let event = tokio::select! {
            biased;
            asked = signals.next() => {
                drop(screen);
                return Ok(Err(Left::Asked(asked)));
            }
            event = key => event.map_err(Problem::defect)?.map_err(Problem::failed)?,
        };
        let Some(Event::Key(key)) = event else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        match picker.press(key).await? {
            Next::Stay => {}
            Next::Take(value) => return Ok(Ok(value)),
            Next::Leave => return Ok(Err(Left::Left)),
        }
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

enum Next<V> {
    Stay,
    Take(V),
    Leave,
}

struct Picker<'a, L> {
    list: &'a mut L,
    typed: String,
    at: usize,
    painted: bool,
}

impl<L: List> Picker<'_, L> {
    /// Looks up the list anew. What the person stands at stays where it can.
    async fn look(&mut self) -> Result<(), Problem> {
        let stood = self.list.values().get(self.at).cloned();
        self.list.look(self.typed.trim()).await?;
        let values = self.list.values();
        let again = stood.and_then(|stood| values.iter().position(|value| *value == stood));
        self.at = again.unwrap_or(0);
        Ok(())
    }

    async fn press(&mut self, key: KeyEvent) -> Result<Next<L::Value>, Problem> {
        let last = self.list.values().len().saturating_sub(1);
        let page = usize::from(terminal::size().map_or(24, |(_, height)| height)).saturating_sub(4);
        if self.list.key(key) {
            self.look().await?;
            return Ok(Next::Stay);
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Char('c' | 'd' | 'g') => return Ok(Next::Leave),
                KeyCode::Char('p') => self.at = self.at.saturating_sub(1),
                KeyCode::Char('n') => self.at = (self.at + 1).min(last),
                KeyCode::Char('u') => {
                    self.typed.clear();
                    self.look().await?;
                }
                _ => {}
            }
            return Ok(Next::Stay);
        }
        match key.code {
            KeyCode::Enter => {
                if let Some(value) = self.list.values().get(self.at) {
                    return Ok(Next::Take(value.clone()));
                }
            }
            KeyCode::Esc => return Ok(Next::Leave),
            KeyCode::Up => self.at = self.at.saturating_sub(1),
            KeyCode::Down => self.at = (self.at + 1).min(last),
            KeyCode::PageUp => self.at = self.at.saturating_sub(page),
            KeyCode::PageDown => self.at = (self.at + page).min(last),
            KeyCode::Home => self.at = 0,
            KeyCode::End => self.at = last,
            KeyCode::Backspace => {
                self.typed.pop();
                self.look().await?;
            }
            KeyCode::Char(char) => {
                self.typed.push(char);
                self.look().await?;
            }
            _ => {}
        }
        Ok(Next::Stay)
    }

    fn draw(&self) -> io::Result<()> {
        let (width, height) = terminal::size()?;
        let width = usize::from(width);
        let mut out = io::BufWriter::new(io::stderr().lock());
        let paint = |attribute| SetAttribute(if self.painted { attribute } else { Attribute::Reset });
        queue!(out, Clear(ClearType::All), cursor::MoveTo(0, 0))?;
        let head = format!(
            "{}: {}_   {}",
            self.list.asks(),
            escape::line(&self.typed),
            self.list.aside()
        );
        queue!(out, Print(fitted(head.trim_end(), width)))?;
        let mut begin = 1;
        if let Some(heading) = self.list.heading(width) {
            queue!(
                out,
                cursor::MoveTo(0, begin),
                paint(Attribute::Dim),
                Print(fitted(&heading, width)),
                SetAttribute(Attribute::Reset)
            )?;
            begin += 1;
        }
        let room = usize::from(height.saturating_sub(begin + 1)).max(1);
        let top = self.at.saturating_sub(room.saturating_sub(1));
        let rows = top..self.list.values().len().min(top + room);
        for (line, number) in (begin..).zip(rows) {
            let stands = number == self.at;
            queue!(out, cursor::MoveTo(0, line))?;
            if stands {
                queue!(out, paint(Attribute::Reverse))?;
            }
            let mark = if stands { ">" } else { " " };
            let row = format!("{mark} {}", self.list.row(number, width));
            queue!(out, Print(fitted(&row, width)), SetAttribute(Attribute::Reset))?;
        }
        queue!(
            out,
            cursor::MoveTo(0, height.saturating_sub(1)),
            paint(Attribute::Dim),
            Print(fitted(&self.list.foot(self.at), width)),
            SetAttribute(Attribute::Reset)
        )?;
        out.flush()
    }
}

/// The beginning of a text that fits.
pub(crate) fn fitted(text: &str, width: usize) -> String {
    match text.chars().count() > width {
        true => text.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    }
}
