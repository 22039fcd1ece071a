//! Changes: the operations of app-runtime, each the request for one.

use std::future::Future;
use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};
use glasswork_agent_core::question::Said;
use glasswork_app_runtime::attachments::{AttachError, Attachments};
use glasswork_app_runtime::runtime::{OperationError, Runtime};
use glasswork_app_runtime::sagas::ForkAt;
use glasswork_app_runtime::settings;
use glasswork_engine::{Accepted, DispatchId, Refusal, ScopeId};
use glasswork_session_state::queue::Lane;
use glasswork_session_state::rejection::Rejection;
use glasswork_session_state::{Glasswork, Reply};

use crate::asker::Asker;
use crate::dispatch::Dispatch;
use crate::error::{Answer, Code, fail};
use crate::id;
use crate::keys::Came;
use crate::refusal;
use crate::scalar::Long;

/// What can be changed: what every other client can ask for too, through the same gate, on the same record.
pub(crate) struct Mutation;

/// A change that happened.
#[derive(SimpleObject)]
pub(crate) struct Done {
    /// The session; of `fork` the new one.
    session: ID,
    /// The dispatch that did it; null where it took several. A query that follows sees what it did.
    dispatch: Option<Dispatch>,
    /// Whether it had happened already, by the idempotency key.
    repeated: bool,
    /// The turn that began; null where none did.
    turn: Option<ID>,
    /// Where the words wait: `steering` or `follow_up`; null where none wait.
    queued: Option<&'static str>,
    /// Words that came back to who said them: of a prompt that was taken back, or steering that was not taken in.
    returned: Vec<String>,
}

/// One operation that is asked for.
struct Act {
    asker: Asker,
    host: Arc<Attachments>,
    runtime: Arc<Runtime>,
    session: ScopeId,
}

impl Act {
    /// Who asks is looked at before what they name.
    fn on(context: &Context<'_>, session: &str) -> Answer<Self> {
        let asker = Asker::of(context)?.clone();
        let host = asker.host()?;
        let session = asker.look().find(session)?;
        Ok(Self {
            asker,
            runtime: Arc::clone(host.runtime()),
            host,
            session,
        })
    }

    /// The same for something that is named together with its session.
    fn on_named<T>(
        context: &Context<'_>,
        name: &str,
        parse: impl FnOnce(&crate::operation::Operation, &str) -> Answer<(ScopeId, T)>,
    ) -> Answer<(Self, T)> {
        let asker = Asker::of(context)?.clone();
        let host = asker.host()?;
        let (session, named) = parse(&asker.look(), name)?;
        let act = Self {
            asker,
            runtime: Arc::clone(host.runtime()),
            host,
            session,
        };
        Ok((act, named))
    }

    fn came(&self, came: Came, repeated: bool) -> Done {
        Done {
            session: ID(came.session.to_string()),
            dispatch: came.dispatch.map(|id| Dispatch::new(&self.asker.look(), id)),
            repeated,
            turn: None,
            queued: None,
            returned: Vec::new(),
        }
    }

    /// It may have to wait for turns to end, and so is none of those that are worked on.
    fn may_wait(&self) {
        self.asker.acting.iter().for_each(|acting| acting.waits());
    }

    /// What came of a dispatch. One whose key is on record has happened, and so this is no failure.
    fn answered<E: Into<AttachError>>(
        &self,
        answered: Result<Accepted<Glasswork>, E>,
    ) -> Answer<Option<Done>> {
        let came = |dispatch| Came {
            session: self.session,
            dispatch: Some(dispatch),
        };
        match answered.map_err(Into::into) {
            Ok(accepted) => {
                let done = self.came(came(accepted.id), false);
                Ok(Some(replied(done, self.session, accepted.reply)))
            }
            Err(AttachError::Operation(OperationError::Refused(Refusal::Rejected {
                rejection: Rejection::Repeated { first },
                ..
            }))) => Ok(Some(
                self.came(came(DispatchId::commit(self.session, first)), true),
            )),
            Err(error) => Err(refusal::of_client(&error)),
        }
    }

