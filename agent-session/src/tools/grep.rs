//! `grep`: lines that match a regular expression.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{
    BinaryDetection, Searcher, SearcherBuilder, Sink, SinkContext, SinkContextKind, SinkMatch,
};
use tokio_util::sync::CancellationToken;

use super::arguments::{Fields, Unfit};
use super::failure::ToolFailure;
use super::open::{FileKind, Place};
use super::truncation::{Head, cut_line, shown_name};
use super::walk::{PathGlob, walk};
use super::{Context, Details, Limits, Listing, Outcome, check_cancelled, reading};
use crate::secrets::{Masking, Origin, Stream};

pub(crate) const DESCRIPTION: &str = "Search in files for a regular expression (Rust syntax, line by line). Gives \
    path:line: text, lines around a match as path-line- text. What .gitignore names and binary files are left out. \
    Gives at most 100 matches unless limit says otherwise; long lines are cut at 500 characters.";
pub(crate) const SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "pattern": {"type": "string", "description": "The regular expression"},
    "path": {"type": "string", "description": "A file or a directory, relative to the workspace or absolute; the workspace if left out"},
    "glob": {"type": "string", "description": "Only files that match this glob: a name (*.rs) or a path (src/**/*.rs)"},
    "ignore_case": {"type": "boolean", "description": "Upper and lower case are the same"},
    "literal": {"type": "boolean", "description": "The pattern is plain text"},
    "context": {"type": "integer", "minimum": 0, "maximum": 100, "description": "Lines to show before and after each match"},
    "limit": {"type": "integer", "minimum": 1, "maximum": 10000, "description": "Most matches to give; 100 if left out"}
  },
  "required": ["pattern"],
  "additionalProperties": false
}"#;

/// A line longer than this is not searched: the searcher needs it whole.
const LONGEST_LINE: usize = 8 * 1024 * 1024;

/// Arguments of `grep`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrepArguments {
    /// The regular expression.
    pub pattern: String,
    /// Where to search.
    pub path: Option<String>,
    /// Which files.
    pub glob: Option<String>,
    /// Whether case does not matter.
    pub ignore_case: bool,
    /// Whether the pattern is plain text.
    pub literal: bool,
    /// Lines around each match.
    pub context: Option<u64>,
    /// Most matches.
    pub limit: Option<u64>,
}

impl GrepArguments {
    pub(crate) fn take(fields: &mut Fields) -> Result<Self, Unfit> {
        const ALL: &[&str] = &[
            "pattern",
            "path",
            "glob",
            "ignore_case",
            "literal",
            "context",
            "limit",
        ];
        Ok(Self {
            pattern: fields.needed_text("pattern", ALL)?,
            path: fields.text("path")?,
            glob: fields.text("glob")?,
            ignore_case: fields.flag("ignore_case")?,
            literal: fields.flag("literal")?,
            context: fields.number("context", 0, 100)?,
            limit: fields.number("limit", 1, 10_000)?,
        })
    }
}

pub(crate) async fn run(
    arguments: GrepArguments,
    path: PathBuf,
    context: &Context,
) -> Result<Outcome, ToolFailure> {
    let limits = context.limits.clone();
    let masking = context.secrets.masking.clone();
    reading(context, move |cancel| {
        grep(&arguments, &path, &limits, &masking, cancel)
    })
    .await
}

fn grep(
    arguments: &GrepArguments,
    root: &Path,
    limits: &Limits,
    masking: &Masking,
    cancel: &CancellationToken,
) -> Result<Outcome, ToolFailure> {
    let pattern = RegexMatcherBuilder::new()
        .case_insensitive(arguments.ignore_case)
        .fixed_strings(arguments.literal)
        .line_terminator(Some(b'\n'))
        .build(&arguments.pattern)
        .map_err(|error| ToolFailure::Pattern {
            field: "pattern".to_owned(),
            pattern: arguments.pattern.clone(),
            message: error.to_string(),
        })?;
    let glob = arguments
        .glob
        .as_deref()
        .map(|glob| PathGlob::new("glob", glob))
        .transpose()?;
    let lines_around = usize::try_from(arguments.context.unwrap_or(0)).unwrap_or(usize::MAX);
    let mut search = Search {
        pattern,
        searcher: SearcherBuilder::new()
            .line_number(true)
            .before_context(lines_around)
            .after_context(lines_around)
            .binary_detection(BinaryDetection::quit(0))
            .heap_limit(Some(LONGEST_LINE))
            .build(),
        told: Told {
            head: Head::new(usize::MAX, limits.bytes),
            line_chars: limits.line_chars,
            matches: 0,
            most: usize::try_from(arguments.limit.unwrap_or(100)).unwrap_or(usize::MAX),
            state: State::Searching,
            lines_around: lines_around > 0,
            apart: false,
        },
        skipped: 0,
        masking,
        cancel,
    };

    let place = Place::find(root)?;
    match place.kind()? {
        Some(FileKind::Directory) => {
            place.open_directory()?;
            for entry in walk(root) {
                check_cancelled(cancel)?;
                let Ok(entry) = entry else {
                    search.skipped += 1;
                    continue;
                };
                let Ok(below) = entry.path().strip_prefix(root) else {
                    continue;
                };
                if !entry.file_type().is_some_and(|kind| kind.is_file())
                    || glob.as_ref().is_some_and(|glob| !glob.matches(below))
                {
                    continue;
                }
                match Place::find(entry.path()).and_then(|place| place.open_file()) {
                    Ok((file, _)) => search.file(file, entry.path(), &shown_name(below.as_os_str()))?,
                    Err(_) => search.skipped += 1,
                }
                if search.told.state != State::Searching {
                    break;
                }
            }
        }
        _ => {
            let (file, _) = place.open_file()?;
            search.file(
                file,
                root,
                &shown_name(root.file_name().unwrap_or(root.as_os_str())),
            )?;
            if search.skipped > 0 {
                return Err(ToolFailure::io(
                    "search",
                    root,
                    io::Error::other("a line is longer than 8 MiB"),
                ));
            }
        }
    }

    let Search { told, skipped, .. } = search;
    let Told {
        head, matches, state, ..
    } = told;
    let mut text = head.into_text();
    let more = state != State::Searching;
    match state {
        State::Searching if matches == 0 => text = format!("[Nothing matches `{}`.]", arguments.pattern),
        State::Searching => {}
        State::Enough => text.push_str(&format!(
            "\n[The first {matches} matches; there are more. Narrow the pattern, or raise limit.]"
        )),
        State::Full => text.push_str(&format!(
            "\n[The first {matches} matches; more do not fit into {} KiB. Narrow the pattern, the path or the glob.]",
            limits.bytes / 1024
        )),
    }
    if skipped > 0 {
        text.push_str(&format!("\n[{skipped} files could not be searched.]"));
    }
    Ok(Outcome {
        text,
        is_error: false,
        details: Details::Listing(Listing { shown: matches, more }),
    })
}

