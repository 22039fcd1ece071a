//! What tests of any domain need: a walk over charts, a guard that replays, storage that crashes, runners that tests
//! finish by hand, and an engine with a clock that stands still.
//!
//! What is wrong is told by a panic that names it, as tests expect. No runtime is needed: [`wait`] waits for a future
//! on the calling thread.

mod crash;
mod fixture;
mod guard;
mod runner;
mod walk;

pub use crash::{Crash, Salvaged, salvage};
pub use fixture::{Brake, Fixture};
pub use guard::{assert_every_prefix, assert_replays};
pub use runner::ManualRunner;
pub use walk::{Walk, walk};

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How long a test may wait for one thing before that is called hanging.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a future on this thread.
///
/// # Panics
/// After [`PATIENCE`].
pub fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let begun = Instant::now();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        let left = PATIENCE.saturating_sub(begun.elapsed());
        assert!(!left.is_zero(), "waited for {PATIENCE:?}, and it did not come");
        thread::park_timeout(left);
    }
}
