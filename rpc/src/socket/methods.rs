//! The table of what can be asked and of what is told. Requests are dispatched by it, and the pages of the documentation
//! are made of it.

use std::pin::Pin;
use std::sync::Arc;

use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use super::fault::{Fault, INTERNAL, METHOD, PARAMS};
use super::talk::Talk;
use super::{calls, wire};

type Doing = Pin<Box<dyn Future<Output = Result<Value, Fault>> + Send>>;

/// Something that can be asked.
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// With what it is asked.
    pub params: fn(&mut SchemaGenerator) -> Schema,
    /// What it answers.
    pub result: fn(&mut SchemaGenerator) -> Schema,
    pub(super) call: fn(Arc<Talk>, Value) -> Doing,
}

/// Something that is told.
pub struct Notification {
    /// Its name.
    pub name: &'static str,
    /// When it is told.
    pub about: &'static str,
    /// What is told.
    pub params: fn(&mut SchemaGenerator) -> Schema,
}

/// What is told under a name.
pub(super) trait Told: serde::Serialize {
    /// The name.
    const NAME: &'static str;
}

macro_rules! methods {
    ($($name:literal, $about:literal, $params:ident => $result:ident, $call:ident;)*) => {
        /// What can be asked.
        pub const METHODS: &[Method] = &[$(Method {
            name: $name,
            about: $about,
            params: |schemas| schemas.subschema_for::<wire::$params>(),
            result: |schemas| schemas.subschema_for::<wire::$result>(),
            call: |talk, params| Box::pin(async move {
                let params: wire::$params = serde_json::from_value(params)
                    .map_err(|error| Fault::new(PARAMS, format!("the parameters of `{}`: {error}", $name)))?;
                let result: wire::$result = calls::$call(&talk, params).await?;
                serde_json::to_value(result).map_err(|error| Fault::new(INTERNAL, error.to_string()))
            }),
        }),*];
    };
}

macro_rules! notifications {
    ($($name:literal, $about:literal, $params:ident;)*) => {
        /// What is told.
        pub const NOTIFICATIONS: &[Notification] = &[$(Notification {
            name: $name,
            about: $about,
            params: |schemas| schemas.subschema_for::<wire::$params>(),
        }),*];
        $(impl Told for wire::$params {
            const NAME: &'static str = $name;
        })*
    };
}

methods! {
    "_glasswork/host", "What the host is, which sessions are open in it, and who is attached.",
        Nothing => HostInfo, host;
    "_glasswork/new", "Begins a session in a directory, with what is set there. Hosts of `glasswork serve` alone do that.",
        New => Session, new;
    "_glasswork/attach",
        "Attaches to a session, which is mounted where it was not, as it was left. Who wants to hear what happens subscribes next; nothing \
         between the two is lost.",
        Attach => Attached, attach;
    "_glasswork/subscribe", "Has what happens in the session told, from the commit on that `attach` named.",
        Attachment => Nothing, subscribe;
    "_glasswork/role", "Lets this client do more, or less.",
        ChangeRole => Nothing, role;
    "_glasswork/detach", "Ends an attachment.",
        Attachment => Nothing, detach;
    "_glasswork/prompt",
        "Says something to the agent: begins a turn, and opens the session again where it was closed. Answered when the turn \
         has begun; where too many run, the place in the line is told meanwhile. Whoever detaches while it waits takes it \
         back.",
        Words => Dispatched, prompt;
    "_glasswork/resume", "Has a turn go on that rests. It takes a place, as a prompt does.",
        Attachment => Dispatched, resume;
    "_glasswork/steer", "Says something to the turn that runs; it is taken in before the next step.",
        Words => Dispatched, steer;
    "_glasswork/approve",
        "Lets a call run about which people are asked. The first answer counts; whoever comes later is refused, with \
         `data.kind` `answered_already` and who it was.",
        Approve => Dispatched, approve;
    "_glasswork/answer",
        "Answers what a call asks. The first answer counts, as with `approve`; who does not want to answer refuses the call.",
        Reply => Dispatched, answer;
    "_glasswork/refuse", "Does not let such a call run.",
        Refuse => Dispatched, refuse;
    "_glasswork/interrupt",
        "Stops the turn; `at_once` takes back what waits for its turn in the session, too, whoever said it: that is refused \
         with `data.kind` `taken_back`.",
        Interrupt => Dispatched, interrupt;
    "_glasswork/command", "Does what a slash command says.",
        Command => Performed, command;
    "_glasswork/query", "Asks the graph (GraphQL).",
        Query => Answer, query;
    "_glasswork/replay",
        "Decides every event of a session again, and compares. Nothing is run, and nothing is changed.",
        Replay => Replayed, replay;
}

notifications! {
    "_glasswork/update", "A commit of the session.", Update;
    "_glasswork/gap", "Commits that do not come, with a base to go on from.", Gap;
    "_glasswork/resync", "What was seen is of another opening of the session; this is where it stands.", Resync;
    "_glasswork/ended", "Nothing more comes of the session.", Ended;
    "_glasswork/waiting", "A prompt of this client waits for a turn to end.", Waiting;
    "_glasswork/stopping", "The host stops.", Stopping;
}

/// The method of this name.
pub(super) fn method(name: &str) -> Result<&'static Method, Fault> {
    let known = METHODS.iter().find(|method| method.name == name);
    known.ok_or_else(|| {
        let names: Vec<_> = METHODS.iter().map(|method| method.name).collect();
        Fault::new(
            METHOD,
            format!("there is no such method; there are {}", names.join(", ")),
        )
    })
}
