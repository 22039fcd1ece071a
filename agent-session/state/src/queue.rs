//! Words that wait: steering for the running turn, follow-ups for after it.

use std::sync::Arc;

use glasswork_ai::image::Image;
use glasswork_engine::{Origin, Timestamp};
use im::Vector;
use serde::{Deserialize, Serialize};

/// Most words that wait in one lane.
pub const LANE_CAP: usize = 64;

/// The two lanes of waiting words, and the steering that went back to its authors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Queue {
    /// Taken in before the next step.
    pub steering: Vector<Waiting>,
    /// Begin a turn when the running one is completed.
    pub follow_ups: Vector<Waiting>,
    /// Steering that the last turn did not take in any more; kept until the next turn begins.
    pub returned: Vector<Waiting>,
}

/// Words that wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The words.
    pub text: Arc<str>,
    /// The images that come with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// Whose they are.
    pub by: Origin,
    /// The dispatch that brought them.
    pub dispatch: u64,
    /// When it did.
    pub at: Timestamp,
}

/// A lane of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// For the running turn.
    Steering,
    /// For after it.
    FollowUp,
}

impl Queue {
    /// The words of a lane.
    #[must_use]
    pub fn lane(&self, lane: Lane) -> &Vector<Waiting> {
        match lane {
            Lane::Steering => &self.steering,
            Lane::FollowUp => &self.follow_ups,
        }
    }

    pub(crate) fn lane_mut(&mut self, lane: Lane) -> &mut Vector<Waiting> {
        match lane {
            Lane::Steering => &mut self.steering,
            Lane::FollowUp => &mut self.follow_ups,
        }
    }
}
