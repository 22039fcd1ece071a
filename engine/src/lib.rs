//! One gate for every change of state.
//!
//! A [`Domain`] says what events, facts and effects there are and how they are decided. The engine runs every event
//! through one pipeline ([`pipeline`]): permission, log, handler, validate, apply, effects. What is accepted becomes
//! a [`Commit`]: a line in a journal ([`line`]) and a new root ([`root`]) that shares structure with the old one.
//! Journals load by folding facts ([`load`]) and replay by deciding every event again ([`replay`]).
//!
//! With the feature `writer` there is the live side: [`Engine`] starts the one thread that owns the root; requests
//! come through a [`Handle`], work goes out to a [`Runner`], and readers ([`Reader`]) never wait.
//!
//! A till, as small as a domain can be; `tests/elevator/` has one with everything:
//!
//! ```
//! # #[cfg(feature = "test-support")] {
//! use glasswork_engine::test_support::{Fixture, assert_replays};
//! use glasswork_engine::*;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Clone, PartialEq)]
//! struct Till;
//!
//! #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
//! enum Event {
//!     Sold { cents: u32 },
//!     PaidOut { cents: u32 },
//! }
//! #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
//! enum Fact {
//!     Took { cents: u32 },
//!     Gave { cents: u32 },
//! }
//! #[derive(Debug, Clone, PartialEq, Serialize, thiserror::Error)]
//! #[error("there are only {cents} cents in the till")]
//! struct TooLittle {
//!     cents: u32,
//! }
//!
//! impl Domain for Till {
//!     type State = u32;
//!     type Event = Event;
//!     type Fact = Fact;
//!     type Rejection = TooLittle;
//! #   const SCHEMA: u32 = 1;
//! #   type Kind = ();
//! #   type Effect = ();
//! #   type Grant = String;
//! #   type DeadlineKey = ();
//! #   type Reply = ();
//! #   type Breach = TooLittle;
//! #   fn vacant(_: (), _: ScopeId) -> u32 { 0 }
//! #   fn event_name(event: &Event) -> &'static str {
//! #       match event { Event::Sold { .. } => "sold", Event::PaidOut { .. } => "paid_out" }
//! #   }
//!
//!     /// What follows from an event: the rules.
//!     fn decide(till: &u32, event: &Event, _: &Context<'_>) -> Result<Decision<Self>, TooLittle> {
//!         match *event {
//!             Event::Sold { cents } => Ok(Decision::of(vec![Fact::Took { cents }], ())),
//!             Event::PaidOut { cents } if cents > *till => Err(TooLittle { cents: *till }),
//!             Event::PaidOut { cents } => Ok(Decision::of(vec![Fact::Gave { cents }], ())),
//!         }
//!     }
//!
//!     /// What a fact changes: no rules here.
//!     fn evolve(till: &mut u32, fact: &Fact, _: Moment) {
//!         match fact {
//!             Fact::Took { cents } => *till += cents,
//!             Fact::Gave { cents } => *till -= cents,
//!         }
//!     }
//!
//!     fn permit(_: &u32, _: &Event, origin: &Origin) -> Result<String, String> {
//!         match origin {
//!             Origin::User => Ok("the cashier may".to_owned()),
//!             _ => Err("only the cashier may".to_owned()),
//!         }
//!     }
//!     // … and what deadlines, effects and invariants there are: none.
//! #   fn check(_: &u32, _: &[Fact]) -> Result<(), TooLittle> { Ok(()) }
//! #   fn audit(_: &u32) -> Result<(), TooLittle> { Ok(()) }
//! #   fn row(_: &Fact) -> Option<Transition<'_>> { None }
//! #   fn deadlines(_: &u32, _: &mut dyn FnMut((), Deadline)) {}
//! #   fn deadline_reached((): (), _: Deadline) -> Event { Event::Sold { cents: 0 } }
//! #   fn class((): &()) -> Class { Class::Again }
//! #   fn lost(_: EffectKey, (): &(), _: Loss) -> Event { Event::Sold { cents: 0 } }
//! #   fn recover(_: &u32, _: &[(EffectKey, &())]) -> Vec<Recovery<Self>> { vec![] }
//! #   fn merge_progress(waiting: &mut Event, later: Event) { *waiting = later; }
//! #   fn is_urgent(_: &Event) -> bool { false }
//! #   fn is_delta(_: &Event) -> bool { false }
//! #   fn acknowledged(_: &Event) -> Durability { Durability::Written }
//! }
//!
//! let fixture = Fixture::<Till>::default();
//! let till = fixture.create(());
//! let sold = fixture.accept(till, Event::Sold { cents: 500 });
//! assert_eq!(fixture.scope(till).state, 500);
//!
//! // A refusal changes nothing, and has a name under which it is on record.
//! let refused = fixture.ask(till, Event::PaidOut { cents: 900 }).unwrap_err();
//! assert_eq!(refused.to_string(), "there are only 500 cents in the till");
//!
//! // The journal folds to the same state, and decides the same again; the past is a pointer.
//! assert_replays::<Till>(&fixture.journal.bytes(till), &fixture.scope(till));
//! fixture.accept(till, Event::PaidOut { cents: 120 });
//! assert_eq!(fixture.reader.at(till, sold.id.seq).unwrap().state, 500);
//! # }
//! ```

pub mod archive;
pub mod chart;
mod commit;
pub mod digest;
mod domain;
mod envelope;
pub mod line;
pub mod load;
mod pipeline;
pub mod replay;
pub mod root;
pub mod trace;
pub mod upgrade;

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
