//! One line about an event, for people.

use glasswork_session_state::trash::{Way, Why};
use glasswork_session_state::{
    DeadlineKey, Event, checkout, clients, closing, compaction, failover, fork, host, import, mcp, model,
    plan, prompt, question, recovery, session, sign_in, tools, trash, tree,
};

use crate::text::{first_words, variant_name};

const WORDS: usize = 60;

/// What an event says, in a line. Names of settings and tools are as they are; words of people are cut.
pub(crate) fn of(event: &Event) -> String {
    match event {
        Event::Session(event) => of_session(event),
        Event::Prompt(event) => of_prompt(event),
        Event::Model(event) => of_model(event),
        Event::Tools(event) => of_tools(event),
        Event::Tree(event) => of_tree(event),
        Event::Import(event) => of_import(event),
        Event::Checkout(checkout::Event::HeadSeen(head)) => match (&head.branch, &head.commit) {
            (Some(branch), _) => format!("{branch} is checked out"),
            (None, Some(commit)) => format!("{commit} is checked out"),
            (None, None) => "nothing is checked out".to_owned(),
        },
        Event::Compaction(compaction::Event::Requested {
            focus: Some(focus), ..
        }) => {
            format!(
                "asked to be compacted, with “{}” in mind",
                first_words(focus, WORDS)
            )
        }
        Event::Compaction(compaction::Event::Requested { focus: None, .. }) => {
            "asked to be compacted".to_owned()
        }
        Event::Compaction(compaction::Event::Undone { .. }) => "undid the compaction".to_owned(),
        Event::Fork(event) => of_fork(event),
        Event::Trash(event) => of_trash(event),
        Event::Closing(event) => of_closing(event),
        Event::Failover(failover::Event::Told { candidates }) => {
            format!("told of {} models that may be asked instead", candidates.len())
        }
        Event::Mcp(event) => of_server(event),
        Event::Question(question::Event::Answered { call, .. }) => {
            format!("what call {call} asks was answered")
        }
        Event::Plan(plan::Event::Written { call, plan }) => {
            format!("call {call} writes a plan of {} steps", plan.plan.len())
        }
        Event::DeadlineReached {
            key: DeadlineKey::Attempt | DeadlineKey::Answer,
            deadline,
        } => {
            format!(
                "the attempt's deadline of {} ms, set by {}, was reached",
                deadline.after_ms, deadline.set_by
            )
        }
        Event::DeadlineReached {
            key: DeadlineKey::Call(call),
            deadline,
        } => {
            format!(
                "the deadline of call {call} of {} ms, set by {}, was reached",
                deadline.after_ms, deadline.set_by
            )
        }
        Event::DeadlineReached {
            key: DeadlineKey::Server(launch),
            deadline,
        } => {
            format!(
                "the deadline of {} ms of the server that {launch} starts, set by {}, was reached",
                deadline.after_ms, deadline.set_by
            )
        }
        Event::Recovery(recovery::Event::Abandoned { open }) => {
            format!("the process had ended with {} effects open", open.len())
        }
        Event::Host(host::Event::Started { version, .. }) => format!("version {version} started"),
        Event::Host(host::Event::ServerAsked {
            provider,
            kind,
            base_url,
            models,
        }) => format!(
            "{kind} at {base_url}, which is asked as `{provider}`, has said what it has of {} models",
            models.len()
        ),
        Event::Host(host::Event::Mounted(session)) => format!("session {session} was mounted"),
        Event::Host(host::Event::BreakersSeen(breakers)) => {
            format!("{} breakers of providers are not as new", breakers.len())
        }
        Event::SignIn(sign_in::Event::Known { sign_ins }) => {
            let names: Vec<&str> = sign_ins.keys().map(|name| &**name).collect();
            format!("somebody is signed in at {}", names.join(", "))
        }
        Event::SignIn(sign_in::Event::SignedIn { provider, .. }) => {
            format!("somebody signed in at {provider}")
        }
        Event::SignIn(sign_in::Event::Refreshed { provider, .. }) => {
            format!("the token of {provider} was renewed")
        }
        Event::SignIn(sign_in::Event::Refused { provider, reason }) => {
            format!("{provider} ended the sign-in: {reason}")
        }
        Event::SignIn(sign_in::Event::SignedOut { provider }) => {
            format!("somebody signed out of {provider}")
        }
        Event::Client(clients::Event::Attached { name, session, .. }) => {
            format!("`{name}` attached to session {session}")
        }
        Event::Client(clients::Event::Detached { attachment, .. }) => {
            format!("attachment {attachment} ended")
        }
        Event::Client(clients::Event::RoleChanged { attachment, role }) => match role {
            clients::Role::Controller => format!("attachment {attachment} may act now"),
            clients::Role::Observer => format!("attachment {attachment} looks on now"),
        },
        Event::Client(clients::Event::ConnectionEnded { connection }) => {
            format!("connection {connection} ended")
        }
        Event::Client(clients::Event::TurnAsked {
            connection, session, ..
        }) => match connection {
            Some(connection) => format!("connection {connection} asks for a turn in session {session}"),
            None => format!("the user of the host asks for a turn in session {session}"),
        },
        Event::Client(clients::Event::TurnsOver { places }) => {
            let places: Vec<_> = places.iter().map(|place| format!("at {place}")).collect();
            format!("the turns asked for {} are over", places.join(", "))
        }
        Event::Host(host::Event::Unmounted(session)) => format!("session {session} was unmounted"),
    }
}

