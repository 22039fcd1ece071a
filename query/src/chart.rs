//! Charts: the tables that run, where they stand, and how they came there.

use std::ops::ControlFlow;
use std::sync::Arc;

use async_graphql::{ID, Object, SimpleObject};
use glasswork_agent_core::id::CallId;
use glasswork_agent_core::mcp_server::McpServerChart;
use glasswork_agent_core::session::SessionChart;
use glasswork_agent_core::tool_call::ToolCallChart;
use glasswork_agent_core::turn::TurnChart;
use glasswork_engine::chart::{Description, NodeDescription, RowDescription, describe};
use glasswork_engine::{ScopeId, Transition};

use crate::dispatch::{self, Dispatch};
use crate::error::Answer;
use crate::id;
use crate::operation::Op;
use crate::page::{self, Page};
use crate::scalar::Time;
use crate::session::View;

/// A chart.
pub(crate) struct Chart {
    op: Op,
    description: Description,
}

/// A state or superstate of a chart.
#[derive(Debug, SimpleObject)]
pub(crate) struct ChartState {
    /// Its stable name.
    name: &'static str,
    /// The superstate in which it lies.
    parent: Option<&'static str>,
    /// Whether it is a state, and not a superstate.
    leaf: bool,
    /// Whether the chart may rest here for good.
    terminal: bool,
    /// What entering it asks for.
    entry: Vec<&'static str>,
    /// What leaving it asks for.
    exit: Vec<&'static str>,
}

/// A row of a chart: one transition.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct ChartRow {
    /// Its stable key: journals and traces name the row by it.
    key: &'static str,
    /// The state or superstate that it leaves.
    from: &'static str,
    /// What sets it off.
    on: &'static str,
    /// What must hold; a leading `!` negates.
    when: Vec<String>,
    /// Where it leads; null where the chart stays.
    to: Option<&'static str>,
    /// What it asks for, besides entry and exit.
    intents: Vec<&'static str>,
}

/// A row that a commit took.
#[derive(Debug, SimpleObject)]
pub(crate) struct TakenRow {
    /// The chart.
    chart: &'static str,
    /// The row's key as the journal has it.
    key: String,
    /// The row; null where this version of the chart has it no more.
    row: Option<ChartRow>,
    /// The tool call whose chart moved, for a chart that each call has.
    call: Option<ID>,
}

/// Where a chart stands in a session.
#[derive(Debug, SimpleObject)]
pub(crate) struct Configuration {
    /// The state.
    state: &'static str,
    /// The superstates around it, innermost first.
    within: Vec<&'static str>,
    /// The tool call whose chart it is, for a chart that each call has.
    call: Option<ID>,
    /// Since when; null where that is not kept.
    since: Option<Time>,
}

/// A transition that was taken.
#[derive(SimpleObject)]
pub(crate) struct TakenTransition {
    /// The row.
    taken: TakenRow,
    /// The dispatch that took it.
    by: Dispatch,
    /// When.
    at: Time,
}

/// All charts of Glasswork, each described by the table that runs.
pub(crate) fn all() -> [Description; 4] {
    [
        describe::<SessionChart>(),
        describe::<TurnChart>(),
        describe::<ToolCallChart>(),
        describe::<McpServerChart>(),
    ]
}

impl From<&RowDescription> for ChartRow {
    fn from(row: &RowDescription) -> Self {
        Self {
            key: row.key,
            from: row.from,
            on: row.on,
            when: row.when.clone(),
            to: row.to,
            intents: row.intents.clone(),
        }
    }
}

impl ChartRow {
    /// A row that a fact records.
    pub(crate) fn taken(
        session: ScopeId,
        transition: Transition<'_>,
        call: Option<CallId>,
    ) -> Option<TakenRow> {
        let charts = all();
        let chart = charts.iter().find(|chart| chart.name == transition.chart)?;
        let row = chart.rows.iter().find(|row| row.key == transition.row);
        Some(TakenRow {
            chart: chart.name,
            key: transition.row.to_owned(),
            row: row.map(Into::into),
            call: call.map(|call| id::global(session, call)),
        })
    }
}

impl Chart {
    /// The charts, or the one of this name.
    pub(crate) fn find(op: &Op, name: Option<&str>) -> Vec<Self> {
        let wanted = all()
            .into_iter()
            .filter(|chart| name.is_none_or(|name| name == chart.name));
        wanted
            .map(|description| Self {
                op: Arc::clone(op),
                description,
            })
            .collect()
    }

