//! `glasswork sessions tree`, `fork`, `rename`, `pin`, `label`, `leaf`, `trash` and `restore`

use std::collections::BTreeMap;

use glasswork_agent_core::id::EntryId;
use glasswork_app_runtime::projection::tree::{self, ForkPoint, Kind, Node, Tree};
use glasswork_app_runtime::reading::{Snapshot, Viewer};
use glasswork_app_runtime::retention::DAY;
use glasswork_app_runtime::runtime::Runtime;
use glasswork_app_runtime::sagas::ForkAt;
use glasswork_engine::ScopeId;
use glasswork_session_state::Reply;
use serde_json::json;

use crate::compose::{self, Model, Place, Sessions};
use crate::console::{Console, Layout, Paint};
use crate::escape;
use crate::problem::Problem;
use crate::tree_commands::{ForkSession, LeafOfSession, TreeCommand, TreeOfSession};

/// Does something to the record of a session.
pub(crate) fn act(
    command: &TreeCommand,
    place: &Place,
    sessions: &Sessions,
    console: &Console,
) -> Result<(), Problem> {
    let snapshot = sessions.snapshot();
    match command {
        TreeCommand::Tree(arguments) => return show(arguments, &snapshot, console),
        TreeCommand::Trash {
            session: None,
            empty: false,
            json,
            ..
        } => {
            let trash = snapshot.trash()?;
            return match json.json {
                true => {
                    let rows = trash.iter().map(
                        |row| json!({ "id": row.session.id, "since": row.since, "name": row.session.name() }),
                    );
                    console.json(&rows.collect::<Vec<_>>(), Layout::Document)
                }
                false if trash.is_empty() => {
                    console.note("The trash is empty.\n");
                    Ok(())
                }
                false => {
                    let row = |name: &str, id| format!("{id}  {}\n", escape::line(name));
                    let rows = trash
                        .iter()
                        .map(|trashed| row(trashed.session.name(), trashed.session.id));
                    console.data(&rows.collect::<String>())
                }
            };
        }
        TreeCommand::Trash {
            empty: true,
            yes: false,
            ..
        } => {
            if !console.can_ask {
                return Err(Problem::usage(
                    "what is removed from the trash is gone for good, and there is no terminal to ask at; add `--yes`",
                ));
            }
            console.note("Remove what is in the trash, for good? [y/N] ");
            let mut answer = String::new();
            std::io::stdin().read_line(&mut answer).map_err(Problem::failed)?;
            if !matches!(answer.trim(), "y" | "Y" | "yes") {
                console.note("Nothing was removed.\n");
                return Ok(());
            }
        }
        _ => {}
    }
    started(place, sessions, async |runtime| {
        with(runtime, &snapshot, command, console).await
    })
}

/// Does some work with a runtime that asks no model.
pub(crate) fn started<T>(
    place: &Place,
    sessions: &Sessions,
    work: impl AsyncFnOnce(&Runtime) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let providers = place.providers()?;
    let tasks = compose::tasks()?;
    let done = tasks.block_on(async {
        let runtime = sessions.start(providers, &Model::none()).await?;
        let done = work(&runtime).await;
        runtime.stop().await;
        done
    });
    compose::end(tasks);
    done
}

async fn with(
    runtime: &Runtime,
    snapshot: &Snapshot,
    command: &TreeCommand,
    console: &Console,
) -> Result<(), Problem> {
    let find = |session: &str| snapshot.find(session);
    match command {
        TreeCommand::Trash {
            empty: true,
            older_than,
            json,
            ..
        } => {
            let removed = runtime.empty_trash(older_than.map(|days| DAY * days)).await?;
            match json.json {
                true => console.json(&json!({ "removed": removed }), Layout::Document)?,
                false => console.note(&format!("{} removed.\n", removed.len())),
            }
        }
        TreeCommand::Tree { .. } | TreeCommand::Trash { session: None, .. } | TreeCommand::Close(_) => {}
        TreeCommand::Fork(arguments) => fork(runtime, find(&arguments.session)?, arguments, console).await?,
        TreeCommand::Rename { session, title } => drop(runtime.rename(find(session)?, title).await?),
        TreeCommand::Pin { session, entry, off } => {
            let id = find(session)?;
            match entry {
                Some(entry) => runtime.pin_entry(id, entry_of(entry)?, !off).await?,
                None => runtime.pin(id, !off).await?,
            };
        }
        TreeCommand::Label {
            session,
            entry,
            label,
        } => drop(
            runtime
                .label(find(session)?, entry_of(entry)?, label.as_deref())
                .await?,
        ),
        TreeCommand::Leaf(arguments) => leaf(runtime, find(&arguments.session)?, arguments, console).await?,
        TreeCommand::Trash {
            session: Some(session),
            ..
        } => {
            let id = find(session)?;
            runtime.put_in_trash(id).await?;
            console.note(&format!(
                "It is in the trash; `glasswork sessions restore {id}` brings it back.\n"
            ));
        }
        TreeCommand::Restore { session } => runtime.take_from_trash(snapshot.find_in_trash(session)?).await?,
    }
    Ok(())
}