fn of_server(event: &mcp::Event) -> String {
    use mcp::Event as M;
    match event {
        M::Given { servers } => {
            let names: Vec<&str> = servers.iter().map(|server| &*server.name).collect();
            format!("given the MCP servers {}", names.join(", "))
        }
        M::Needed => "a turn needs the MCP servers".to_owned(),
        M::StartRequested { server } => format!("asked to start the MCP server {server}"),
        M::Introduced {
            server,
            introduction,
            tools,
        } => format!(
            "the MCP server {server} speaks {} and has {} tools",
            introduction.protocol,
            tools.len()
        ),
        M::Failed { server, problem } => format!("the MCP server {server} did not start: {problem}"),
        M::Listed { server, tools, .. } => format!("the MCP server {server} has {} tools now", tools.len()),
        M::Ended { server, problem, .. } => format!("the MCP server {server} is gone: {problem}"),
    }
}

fn of_session(event: &session::Event) -> String {
    match event {
        session::Event::Opened { workspace, .. } => format!("opened in {workspace}"),
        session::Event::Retitled { title } => format!("titled “{}”", first_words(title, WORDS)),
        session::Event::Pinned { pinned: true } => "pinned".to_owned(),
        session::Event::Pinned { pinned: false } => "not pinned any more".to_owned(),
        session::Event::SpendingTold(elsewhere) => {
            format!("other sessions have spent ${} today", elsewhere.spent)
        }
        session::Event::SettingChanged(setting) => {
            let setting = crate::setting::Setting::from(setting);
            format!(
                "{} set to {}",
                setting.name,
                setting.value.as_deref().unwrap_or("nothing")
            )
        }
        session::Event::Closed => "closed".to_owned(),
        session::Event::ClosedAtRest => "closed, as nothing worked in it".to_owned(),
    }
}

fn of_prompt(event: &prompt::Event) -> String {
    match event {
        prompt::Event::Prompted { text, images, .. } if images.is_empty() => {
            format!("“{}”", first_words(text, WORDS))
        }
        prompt::Event::Prompted { text, images, .. } => {
            format!("“{}”, with {} images", first_words(text, WORDS), images.len())
        }
        prompt::Event::Steered { text, .. } => format!("steered: “{}”", first_words(text, WORDS)),
        prompt::Event::FollowedUp { text, .. } => format!("follow-up: “{}”", first_words(text, WORDS)),
        prompt::Event::Interrupted => "asked to stop at the next safe point".to_owned(),
        prompt::Event::Paused => "asked to rest at the next safe point".to_owned(),
        prompt::Event::Resumed => "asked to go on".to_owned(),
        prompt::Event::Cancelled => "stopped at once".to_owned(),
    }
}

fn of_model(event: &model::Event) -> String {
    match event {
        model::Event::Connected { .. } => "the server began to answer".to_owned(),
        model::Event::Streamed { steps, .. } => format!("{} pieces of the answer arrived", steps.len()),
        model::Event::Answered {
            outcome: model::Outcome::Finished(stop),
            ..
        } => {
            format!("the model finished: {}", crate::entry::stop(stop))
        }
        model::Event::Answered {
            outcome: model::Outcome::Failed(failure),
            ..
        } => {
            format!("the request failed: {}", first_words(&failure.message, WORDS))
        }
    }
}

