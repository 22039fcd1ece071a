//! Whether somebody can be asked in a session in which nobody could be: as long as a controller is attached to it.
//!
//! A turn that was begun without a terminal has its calls denied about which a person would have to be asked. Who attaches
//! as a controller is such a person; when the last one leaves, nobody is waited for who may never come back.

use std::collections::BTreeMap;

use glasswork_engine::{Handle, ScopeId};
use glasswork_session_state::clients::Role;
use glasswork_session_state::settings::{Layer, Setting, Sourced};
use glasswork_session_state::state::Scope;
use glasswork_session_state::{Event, Glasswork, session};

use super::Attachments;

/// What was set where nobody could be asked before a controller came, by session.
pub(super) type Attendance = tokio::sync::Mutex<BTreeMap<ScopeId, Sourced<bool>>>;

impl Attachments {
    /// Sets whether somebody can be asked, by who is attached. What is asked already is judged again with that.
    pub(super) async fn settle_attendance(&self, of: ScopeId, handle: &Handle<Glasswork>) {
        // One at a time: who comes and who leaves must not pass each other.
        let mut before = self.attendance.lock().await;
        let comes = self
            .clients()
            .iter()
            .any(|(_, client)| client.session == of && client.role == Role::Controller);
        let scope = self.runtime.live().scope(of);
        let Some(Scope::Session(now)) = scope.as_deref().map(|scope| &scope.state) else {
            // Whoever opens it next says anew whether somebody is there.
            before.remove(&of);
            return;
        };
        let now = &now.settings.attended;
        let set = match comes {
            true if !now.value => {
                before.insert(of, now.clone());
                Sourced::from_layer(true, Layer::Session)
            }
            true => return,
            false => match before.remove(&of) {
                Some(was) => was,
                None => return,
            },
        };
        let event = session::Event::SettingChanged(Setting::Attended(set));
        // Refused where the session is closed, and nothing is asked there any more.
        let _ = self.runtime.ask_as(handle, of, Event::Session(event)).await;
    }
}