    /// Does what has no key on record, once for each key.
    async fn once<E: Into<AttachError>>(
        &self,
        key: Option<&str>,
        act: impl Future<Output = Result<Came, E>>,
    ) -> Answer<Option<Done>> {
        let Some(key) = key else {
            let came = act.await.map_err(|error| refusal::of_client(&error.into()))?;
            return Ok(Some(self.came(came, false)));
        };
        let slot = self.asker.graph.keys().slot(self.session, key)?;
        let mut known = slot.lock().await;
        if let Some(came) = *known {
            return Ok(Some(self.came(came, true)));
        }
        let came = act.await.map_err(|error| refusal::of_client(&error.into()))?;
        *known = Some(came);
        Ok(Some(self.came(came, false)))
    }

    /// The same for an operation that is one dispatch.
    async fn dispatched<E: Into<AttachError>>(
        &self,
        key: Option<&str>,
        act: impl Future<Output = Result<Accepted<Glasswork>, E>>,
    ) -> Answer<Option<Done>> {
        let mut reply = None;
        let done = self
            .once(key, async {
                let accepted = act.await?;
                let came = Came {
                    session: self.session,
                    dispatch: Some(accepted.id),
                };
                reply = Some(accepted.reply);
                Ok::<_, E>(came)
            })
            .await?;
        Ok(done.map(|done| match reply {
            Some(reply) => replied(done, self.session, reply),
            None => done,
        }))
    }

    /// The same for an operation of several.
    async fn several(
        &self,
        key: Option<&str>,
        act: impl Future<Output = Result<(), OperationError>>,
    ) -> Answer<Option<Done>> {
        let session = self.session;
        self.once(key, async move {
            act.await.map(|()| Came {
                session,
                dispatch: None,
            })
        })
        .await
    }
}

fn replied(mut done: Done, session: ScopeId, reply: Reply) -> Done {
    match reply {
        Reply::Done => {}
        Reply::Began(turn) => done.turn = Some(id::commit(session, turn.0)),
        Reply::Queued(lane) => {
            done.queued = Some(match lane {
                Lane::Steering => "steering",
                Lane::FollowUp => "follow_up",
            });
        }
        Reply::TakenBack { text } => done.returned = vec![text.to_string()],
        Reply::Stopping { returned } => done.returned = returned.iter().map(ToString::to_string).collect(),
    }
    done
}

/// What can be changed. Each takes an idempotency key: with the same one it happens once. A session that is not open
/// here is opened by it. What is refused is an error with a code, and on record like what is done.
#[Object]
impl Mutation {
    /// Opens a session as it was left, so that it can be subscribed to.
    async fn open(
        &self,
        context: &Context<'_>,
        session: String,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let act = Act::on(context, &session)?;
        let opened = async { act.runtime.mount(act.session).await.map(drop) };
        act.several(key.as_deref(), opened).await
    }

    /// Says something to the agent: begins a turn. Where as many turns of clients run as may, it waits in the same line
    /// (`host { turns }`), whether or not somebody waits for the answer, until it begins or the session is cancelled. A
    /// session that was closed is opened again by it.
    async fn prompt(
        &self,
        context: &Context<'_>,
        session: String,
        text: String,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let act = Act::on(context, &session)?;
        act.may_wait();
        act.answered(act.host.prompt(act.session, &text, key.as_deref()).await)
    }

    /// Says something to the running turn; it is taken in before the next step.
    async fn steer(
        &self,
        context: &Context<'_>,
        session: String,
        text: String,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let act = Act::on(context, &session)?;
        act.answered(act.runtime.steer(act.session, &text, key.as_deref()).await)
    }

    /// Says something for after the running turn; where none runs it begins one, as `prompt` does.
    async fn follow_up(
        &self,
        context: &Context<'_>,
        session: String,
        text: String,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let act = Act::on(context, &session)?;
        act.may_wait();
        let said = act.host.follow_up(act.session, &text, key.as_deref());
        act.answered(said.await)
    }

