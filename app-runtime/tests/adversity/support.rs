//! What these tests share.

use std::sync::Arc;
use std::time::Duration;

use glasswork_agent_core::turn::State;
use glasswork_ai::conversation::Message;
use glasswork_app_runtime::watching::{Update, Watch};
use glasswork_session_state::call::Call;
use glasswork_session_state::settings::{Layer, Mode, Settings, Sourced};
use glasswork_session_state::state::Session;
use glasswork_testkit::house::House;
use tokio::time::timeout;

/// A value that a flag set.
pub(crate) fn flag<T>(value: T) -> Sourced<T> {
    Sourced::from_layer(value, Layer::Flag)
}

/// Settings in which everything that waits for a model gives up soon.
pub(crate) fn hasty(mode: Mode) -> Settings {
    Settings {
        connect_timeout_ms: flag(150),
        first_token_timeout_ms: flag(150),
        idle_timeout_ms: flag(150),
        retry_attempts: flag(2),
        retry_base_ms: flag(1),
        ..House::settings(mode)
    }
}

/// What never comes fails the test instead of holding it up.
async fn next(watch: &mut Watch) -> Vec<Update> {
    let watched = timeout(Duration::from_secs(60), watch.next()).await;
    let updates = watched.expect("something happens within a minute").updates;
    assert!(!updates.contains(&Update::Ended), "the session was unmounted");
    updates
}

/// Waits for an update.
pub(crate) async fn until(watch: &mut Watch, what: impl Fn(&Update) -> bool) -> Update {
    loop {
        if let Some(update) = next(watch).await.into_iter().find(&what) {
            return update;
        }
    }
}

/// Waits until the turn stands there, after a commit.
pub(crate) async fn until_turn(watch: &mut Watch, state: State) {
    while watch.session().turn.as_ref().map(|turn| turn.state) != Some(state) {
        next(watch).await;
    }
}

/// The calls of a session, in order.
pub(crate) fn calls(session: &Session) -> Vec<Arc<Call>> {
    session.calls.values().cloned().collect()
}

/// What a call came to, as the model was told it in the last request.
pub(crate) fn told(session: &Session, call: &Call) -> String {
    let (last, _) = session.requests.get_max().unwrap();
    let request = session.render(*last).unwrap();
    let mut results = request.messages.iter().filter_map(|message| match message {
        Message::ToolResult(result) if result.call == call.call.id => Some(result),
        _ => None,
    });
    let result = results
        .next_back()
        .unwrap_or_else(|| panic!("the model was not told of {:?}", call.call));
    let outcome = call.outcome.as_ref().unwrap();
    assert_eq!((&result.text, result.is_error), (&outcome.text, outcome.is_error));
    result.text.to_string()
}
