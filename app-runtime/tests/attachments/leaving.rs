//! A client that leaves in the middle of anything.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use glasswork_app_runtime::attachments::{Attachments, Limits};
use glasswork_session_state::clients::Role;
use glasswork_session_state::settings::Mode;
use glasswork_testkit::house::{House, PATIENCE};

use crate::queue::{line, until_line};
use crate::{SCRIPT, asked};

/// Lets something go on so many times, or until it waits for somebody else, then drops it; whether it was through by then.
async fn dropped_after(polls: u32, waits: &AtomicBool, work: impl Future<Output = ()>) -> bool {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        let polled = work.as_mut().poll(context).map(|()| true);
        if waits.load(Ordering::Acquire) {
            return Poll::Ready(false);
        }
        polled
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stays_of_a_client_wherever_it_was_cut_off() {
    let house = House::of_script(SCRIPT).await;
    let (session, busy) = (
        house.session(House::settings(Mode::Ask)).await,
        house.session(House::settings(Mode::Ask)).await,
    );
    let limits = Limits {
        turns: 1,
        ..Limits::default()
    };
    let hub = Attachments::new(house.shared(), limits);
    // One has the only place, all the time.
    let stays = hub.connect().unwrap();
    let (stays_attached, _) = stays
        .attach(asked(busy, "stays", Role::Controller, None))
        .await
        .unwrap();
    stays_attached.prompt("go", None, &mut |_| {}).await.unwrap();
    let mut through = 0;
    for polls in 0..40 {
        let connection = hub.connect().unwrap();
        let never = AtomicBool::new(false);
        let attached = dropped_after(polls, &never, async {
            let asked = asked(session, "goes", Role::Controller, None);
            drop(connection.attach(asked).await.unwrap());
        });
        through += u32::from(attached.await);
        connection.leave().await;
        let left: Vec<_> = hub.clients().into_iter().map(|(_, client)| client.name).collect();
        assert_eq!(left, ["stays".into()], "cut off after {polls}");
    }
    assert!(through > 0, "some were through");
    for polls in 0..40 {
        let connection = hub.connect().unwrap();
        let asked = asked(session, "goes", Role::Controller, None);
        let (attachment, _) = connection.attach(asked).await.unwrap();
        let waits = AtomicBool::new(false);
        let mut told = |_| waits.store(true, Ordering::Release);
        let through = dropped_after(polls, &waits, async {
            let done = attachment.prompt("never", None, &mut told).await;
            panic!("there is no place: {done:?}");
        });
        assert!(!through.await);
        connection.leave().await;
        until_line(&house, |running, waiting| running == [busy] && waiting.is_empty()).await;
    }
    // The only place is given up with its turn, though whoever asked for it has gone long since.
    stays.leave().await;
    house.runtime().cancel(busy).await.unwrap();
    tokio::time::timeout(PATIENCE, hub.at_rest()).await.unwrap();
    until_line(&house, |running, _| running.is_empty()).await;
    assert_eq!(line(&house).1, []);
    assert!(hub.clients().is_empty());
    drop((stays, stays_attached, hub));
    house.close().await;
}