    /// Has the turn stop at the next safe point.
    async fn interrupt(
        &self,
        context: &Context<'_>,
        session: String,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let act = Act::on(context, &session)?;
        act.dispatched(key.as_deref(), act.runtime.interrupt(act.session))
            .await
    }

    /// Stops the turn at once, and takes back what waits for its turn in the session.
    async fn cancel(
        &self,
        context: &Context<'_>,
        session: String,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let act = Act::on(context, &session)?;
        act.dispatched(key.as_deref(), act.host.cancel(act.session)).await
    }

    /// Has the turn rest at the next safe point.
    async fn pause(
        &self,
        context: &Context<'_>,
        session: String,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let act = Act::on(context, &session)?;
        act.dispatched(key.as_deref(), act.runtime.pause(act.session))
            .await
    }

    /// Has a resting turn go on. It waits for a place, as `prompt` does.
    async fn resume(
        &self,
        context: &Context<'_>,
        session: String,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let act = Act::on(context, &session)?;
        act.may_wait();
        act.dispatched(key.as_deref(), act.host.resume(act.session)).await
    }

    /// Lets a tool call run.
    async fn approve(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "`session/412.1`")] call: ID,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let (act, call) = Act::on_named(context, &call, id::parse_call)?;
        act.dispatched(key.as_deref(), act.runtime.approve(act.session, call))
            .await
    }

    /// Answers what a tool call asks. Who does not want to, refuses it.
    async fn answer(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "`session/412.1`")] call: ID,
        #[graphql(desc = "Labels of what is offered.")] chosen: Option<Vec<String>>,
        #[graphql(desc = "Words instead of that, or beside it.")] words: Option<String>,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let (act, call) = Act::on_named(context, &call, id::parse_call)?;
        let said = Said::Chosen {
            labels: chosen.unwrap_or_default().into_iter().map(Into::into).collect(),
            words: words.map(Into::into),
        };
        act.dispatched(key.as_deref(), act.runtime.answer(act.session, call, said))
            .await
    }

    /// Does not let a tool call run.
    async fn refuse(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "`session/412.1`")] call: ID,
        #[graphql(desc = "What the model is told of why.")] reason: Option<String>,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let (act, call) = Act::on_named(context, &call, id::parse_call)?;
        let refused = act.runtime.refuse(act.session, call, reason.as_deref());
        act.dispatched(key.as_deref(), refused).await
    }

    /// Changes a setting of a session: the model, the mode, and whatever else `session { settings }` lists.
    async fn set(
        &self,
        context: &Context<'_>,
        session: String,
        #[graphql(desc = "Its name: `mode`.")] name: String,
        #[graphql(desc = "RON, or plain text: `accept-edits`, `50`, `None`.")] value: String,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let act = Act::on(context, &session)?;
        let setting = settings::of_session(&name, &value, "the change")
            .map_err(|error| fail(Code::Invalid, error.to_string()))?;
        act.dispatched(key.as_deref(), act.runtime.set(act.session, setting))
            .await
    }

    /// Gives a session a title.
    async fn rename(
        &self,
        context: &Context<'_>,
        session: String,
        title: String,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let act = Act::on(context, &session)?;
        act.dispatched(key.as_deref(), act.runtime.rename(act.session, &title))
            .await
    }

    /// Has a session stand before others in lists, or does so no more.
    async fn pin(
        &self,
        context: &Context<'_>,
        session: String,
        pinned: bool,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let act = Act::on(context, &session)?;
        act.dispatched(key.as_deref(), act.runtime.pin(act.session, pinned))
            .await
    }

    /// Gives an entry a label, or takes the one that it has away.
    async fn label(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "`session/412.0`")] entry: ID,
        #[graphql(desc = "The label; none takes it away.")] label: Option<String>,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let (act, entry) = Act::on_named(context, &entry, id::parse_entry)?;
        let labelled = act.runtime.label(act.session, entry, label.as_deref());
        act.dispatched(key.as_deref(), labelled).await
    }

    /// Pins an entry, so that a compaction carries it over; or does so no more.
    async fn pin_entry(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "`session/412.0`")] entry: ID,
        pinned: bool,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let (act, entry) = Act::on_named(context, &entry, id::parse_entry)?;
        act.dispatched(key.as_deref(), act.runtime.pin_entry(act.session, entry, pinned))
            .await
    }

    /// Has the conversation go on below another entry, or before all of them.
    async fn move_leaf(
        &self,
        context: &Context<'_>,
        session: String,
        #[graphql(desc = "`session/412.0`; none for before all entries.")] to: Option<ID>,
        #[graphql(
            default,
            desc = "Whether a summary of the branch that is left is made first. Then the leaf moves once that is there."
        )]
        summary: bool,
        #[graphql(desc = "What the summary shall not miss.")] focus: Option<String>,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let act = Act::on(context, &session)?;
        let to = match &to {
            None => None,
            Some(name) => match id::parse_entry(&act.asker.look(), name)? {
                (of, entry) if of == act.session => Some(entry),
                _ => return Err(fail(Code::BadId, format!("`{}` is of another session", name.0))),
            },
        };
        let (runtime, key) = (&act.runtime, key.as_deref());
        act.answered(match summary {
            true => {
                runtime
                    .move_leaf_with_summary(act.session, to, focus.as_deref(), key)
                    .await
            }
            false => runtime.move_leaf(act.session, to, key).await,
        })
    }

    /// Takes a prompt back, so that it can be said in other words: the conversation goes on before it.
    async fn take_back(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "`session/412.0`")] entry: ID,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let (act, entry) = Act::on_named(context, &entry, id::parse_entry)?;
        act.answered(act.runtime.take_back(act.session, entry, key.as_deref()).await)
    }

    /// Compacts the conversation of a session in which no turn is open. It is under way when this returns.
    async fn compact(
        &self,
        context: &Context<'_>,
        session: String,
        #[graphql(desc = "What the summary shall not miss.")] focus: Option<String>,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let act = Act::on(context, &session)?;
        let compacted = act.runtime.compact(act.session, focus.as_deref(), key.as_deref());
        act.answered(compacted.await)
    }

    /// Undoes the compaction at which a conversation stands.
    async fn undo_compaction(
        &self,
        context: &Context<'_>,
        session: String,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let act = Act::on(context, &session)?;
        act.answered(act.runtime.undo_compaction(act.session, key.as_deref()).await)
    }

    /// Forks a session: a new one that goes on from a commit.
    async fn fork(
        &self,
        context: &Context<'_>,
        session: String,
        #[graphql(desc = "The commit; the last one if it is not said.")] at: Option<Long>,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let act = Act::on(context, &session)?;
        let at = at.map_or(ForkAt::Head, |at| ForkAt::Commit(at.0));
        let forked = async {
            let session = act.runtime.fork(act.session, at).await?;
            Ok::<_, OperationError>(Came {
                session,
                dispatch: None,
            })
        };
        act.once(key.as_deref(), forked).await
    }

    /// Closes a session; an open turn is cancelled.
    async fn close(
        &self,
        context: &Context<'_>,
        session: String,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let act = Act::on(context, &session)?;
        act.several(key.as_deref(), act.runtime.close(act.session)).await
    }

    /// Puts a session into the trash. One that is open here is closed first; one that is open elsewhere stays.
    async fn trash(
        &self,
        context: &Context<'_>,
        session: String,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let act = Act::on(context, &session)?;
        act.several(key.as_deref(), act.runtime.put_in_trash(act.session))
            .await
    }

    /// Takes a session out of the trash.
    async fn restore(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Its whole id.")] session: String,
        key: Option<String>,
    ) -> Answer<Option<Done>> {
        let act = Act::on(context, &session)?;
        act.several(key.as_deref(), act.runtime.take_from_trash(act.session))
            .await
    }
}
