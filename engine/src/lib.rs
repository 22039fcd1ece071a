//! One gate for every change of state.
//!
//! A [`Domain`] says what events, facts and effects there are and how they are decided. The engine runs every event
//! through one pipeline ([`pipeline`]): permission, log, handler, validate, apply, effects. What is accepted becomes
//! a [`Commit`]: a line in a journal ([`line`]) and a new root ([`root`]) that shares structure with the old one.
//! Journals load by folding facts ([`load`]) and replay by deciding every event again ([`replay`]).
//!
//! With the feature `writer` there is the live side: [`Engine`] starts the one thread that owns the root; requests
//! come through a [`Handle`], work goes out to a [`Runner`], and readers ([`Reader`]) never wait.

pub mod chart;
mod commit;
pub mod domain;
pub mod envelope;
pub mod line;
pub mod load;
mod pipeline;
pub mod replay;
pub mod root;
pub mod trace;

#[cfg(feature = "writer")]
mod clock;
#[cfg(feature = "writer")]
mod deadline;
#[cfg(feature = "writer")]
mod effect;
#[cfg(feature = "writer")]
mod engine;
#[cfg(feature = "writer")]
mod feed;
#[cfg(feature = "writer")]
mod handle;
#[cfg(feature = "writer")]
pub mod journal;
#[cfg(feature = "writer")]
mod log;
#[cfg(feature = "writer")]
mod reader;
#[cfg(feature = "writer")]
mod retained;
#[cfg(feature = "test-support")]
#[allow(clippy::panic)] // It is called by tests, which expect to be told so.
pub mod test_support;
#[cfg(feature = "writer")]
mod writer;

pub use commit::Commit;
pub use domain::{Class, Data, Decision, Domain, Durability, Loss, Recovery, Transition};
pub use envelope::{Context, Deadline, DispatchId, EffectKey, Moment, NameError, Origin, ScopeId, Timestamp};
pub use pipeline::{Envelope, Stage};
pub use root::{Root, Scope};

#[cfg(feature = "writer")]
pub use clock::{Bell, Clock, SystemClock, VirtualClock};
#[cfg(feature = "writer")]
pub use effect::{Demand, Demands, EffectPort, Job, Runner};
#[cfg(feature = "writer")]
pub use engine::{Engine, Limits, Parts};
#[cfg(feature = "writer")]
pub use feed::{FeedItem, Follower};
#[cfg(feature = "writer")]
pub use handle::{Accepted, Answer, Handle, Party, Refusal, Ticket};
#[cfg(feature = "writer")]
pub use reader::{Cursor, Following, Reader};
#[cfg(feature = "writer")]
pub use writer::{MountError, UnmountError};