    fn stands(&self, state: &'static str, call: Option<ID>, since: Option<Time>) -> Configuration {
        let parent = |name: &str| {
            self.description
                .nodes
                .iter()
                .find(|node| node.name == name)?
                .parent
        };
        let within = std::iter::successors(parent(state), |group| parent(group)).collect();
        Configuration {
            state,
            within,
            call,
            since,
        }
    }
}

/// A chart, described by the table that runs.
#[Object]
impl Chart {
    /// Its name.
    async fn name(&self) -> &'static str {
        self.description.name
    }

    /// The state in which it begins.
    async fn initial(&self) -> &'static str {
        self.description.initial
    }

    /// Its superstates and states, superstates first.
    #[graphql(complexity = "20 * child_complexity")]
    async fn states(&self) -> Vec<ChartState> {
        let state = |node: &NodeDescription| ChartState {
            name: node.name,
            parent: node.parent,
            leaf: node.leaf,
            terminal: node.terminal,
            entry: node.entry.clone(),
            exit: node.exit.clone(),
        };
        self.description.nodes.iter().map(state).collect()
    }

    /// Its rows, in the order of the table.
    #[graphql(complexity = "40 * child_complexity")]
    async fn rows(&self) -> Vec<ChartRow> {
        self.description.rows.iter().map(Into::into).collect()
    }

    /// Where it stands in a session: once for the session and its last turn, once for each call of the batch that is
    /// worked on, and once for each MCP server, by name.
    #[graphql(complexity = "8 * child_complexity")]
    async fn configuration(
        &self,
        #[graphql(desc = "The session: its id, the beginning of it, or `last`.")] session: String,
        #[graphql(desc = "The commit as of which; now if it is not said.")] at: Option<crate::scalar::Long>,
    ) -> Answer<Option<Vec<Configuration>>> {
        let view = View::find(&self.op, self.op.find(&session)?, at.map(|at| at.0))?;
        let session = &view.session;
        Ok(Some(match self.description.name {
            name if name == <SessionChart as glasswork_engine::chart::Chart>::NAME => {
                vec![self.stands(session.state.into(), None, None)]
            }
            name if name == <TurnChart as glasswork_engine::chart::Chart>::NAME => {
                let turn = session.turn.iter();
                turn.map(|turn| self.stands(turn.state.into(), None, Some(Time(turn.since))))
                    .collect()
            }
            name if name == <McpServerChart as glasswork_engine::chart::Chart>::NAME => {
                let servers = session.mcp.values();
                servers
                    .map(|server| self.stands(server.state.into(), None, Some(Time(server.since))))
                    .collect()
            }
            _ => session
                .batch()
                .map(|(call, known)| {
                    self.stands(
                        known.state.into(),
                        Some(id::global(view.id, call)),
                        Some(Time(known.since)),
                    )
                })
                .collect(),
        }))
    }

    /// The transitions that it took in a session, oldest first, each with the dispatch that took it.
    #[graphql(complexity = "page::cost(first, child_complexity)")]
    async fn history(
        &self,
        #[graphql(desc = "The session: its id, the beginning of it, or `last`.")] session: String,
        first: Option<u32>,
        after: Option<String>,
    ) -> Answer<Option<Page<TakenTransition>>> {
        let length = page::length(&self.op, first)?;
        let after = after
            .map(|after| after.parse::<Place>())
            .transpose()
            .map_err(|()| {
                crate::error::fail(crate::error::Code::BadId, "the cursor is not one of this list")
            })?;
        let view = View::find(&self.op, self.op.find(&session)?, None)?;
        let start = after.map_or(1, |after| after.seq);
        let mut found = Vec::new();
        self.op.walk(view.id, start, view.at, |commit| {
            let rows = dispatch::rows(commit)
                .into_iter()
                .filter(|row| row.chart == self.description.name);
            for (place, taken) in rows.enumerate() {
                let cursor = Place {
                    seq: commit.id.seq,
                    place,
                };
                if after.is_none_or(|after| cursor > after) {
                    let by = Dispatch::new(&self.op, commit.id);
                    let transition = TakenTransition {
                        taken,
                        by,
                        at: Time(commit.at),
                    };
                    found.push((format!("{}.{}", cursor.seq, cursor.place), transition));
                }
            }
            if found.len() > length {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        Ok(Some(page::page(length, after.is_some(), found)))
    }
}

/// A place in a history: the commit, and the row's place among those that it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    seq: u64,
    place: usize,
}

impl std::str::FromStr for Place {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (seq, place) = text.split_once('.').ok_or(())?;
        Ok(Self {
            seq: seq.parse().map_err(|_| ())?,
            place: place.parse().map_err(|_| ())?,
        })
    }
}
