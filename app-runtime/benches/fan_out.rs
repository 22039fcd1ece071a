//! What it costs to tell many clients of one session what happens there: the time until the last of them has it, against
//! one client.
//!
//! `cargo bench -p glasswork-app-runtime --bench fan_out [-- COMMITS]`: how many, 20,000 unless it is said.

// A bench ends by panicking where its ground gives way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::sync::Arc;
use std::time::Instant;

use glasswork_app_runtime::attachments::{Asked, Attachments, Delivery, Limits};
use glasswork_app_runtime::runtime::Runtime;
use glasswork_engine::ScopeId;
use glasswork_session_state::clients::{History, Role};
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::House;

const SCRIPT: &str = r#"(turns: [(say: [text("done")])])"#;
/// Commits that are asked for at a time: with one, each would wait for a sync of its own.
const AT_ONCE: u64 = 250;

#[tokio::main]
async fn main() {
    let commits: u64 = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(20_000);
    let house = House::of_script(SCRIPT).await;
    let mut alone = None;
    for clients in [0, 1, 10, 100] {
        let session = house.session(House::settings(Mode::Ask)).await;
        let (each, gaps) = told(&house, session, clients, commits).await;
        let alone = *alone.get_or_insert(each);
        println!(
            "{clients} clients: {each:.1} µs per commit until the last has it, {:.2} × nobody's, {gaps} commits in gaps",
            each / alone
        );
    }
    house.close().await;
}

/// How long a commit takes until every client has it, in microseconds, and how many commits lay in gaps.
async fn told(house: &House, session: ScopeId, clients: u64, commits: u64) -> (f64, u64) {
    let hub = Attachments::new(house.shared(), Limits::default());
    let begun = house.snapshot().session(session, None).unwrap().scope.seq;
    let last = begun + commits / AT_ONCE * AT_ONCE;
    let mut readers = tokio::task::JoinSet::new();
    for number in 0..clients {
        let connection = hub.connect().unwrap();
        let asked = Asked {
            session,
            name: format!("client {number}").into(),
            role: Role::Observer,
            history: History::Full,
            seen: None,
        };
        let (_, mut updates) = connection.attach(asked).await.unwrap();
        readers.spawn(async move {
            let mut gaps = 0;
            while updates.cursor().seq < last {
                if let Delivery::Gap { from, to, .. } = updates.next().await {
                    gaps += to - from + 1;
                }
            }
            connection.leave().await;
            gaps
        });
    }
    let time = Instant::now();
    for _ in 0..commits / AT_ONCE {
        rename(&house.shared(), session).await;
    }
    let mut gaps = 0;
    while let Some(missed) = readers.join_next().await {
        gaps += missed.unwrap();
    }
    let each = time.elapsed().as_secs_f64() * 1e6 / (last - begun) as f64;
    (each, gaps)
}

async fn rename(runtime: &Arc<Runtime>, session: ScopeId) {
    let mut doing = tokio::task::JoinSet::new();
    for number in 0..AT_ONCE {
        let runtime = Arc::clone(runtime);
        doing.spawn(async move {
            let title = format!("A title of some length, number {number}");
            runtime.rename(session, &title).await.unwrap();
        });
    }
    while let Some(done) = doing.join_next().await {
        done.unwrap();
    }
}