struct Search<'c> {
    pattern: RegexMatcher,
    searcher: Searcher,
    told: Told,
    skipped: usize,
    masking: &'c Masking,
    cancel: &'c CancellationToken,
}

impl Search<'_> {
    fn file(&mut self, file: File, path: &Path, name: &str) -> Result<(), ToolFailure> {
        // A file's lines must not look like a continuation of the last one's.
        self.told.apart = self.told.lines_around && self.told.matches > 0;
        let file = Cancellable {
            file,
            cancel: self.cancel,
        };
        let done = self.searcher.search_reader(
            &self.pattern,
            file,
            OneFile {
                told: &mut self.told,
                name,
                lines: self.masking.stream(Origin::File(path.into())),
            },
        );
        check_cancelled(self.cancel)?;
        if done.is_err() {
            self.skipped += 1;
        }
        Ok(())
    }
}

/// A file that ends when the call does.
struct Cancellable<'c> {
    file: File,
    cancel: &'c CancellationToken,
}

impl Read for Cancellable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        self.file.read(buffer)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Searching,
    /// As many matches as were asked for.
    Enough,
    /// As many bytes as a result holds.
    Full,
}

struct Told {
    head: Head,
    line_chars: usize,
    matches: usize,
    most: usize,
    state: State,
    lines_around: bool,
    /// The next line does not follow the last one.
    apart: bool,
}

impl Told {
    fn push(&mut self, line: &str) -> bool {
        let fits = self.head.push(line);
        if !fits {
            self.state = State::Full;
        }
        fits
    }

    fn line(&mut self, name: &str, mark: char, number: Option<u64>, bytes: &[u8]) -> bool {
        if std::mem::take(&mut self.apart) && !self.push("--") {
            return false;
        }
        let text = String::from_utf8_lossy(bytes);
        let text = cut_line(text.trim_end_matches(['\r', '\n']), self.line_chars).into_owned();
        self.push(&format!(
            "{name}{mark}{}{mark} {text}",
            number.unwrap_or_default()
        ))
    }
}

struct OneFile<'t> {
    told: &'t mut Told,
    name: &'t str,
    /// Masks the lines that are told, in their order.
    lines: Stream,
}

impl OneFile<'_> {
    fn line(&mut self, mark: char, number: Option<u64>, bytes: &[u8]) -> bool {
        let mut line = self.lines.push(bytes).into_owned();
        if bytes.last() != Some(&b'\n') {
            line.extend_from_slice(&self.lines.finish());
        }
        self.told.line(self.name, mark, number, &line)
    }
}

impl Sink for OneFile<'_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        // The limit ends the search at the first match too many, so that the last one keeps its lines after it and
        // "there are more" is known to be true.
        if self.told.matches >= self.told.most {
            self.told.state = State::Enough;
            return Ok(false);
        }
        let fits = self.line(':', found.line_number(), found.bytes());
        self.told.matches += usize::from(fits);
        Ok(fits)
    }

    fn context(&mut self, _: &Searcher, line: &SinkContext<'_>) -> io::Result<bool> {
        if *line.kind() == SinkContextKind::Before && self.told.matches >= self.told.most {
            self.told.state = State::Enough;
            return Ok(false);
        }
        Ok(self.line('-', line.line_number(), line.bytes()))
    }

    fn context_break(&mut self, _: &Searcher) -> io::Result<bool> {
        self.told.apart = true;
        Ok(true)
    }
}
