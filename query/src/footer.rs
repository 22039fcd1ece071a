//! The footer of a session, and what the sessions of the host do: what every client shows, as data.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object, SimpleObject};
use glasswork_app_runtime::projection::{activity, footer};

use crate::controls::{Effort, Speed};
use crate::id;
use crate::request::Thinking;
use crate::scalar::{Long, Time};
use crate::session::View;
use crate::setting::Mode;
use crate::tokens::Tokens;

/// The footer of a session: where it works, what it has used, how full its window is, what it asks, what counts down.
pub(crate) struct Footer {
    view: Arc<View>,
    footer: footer::Footer,
}

impl Footer {
    pub(crate) fn of(view: &Arc<View>) -> Self {
        Self {
            view: Arc::clone(view),
            footer: footer::of(&view.session),
        }
    }
}

/// Kinds of countdowns: what happens by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "footer::CountdownKind")]
pub(crate) enum CountdownKind {
    /// The next attempt to get an answer begins.
    Retry,
    /// The attempt to get an answer is given up, because nothing comes.
    AttemptGivenUp,
    /// A question about a call is taken for a no.
    QuestionClosed,
    /// A call is stopped, or what it would touch is not looked for any longer.
    CallStopped,
}

/// Something that happens by itself when its time has come.
#[derive(Debug, SimpleObject)]
pub(crate) struct Countdown {
    /// What happens.
    of: CountdownKind,
    /// The call that it is of; null where it is of none.
    call: Option<ID>,
    /// Since when it counts.
    since: Time,
    /// When it happens, if the machine does not sleep.
    due: Time,
}

/// The footer of a session: where it works, what it has used, how full its window is, what it asks, what counts down.
#[Object]
impl Footer {
    /// The directory in which it works.
    async fn workspace(&self) -> &str {
        &self.footer.workspace
    }

    /// The branch that was checked out there when it was last opened or prompted; null where none was.
    async fn branch(&self) -> Option<&str> {
        self.footer.branch.as_deref()
    }

    /// Its title; null until someone gives one.
    async fn title(&self) -> Option<&str> {
        self.footer.title.as_deref()
    }

    /// Where it works, on one line: path, branch and title.
    async fn path_line(
        &self,
        #[graphql(desc = "A directory that is written as a tilde.")] home: Option<String>,
    ) -> String {
        self.footer.path_line(home.as_deref())
    }

    /// What it has used and what it asks, on one line.
    async fn stats_line(&self) -> String {
        self.footer.stats_line()
    }

    /// Tokens of the whole session.
    async fn tokens(&self) -> Tokens {
        Tokens::from(&self.footer.usage)
    }

    /// What they cost, in billionths of a US dollar; null where that is not known of every request.
    async fn cost(&self) -> Option<Long> {
        self.footer.cost.map(Long)
    }

    /// Of that, what is known, in billionths of a US dollar.
    async fn spent(&self) -> Long {
        Long(self.footer.spent)
    }

    /// Tokens that the next request would have, estimated.
    async fn context_tokens(&self) -> Long {
        Long(self.footer.context.tokens)
    }

    /// Tokens that a request and its answer may have together; null where nobody knows.
    async fn context_window(&self) -> Option<Long> {
        self.footer.context.window.map(Long)
    }

    /// How much of the window those tokens are, in thousandths; null where nobody knows the window.
    async fn context_per_mille(&self) -> Option<Long> {
        self.footer.context.per_mille.map(Long)
    }

    /// Whether the conversation is compacted by itself when it comes near the end of the window.
    async fn compacts_by_itself(&self) -> bool {
        self.footer.context.threshold.is_some()
    }

    /// The model that is asked, as `provider/id`: of a turn that has fallen back, the other one. Null where none is chosen.
    async fn model(&self) -> Option<String> {
        self.footer.model.as_ref().map(ToString::to_string)
    }

    /// How much it shall think.
    async fn thinking(&self) -> Thinking {
        self.footer.thinking.into()
    }

    /// How much work an answer is worth; null for the provider's default.
    async fn effort(&self) -> Option<Effort> {
        self.footer.effort.map(Effort::from)
    }

    /// How fast an answer shall come; null for the provider's default.
    async fn speed(&self) -> Option<Speed> {
        self.footer.speed.map(Speed::from)
    }

    /// How much may be done without asking.
    async fn mode(&self) -> Mode {
        self.footer.mode.into()
    }

    /// What counts down, the nearest first.
    #[graphql(complexity = "8 * child_complexity")]
    async fn countdowns(&self) -> Vec<Countdown> {
        let countdown = |countdown: &footer::Countdown| Countdown {
            of: countdown.of.into(),
            call: countdown.call.map(|call| id::global(self.view.id, call)),
            since: Time(countdown.since),
            due: Time(countdown.due),
        };
        self.footer.countdowns.iter().map(countdown).collect()
    }

    /// What other sessions of this host do at this moment, also where the session itself is seen as of a past commit:
    /// those that want a person first. Those that rest are left out.
    #[graphql(complexity = "16 * child_complexity")]
    async fn others(&self) -> Vec<ActiveSession> {
        ActiveSession::all(&self.view.op, Some(self.view.id))
    }
}

/// What a session does that does not rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "activity::Doing")]
pub(crate) enum Doing {
    /// It asks a person about a call.
    Asking,
    /// Its turn rests until somebody resumes it.
    Paused,
    /// It waits to try again.
    Retrying,
    /// A summary is being made.
    Compacting,
    /// It works.
    Running,
}

/// A session that does not rest.
#[derive(Debug, SimpleObject)]
pub(crate) struct ActiveSession {
    /// The session.
    session: ID,
    /// Its title; null until someone gives one.
    title: Option<String>,
    /// What it does.
    doing: Doing,
    /// Since when its turn stands there.
    since: Time,
}

impl ActiveSession {
    pub(crate) fn all(
        op: &crate::operation::Operation,
        without: Option<glasswork_engine::ScopeId>,
    ) -> Vec<Self> {
        let active = op.activity(without).into_iter();
        active
            .map(|active| Self {
                session: ID(active.session.to_string()),
                title: active.title.as_deref().map(str::to_owned),
                doing: active.doing.into(),
                since: Time(active.since),
            })
            .collect()
    }
}