/// Shows the tree of a conversation.
pub(crate) fn show(arguments: &TreeOfSession, snapshot: &Snapshot, console: &Console) -> Result<(), Problem> {
    let seen = snapshot.session(snapshot.find(&arguments.session)?, arguments.at.at)?;
    let tree = tree::of(seen.session()?);
    match arguments.json.json {
        true => console.json(&tree, Layout::Document),
        false => console.data(&text(&tree, console.out)),
    }
}

fn entry_of(text: &str) -> Result<EntryId, Problem> {
    text.parse()
        .map_err(|error: glasswork_engine::NameError| Problem::usage(error.to_string()))
}

async fn fork(
    runtime: &Runtime,
    session: ScopeId,
    arguments: &ForkSession,
    console: &Console,
) -> Result<(), Problem> {
    let at = match arguments.at.as_deref() {
        None => ForkAt::Head,
        Some(at) => at.parse().map_err(Problem::usage)?,
    };
    let child = runtime.fork(session, at).await?;
    match arguments.json.json {
        true => console.json(&json!({ "id": child, "parent": session }), Layout::Document),
        false => console.data(&format!("{child}\n")),
    }
}

async fn leaf(
    runtime: &Runtime,
    session: ScopeId,
    arguments: &LeafOfSession,
    console: &Console,
) -> Result<(), Problem> {
    if arguments.edit {
        let taken = runtime
            .take_back(session, entry_of(&arguments.entry)?, None)
            .await?;
        let Reply::TakenBack { text } = taken.reply else {
            return Err(Problem::defect("the words of the prompt are not told"));
        };
        if !arguments.json.json {
            return console.data(&format!("{text}\n"));
        }
        let seen = runtime
            .reader()
            .snapshot(Viewer::owner())
            .session(session, None)?;
        let leaf = seen.session()?.tree.leaf();
        return console.json(
            &json!({ "id": session, "leaf": leaf, "text": text }),
            Layout::Document,
        );
    }
    let to = place_of(&arguments.entry)?;
    runtime.move_leaf(session, to, None).await?;
    match arguments.json.json {
        true => console.json(&json!({ "id": session, "leaf": to }), Layout::Document),
        false => Ok(()),
    }
}

/// Where a conversation shall go on: below an entry, or before all of them.
pub(crate) fn place_of(entry: &str) -> Result<Option<EntryId>, Problem> {
    match entry {
        "start" => Ok(None),
        entry => entry_of(entry).map(Some),
    }
}

fn text(tree: &Tree, paint: Paint) -> String {
    let mut text = String::new();
    if let Some(parent) = tree.parent {
        text.push_str(&paint.dim(&format!("(a fork of {} at {})\n", parent.session, parent.at)));
    }
    // An entry stands deeper than its parent only where the conversation went on in more than one way.
    let beginnings = tree.nodes.iter().filter(|node| node.parent.is_none());
    let mut ways = BTreeMap::from([(None, beginnings.count())]);
    ways.extend(
        tree.nodes
            .iter()
            .map(|node| (Some(node.entry), node.children.len())),
    );
    let forks = tree.fork_points();
    text.push_str(&forked(forks.get(&None), 0, paint));
    let mut depths = BTreeMap::new();
    for node in &tree.nodes {
        let siblings = ways.get(&node.parent).copied().unwrap_or(1);
        let above = node
            .parent
            .and_then(|parent| depths.get(&parent).copied())
            .unwrap_or(0);
        let depth: usize = above + usize::from(siblings > 1);
        depths.insert(node.entry, depth);
        text.push_str(&line(tree, node, depth, paint));
        text.push_str(&forked(forks.get(&Some(node.entry)), depth, paint));
    }
    text
}

/// The sessions that begin at a place.
fn forked(forks: Option<&Vec<ForkPoint>>, depth: usize, paint: Paint) -> String {
    let row = |fork: &ForkPoint| {
        let fork = format!(
            "  {}(forked at {}: {})\n",
            "  ".repeat(depth),
            fork.at,
            fork.session
        );
        paint.dim(&fork)
    };
    forks.into_iter().flatten().map(row).collect()
}

fn line(tree: &Tree, node: &Node, depth: usize, paint: Paint) -> String {
    let mark = match (tree.leaf == Some(node.entry), node.active) {
        (true, _) => "●",
        (false, true) => "│",
        (false, false) => " ",
    };
    let who = match node.kind {
        Kind::Prompt => ">",
        Kind::Answer => "<",
        Kind::Result => "=",
        Kind::Compaction => "(compacted)",
        Kind::BranchSummary => "(attempt)",
        Kind::Notice => "!",
        Kind::Superseded => "(superseded)",
    };
    let label = node
        .label
        .as_deref()
        .map(|label| format!("  [{}]", escape::line(label)));
    let pin = if node.pinned { "  (pinned)" } else { "" };
    let words = escape::line(&node.words);
    format!(
        "{mark} {}{:<8} {who} {words}{}{pin}\n",
        "  ".repeat(depth),
        node.entry.to_string(),
        paint.bold(&label.unwrap_or_default()),
    )
}
