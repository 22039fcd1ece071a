//! What people say to the agent: prompts, steering, follow-ups, stopping and going on.

use std::sync::Arc;

use glasswork_agent_core::id::EntryId;
use glasswork_agent_core::json_schema::Schema;
use glasswork_agent_core::session::{State as SessionState, Trigger as SessionTrigger};
use glasswork_agent_core::tree::{Body, Via};
use glasswork_agent_core::turn::Trigger;
use glasswork_ai::image::{Image, NAME_BYTES};
use glasswork_engine::{Moment, Origin};
use serde::{Deserialize, Serialize};

use crate::domain::Reply;
use crate::draft::Draft;
use crate::queue::{Lane, Waiting};
use crate::rejection::Rejection;
use crate::state::Session;
use crate::structured::Wanted;
use crate::{session, turn};

/// Most images that come with a prompt.
pub const IMAGES_CAP: usize = 20;

/// What people say to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A prompt: begins a turn.
    Prompted {
        /// The words.
        text: Arc<str>,
        /// Most requests of this turn, instead of what is set.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_steps: Option<u32>,
        /// The result that the turn is asked for: what the last answer has to be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<Arc<Wanted>>,
        /// Images that come with them; their bytes are blobs of the session.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        images: Vec<Image>,
        /// Idempotency key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Arc<str>>,
    },
    /// Words for the running turn, taken in before its next step.
    Steered {
        /// The words.
        text: Arc<str>,
        /// Idempotency key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Arc<str>>,
    },
    /// Words for after the running turn. Where none runs, they begin one.
    FollowedUp {
        /// The words.
        text: Arc<str>,
        /// Idempotency key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Arc<str>>,
    },
    /// The turn shall stop at the next safe point.
    Interrupted,
    /// The turn shall rest at the next safe point.
    Paused,
    /// The turn shall go on.
    Resumed,
    /// The turn shall stop at once.
    Cancelled,
}

/// What was decided of what people said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// Words stand in the conversation.
    Said {
        /// Number of the entry among those of this commit.
        #[serde(default, skip_serializing_if = "crate::unwritten::is_zero")]
        entry: u16,
        /// The words.
        text: Arc<str>,
        /// The images that come with them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        images: Vec<Image>,
    },
    /// Words wait.
    Queued {
        /// Where.
        lane: Lane,
        /// The words.
        text: Arc<str>,
        /// The images that come with them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        images: Vec<Image>,
        /// Whose they are.
        by: Origin,
    },
    /// The first of the waiting words of a lane stand in the conversation.
    Taken {
        /// The lane.
        lane: Lane,
        /// How many.
        count: u16,
        /// Number of the first entry among those of this commit.
        #[serde(default, skip_serializing_if = "crate::unwritten::is_zero")]
        entry: u16,
    },
    /// The steering that waited went back to its authors.
    SteeringReturned,
    /// An idempotency key was used.
    Keyed {
        /// The key.
        key: Arc<str>,
    },
}

impl Fact {
    pub(crate) fn apply(&self, session: &mut Session, moment: Moment) {
        match self {
            Self::Said { entry, text, images } => {
                let prompt = Body::Prompt {
                    text: Arc::clone(text),
                    via: Via::Prompt,
                    images: images.clone(),
                };
                session.say(moment, *entry, prompt);
            }
            Self::Queued {
                lane,
                text,
                images,
                by,
            } => session.queue.lane_mut(*lane).push_back(Waiting {
                text: Arc::clone(text),
                images: images.clone(),
                by: by.clone(),
                dispatch: moment.seq,
                at: moment.at,
            }),
            Self::Taken { lane, count, entry } => {
                let via = match lane {
                    Lane::Steering => Via::Steering,
                    Lane::FollowUp => Via::FollowUp,
                };
                for number in 0..*count {
                    let Some(words) = session.queue.lane_mut(*lane).pop_front() else {
                        break;
                    };
                    let prompt = Body::Prompt {
                        text: words.text,
                        via,
                        images: words.images,
                    };
                    session.say(moment, entry.saturating_add(number), prompt);
                }
                if let Some(asked) = session.asked_mut() {
                    asked.reopen();
                }
            }
            Self::SteeringReturned => {
                let steering = std::mem::take(&mut session.queue.steering);
                session.queue.returned.append(steering);
            }
            Self::Keyed { key } => session.keys.remember(Arc::clone(key), moment.seq),
        }
    }
}