fn of_tools(event: &tools::Event) -> String {
    match event {
        tools::Event::EvidenceGathered { call, .. } => {
            format!("it was found out what call {call} would touch")
        }
        tools::Event::Approved { call, .. } => format!("call {call} was approved"),
        tools::Event::Refused { call, .. } => format!("call {call} was refused"),
        tools::Event::ToolProgressed { call, .. } => format!("call {call} goes on"),
        tools::Event::ToolPlaced { call, editor } => match editor {
            Some(editor) => format!("call {call} works in the editor `{}`", editor.name),
            None => format!("call {call} works on this machine"),
        },
        tools::Event::ToolSettled { call, word, .. } => format!("call {call} ended: {}", variant_name(word)),
        tools::Event::ToolLost { call, .. } => format!("the runner of call {call} is gone"),
    }
}

fn of_import(event: &import::Event) -> String {
    match event {
        import::Event::Begun(begun) => {
            let (file, format) = (&begun.origin.file, &begun.origin.format);
            format!("the import of {file} ({format}) began")
        }
        import::Event::Taken { entries, .. } => match (entries.first(), entries.last()) {
            (Some(first), Some(last)) => {
                format!(
                    "{} entries of lines {} to {}",
                    entries.len(),
                    first.line,
                    last.line
                )
            }
            _ => "no entries".to_owned(),
        },
        import::Event::Finished { .. } => "the import was finished".to_owned(),
    }
}

fn of_tree(event: &tree::Event) -> String {
    match event {
        tree::Event::LeafMoved { to: Some(entry), .. } => format!("moved to entry {entry}"),
        tree::Event::BranchLeft { to: Some(entry), .. } => {
            format!("asked to move to entry {entry}, with a summary of what is left")
        }
        tree::Event::BranchLeft { to: None, .. } => {
            "asked to move before the first entry, with a summary of what is left".to_owned()
        }
        tree::Event::LeafMoved { to: None, .. } => "moved before the first entry".to_owned(),
        tree::Event::TakenBack { entry, .. } => format!("prompt {entry} was taken back"),
        tree::Event::Labelled {
            entry,
            label: Some(label),
        } => format!("entry {entry} labelled “{}”", first_words(label, WORDS)),
        tree::Event::Labelled { entry, label: None } => format!("entry {entry} lost its label"),
        tree::Event::Pinned { entry, pinned: true } => format!("entry {entry} pinned"),
        tree::Event::Pinned { entry, pinned: false } => format!("entry {entry} not pinned any more"),
    }
}

fn of_fork(event: &fork::Event) -> String {
    match event {
        fork::Event::Requested { child, of, at } => format!("{child} shall be a fork of {of} at {at}"),
        fork::Event::Made { child } => format!("the fork {child} was made"),
        fork::Event::Failed { child, message } => {
            format!("the fork {child} failed: {}", first_words(message, WORDS))
        }
        fork::Event::Entered { parent, at } => format!("a fork of {parent} at {at}"),
    }
}

fn of_trash(event: &trash::Event) -> String {
    match event {
        trash::Event::Requested { session, way, why } => {
            let way = match way {
                Way::In => "go into the trash",
                Way::Out => "come out of the trash",
                Way::Gone => "be removed from the trash",
            };
            let why = match why {
                Why::Asked => "",
                Why::Kept => ", by the settings that say what is kept",
                Why::TrashDays => ", by the setting `trash_days`",
            };
            format!("{session} shall {way}{why}")
        }
        trash::Event::Moved { session } => format!("{session} was moved"),
        trash::Event::Failed { session, message } => {
            format!("{session} was not moved: {}", first_words(message, WORDS))
        }
    }
}

fn of_closing(event: &closing::Event) -> String {
    match event {
        closing::Event::Requested { root, sessions } => {
            format!(
                "{} sessions shall be closed, {root} as the last one",
                sessions.len()
            )
        }
        closing::Event::Closed { session } => format!("{session} was closed"),
        closing::Event::Stayed { session, message } => {
            format!("{session} stays open: {}", first_words(message, WORDS))
        }
    }
}
