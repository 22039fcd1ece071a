//! What can be asked of a host, each by a method of its own.

use crate::client::{Client, ClientError};
use crate::wire;

macro_rules! calls {
    ($($(#[$doc:meta])* $call:ident, $name:literal, $params:ident => $result:ident;)*) => {
        /// The names of all that can be asked.
        pub const METHODS: &[&str] = &[$($name),*];

        impl Client {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// [`ClientError`].
                pub async fn $call(&self, asked: &wire::$params) -> Result<wire::$result, ClientError> {
                    self.ask($name, asked).await
                }
            )*
        }
    };
}

calls! {
    /// What the host is, which sessions are open in it, and who is attached.
    host, "_glasswork/host", Nothing => HostInfo;
    /// Begins a session. Hosts of `glasswork serve` alone do that.
    new_session, "_glasswork/new", New => Session;
    /// Attaches to a session. Who wants to hear what happens subscribes next; nothing between the two is lost.
    attach, "_glasswork/attach", Attach => Attached;
    /// Has what happens in the session told: it comes out of the receiver of [`connect`](Client::connect).
    subscribe, "_glasswork/subscribe", Attachment => Nothing;
    /// Lets this client do more, or less.
    change_role, "_glasswork/role", ChangeRole => Nothing;
    /// Ends an attachment. What waits of it for its turn is taken back.
    detach, "_glasswork/detach", Attachment => Nothing;
    /// Begins a turn. Answered when it has begun; where too many run, the place in the line is told meanwhile.
    prompt, "_glasswork/prompt", Words => Dispatched;
    /// Has a turn go on that rests.
    resume, "_glasswork/resume", Attachment => Dispatched;
    /// Says something to the turn that runs.
    steer, "_glasswork/steer", Words => Dispatched;
    /// Lets a call run about which people are asked.
    approve, "_glasswork/approve", Approve => Dispatched;
    /// Answers a call that asks something.
    answer, "_glasswork/answer", Reply => Dispatched;
    /// Does not let such a call run.
    refuse, "_glasswork/refuse", Refuse => Dispatched;
    /// Stops the turn.
    interrupt, "_glasswork/interrupt", Interrupt => Dispatched;
    /// Does what a slash command says.
    command, "_glasswork/command", Command => Performed;
    /// Asks the graph.
    query, "_glasswork/query", Query => Answer;
    /// Decides every event of a session again, and compares.
    replay, "_glasswork/replay", Replay => Replayed;
}