impl Session {
    /// Adds an entry to the conversation, to which the model owes an answer.
    pub(crate) fn say(&mut self, moment: Moment, ordinal: u16, body: Body) -> EntryId {
        let id = EntryId {
            seq: moment.seq,
            ordinal,
        };
        let tokens = self.tree.append(id, moment.at, body);
        self.context.append(id, tokens);
        if let Some(turn) = self.turn_mut() {
            turn.answer_due = true;
        }
        id
    }
}

/// Decides what people say to the agent.
pub(crate) fn decide(draft: &mut Draft<'_>, event: &Event) -> Result<Reply, Rejection> {
    match event {
        Event::Prompted {
            text,
            max_steps,
            result,
            images,
            key,
        } => {
            listen(draft, text, key.as_ref())?;
            look_at(draft, images)?;
            if let Some(wanted) = result {
                Schema::parse(&wanted.schema).map_err(Rejection::Schema)?;
                draft.wanted = Some(Arc::clone(wanted));
            }
            if *max_steps == Some(0) {
                return Err(Rejection::NoSteps);
            }
            draft.max_steps = *max_steps;
            begin(draft)
        }
        Event::Steered { text, key } => {
            listen(draft, text, key.as_ref())?;
            queue(draft, Trigger::Steer)
        }
        Event::FollowedUp { text, key } => {
            listen(draft, text, key.as_ref())?;
            if draft.session.open_turn().is_some() {
                return queue(draft, Trigger::FollowUp);
            }
            // It queues behind what waits already.
            turn::queue(draft, Lane::FollowUp)?;
            begin(draft)
        }
        Event::Interrupted => stop(draft, Trigger::Interrupt),
        Event::Cancelled => stop(draft, Trigger::Cancel),
        Event::Paused => turn::advance(draft, Trigger::Pause).map(|()| Reply::Done),
        Event::Resumed => turn::advance(draft, Trigger::Resume).map(|()| Reply::Done),
    }
}

/// Takes words in, unless they came before.
fn listen(draft: &mut Draft<'_>, text: &Arc<str>, key: Option<&Arc<str>>) -> Result<(), Rejection> {
    draft.once(key)?;
    if text.trim().is_empty() {
        return Err(Rejection::EmptyText);
    }
    draft.words = Some(Arc::clone(text));
    Ok(())
}

/// Takes images in that come with words.
fn look_at(draft: &mut Draft<'_>, images: &[Image]) -> Result<(), Rejection> {
    if images.len() > IMAGES_CAP {
        return Err(Rejection::TooManyImages);
    }
    let names_a_blob = |image: &Image| {
        let digits = image.digest.bytes();
        image.digest.len() == 64
            && digits
                .into_iter()
                .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    };
    if !images
        .iter()
        .all(|image| names_a_blob(image) && image.name.len() <= NAME_BYTES)
    {
        return Err(Rejection::UnsoundImage);
    }
    draft.images = images.to_vec();
    Ok(())
}

fn begin(draft: &mut Draft<'_>) -> Result<Reply, Rejection> {
    match draft.session.state {
        SessionState::Vacant => return Err(Rejection::NotOpen),
        SessionState::Busy => return Err(Rejection::Busy),
        // Words that wait have no result.
        SessionState::Compacting if draft.wanted.is_some() => return Err(Rejection::Compacting),
        SessionState::Compacting => {
            session::advance(draft, SessionTrigger::Begin)?;
            return Ok(Reply::Queued(Lane::FollowUp));
        }
        SessionState::Idle | SessionState::Closing | SessionState::Closed => {}
    }
    session::advance(draft, SessionTrigger::Begin)?;
    let turn = draft.session.turn.as_ref().map(|turn| turn.id);
    turn.map(Reply::Began).ok_or(Rejection::NoTurn)
}

fn queue(draft: &mut Draft<'_>, trigger: Trigger) -> Result<Reply, Rejection> {
    let waited = draft.session.queue.follow_ups.len();
    turn::advance(draft, trigger)?;
    let follows = draft.session.queue.follow_ups.len() > waited;
    Ok(Reply::Queued(if follows {
        Lane::FollowUp
    } else {
        Lane::Steering
    }))
}

fn stop(draft: &mut Draft<'_>, trigger: Trigger) -> Result<Reply, Rejection> {
    let returned = draft.session.queue.returned.len();
    if draft.session.state == SessionState::Compacting {
        session::advance(draft, SessionTrigger::Stop)?;
        return Ok(Reply::Stopping { returned: vec![] });
    }
    turn::advance(draft, trigger)?;
    let texts = draft.session.queue.returned.iter().skip(returned);
    Ok(Reply::Stopping {
        returned: texts.map(|words| Arc::clone(&words.text)).collect(),
    })
}
