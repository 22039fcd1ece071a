//! No row of a chart is there only for its picture: each is taken by a story that says what follows from it.

use std::collections::BTreeSet;

use glasswork_agent_core::mcp_server::McpServerChart;
use glasswork_agent_core::session::SessionChart;
use glasswork_agent_core::tool_call::ToolCallChart;
use glasswork_agent_core::turn::TurnChart;
use glasswork_engine::chart::{Chart, describe};

use crate::world::World;
use crate::{compacting, failing_over, leaving, mcp, questions, scenarios, spending, structured};

fn keys<C: Chart>() -> BTreeSet<(&'static str, String)> {
    let rows = describe::<C>().rows.into_iter();
    rows.map(|row| (C::NAME, row.key.to_owned())).collect()
}

#[test]
fn every_row_of_every_chart_is_taken_by_a_story() {
    let mut taken = BTreeSet::new();
    for (_, story) in scenarios::ALL
        .iter()
        .chain(compacting::ALL)
        .chain(leaving::ALL)
        .chain(failing_over::ALL)
        .chain(structured::ALL)
        .chain(mcp::ALL)
        .chain(questions::ALL)
    {
        let mut world = World::new();
        story(&mut world);
        taken.extend(world.rows);
    }
    for world in spending::used_up_while_it_waited() {
        taken.extend(world.rows);
    }
    let mut rows = keys::<SessionChart>();
    rows.extend(keys::<TurnChart>());
    rows.extend(keys::<ToolCallChart>());
    rows.extend(keys::<McpServerChart>());
    let untaken: Vec<_> = rows.difference(&taken).collect();
    assert!(untaken.is_empty(), "no story takes {untaken:?}");
    let unknown: Vec<_> = taken.difference(&rows).collect();
    assert!(
        unknown.is_empty(),
        "facts name rows that no chart has: {unknown:?}"
    );
}
