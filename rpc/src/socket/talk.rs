//! One connection: requests come, answers and updates go. What it may hold at a time has a cap.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use glasswork_app_runtime::attachments::{Attachment, Connection, Delivery, Updates};
use glasswork_query::Graph;
use tokio::io::{AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::calls::object;
use super::directory::Card;
use super::fault::{Fault, REQUEST};
use super::host::{Offer, Stage};
use super::line::{self, LINE_BYTES, Line};
use super::message::{Id, Malformed, Request, answer, notification};
use super::methods::{self, Told};
use super::wire;
use crate::acp::House;

/// Most requests of a connection that are worked on at a time.
const IN_FLIGHT: usize = 64;
/// Most sessions to which a connection is attached.
const ATTACHMENTS: usize = 32;
/// Most lines that wait to be written.
const OUTBOX: usize = 16;
/// How long a client may take to read the last lines, once its connection ends.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A connection.
pub(crate) struct Talk {
    pub(crate) connection: Connection,
    pub(super) graph: Graph,
    pub(super) card: Arc<Card>,
    pub(crate) house: Option<Arc<dyn House>>,
    out: mpsc::Sender<String>,
    slots: Mutex<BTreeMap<u64, Slot>>,
    /// The requests that are worked on.
    open: Mutex<BTreeSet<Id>>,
}

/// An attachment of the connection.
struct Slot {
    attachment: Attachment,
    stream: Stream,
}

/// What happens in its session.
enum Stream {
    /// Nobody has asked for it.
    Waits(Box<Updates>),
    /// It is told by this task.
    Flows(AbortHandle),
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Stream::Flows(task) = &self.stream {
            task.abort();
        }
    }
}

impl Talk {
    /// A connection of which nothing was asked yet, and the lines that are to be written for it.
    pub(crate) fn begin(connection: Connection, offer: &Offer) -> (Arc<Self>, mpsc::Receiver<String>) {
        let (out, lines) = mpsc::channel(OUTBOX);
        let talk = Self {
            connection,
            graph: offer.graph.clone(),
            card: Arc::clone(&offer.card),
            house: offer.house.clone(),
            out,
            slots: Mutex::default(),
            open: Mutex::default(),
        };
        (Arc::new(talk), lines)
    }

    /// Ends all attachments.
    pub(crate) async fn end(&self) {
        self.lock().clear();
        self.connection.leave().await;
    }

    /// Talks until the client leaves, sends what no client sends, or the host ends. `first` was read already.
    pub(super) async fn hold(
        connection: Connection,
        offer: &Offer,
        first: Vec<u8>,
        reading: BufReader<OwnedReadHalf>,
        writing: OwnedWriteHalf,
        mut stage: watch::Receiver<Stage>,
    ) {
        let (talk, lines) = Self::begin(connection, offer);
        let mut writer = tokio::spawn(write(writing, lines));
        let writes = tokio::select! {
            () = talk.listen(first, reading) => true,
            // Nobody reads any more.
            _ = &mut writer => false,
            () = talk.end_with_host(&mut stage) => true,
        };
        talk.end().await;
        drop(talk);
        // What has ended must not be waited for again.
        if writes && tokio::time::timeout(LAST_WORDS, &mut writer).await.is_err() {
            writer.abort();
            // Whoever waits for this connection's end waits for all of it.
            let _ = writer.await;
        }
    }

    async fn listen(self: &Arc<Self>, first: Vec<u8>, mut reading: BufReader<OwnedReadHalf>) {
        let mut tasks = JoinSet::new();
        let mut line = Vec::new();
        let mut first = Some(first);
        loop {
            let next = match first.take() {
                Some(first) => Ok(Line::Whole(first)),
                None => tokio::select! {
                    // What was read of a line stays in `line`.
                    next = line::next(&mut reading, LINE_BYTES, &mut line) => next,
                    Some(_) = tasks.join_next() => continue,
                },
            };
            let fault = match next {
                Ok(Line::Whole(whole)) if whole.iter().all(u8::is_ascii_whitespace) => continue,
                Ok(Line::Whole(whole)) => self.take(&whole, &mut tasks).err(),
                Ok(Line::TooLong) => {
                    self.refuse(Request::too_long()).await;
                    return;
                }
                Ok(Line::End) | Err(_) => return,
            };
            if let Some(fault) = fault
                && !self.refuse(fault).await
            {
                return;
            }
        }
    }

    /// Begins what a line asks for.
    pub(crate) fn take(self: &Arc<Self>, line: &[u8], tasks: &mut JoinSet<()>) -> Result<(), Malformed> {
        let Request { id, method, params } = Request::read(line)?;
        let wrong = |fault| Malformed {
            id: id.clone(),
            fault: Box::new(fault),
        };
        // Nothing here is asked without wanting to know what came of it.
        let Some(id) = id.clone() else { return Ok(()) };
        let mut open = self.open();
        if open.contains(&id) {
            return Err(wrong(Fault::new(
                REQUEST,
                "a request with this id is worked on already; give each its own",
            )));
        }
        if open.len() >= IN_FLIGHT {
            return Err(wrong(Fault::refused(
                "too_many_requests",
                format!("{IN_FLIGHT} requests of this connection are worked on already; wait for an answer"),
            )));
        }
        let method = methods::method(&method).map_err(&wrong)?;
        open.insert(id.clone());
        drop(open);
        let talk = Arc::clone(self);
        tasks.spawn(async move {
            let done = (method.call)(Arc::clone(&talk), params).await;
            if let Ok(place) = talk.out.reserve().await {
                // Whoever has the answer may give the id again at once.
                talk.open().remove(&id);
                place.send(answer(Some(&id), done));
            }
        });
        Ok(())
    }

    pub(crate) async fn refuse(&self, Malformed { id, fault }: Malformed) -> bool {
        self.out.send(answer(id.as_ref(), Err(*fault))).await.is_ok()
    }

    /// Waits until the host ends, and tells when it begins to.
    async fn end_with_host(&self, stage: &mut watch::Receiver<Stage>) {
        let stopping = stage.wait_for(|stage| *stage != Stage::Open).await;
        if let Ok(Stage::Stopping { deadline }) = stopping.map(|stage| *stage) {
            let told = wire::Stopping {
                deadline_seconds: deadline.as_secs(),
            };
            self.tell_or_drop(&told);
        }
        let _ = stage.wait_for(|stage| *stage == Stage::Over).await;
    }

    /// Tells something, unless too much waits to be read already.
    pub(super) fn tell_or_drop<T: Told>(&self, told: &T) {
        let _ = self.out.try_send(notification(T::NAME, told));
    }

    pub(super) fn has_room(&self) -> Result<(), Fault> {
        room_in(&self.lock())
    }

    /// Keeps an attachment. Of several requests that were made at a time, not all may fit.
    pub(super) fn keep(&self, attachment: Attachment, updates: Updates) -> Result<(), Fault> {
        let mut slots = self.lock();
        room_in(&slots)?;
        let id = attachment.id();
        let stream = Stream::Waits(Box::new(updates));
        slots.insert(id, Slot { attachment, stream });
        Ok(())
    }

    pub(super) fn forget(&self, attachment: u64) {
        self.lock().remove(&attachment);
    }

    pub(super) fn attachment(&self, attachment: u64) -> Result<Attachment, Fault> {
        let slots = self.lock();
        let slot = slots.get(&attachment).ok_or_else(|| not_attached(attachment))?;
        Ok(slot.attachment.clone())
    }

    /// Has what happens in a session told from now on.
    pub(super) fn subscribe(&self, attachment: u64) -> Result<(), Fault> {
        let mut slots = self.lock();
        let slot = slots
            .get_mut(&attachment)
            .ok_or_else(|| not_attached(attachment))?;
        if let Stream::Flows(_) = slot.stream {
            return Err(Fault::refused(
                "subscribed_already",
                "what happens there is told already",
            ));
        }
        // The task cannot say anything before the handle is kept: it is aborted with the slot.
        let (updates, given) = tokio::sync::oneshot::channel::<Box<Updates>>();
        let out = self.out.clone();
        let task = tokio::spawn(async move {
            if let Ok(updates) = given.await {
                tell(attachment, *updates, &out).await;
            }
        });
        if let Stream::Waits(waits) = std::mem::replace(&mut slot.stream, Stream::Flows(task.abort_handle()))
        {
            let _ = updates.send(waits);
        }
        Ok(())
    }

    fn open(&self) -> MutexGuard<'_, BTreeSet<Id>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Slot>> {
        // Nothing is done under these locks that could leave what they guard half-changed.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn room_in(slots: &BTreeMap<u64, Slot>) -> Result<(), Fault> {
    match slots.len() < ATTACHMENTS {
        true => Ok(()),
        false => Err(Fault::refused(
            "too_many_attachments",
            format!("this connection is attached {ATTACHMENTS} times already; detach first"),
        )),
    }
}

fn not_attached(attachment: u64) -> Fault {
    Fault::refused(
        "not_attached",
        format!("this connection has no attachment {attachment}; attach first"),
    )
}

/// Tells what happens in a session. As long as the client does not read, no more than one thing is taken from the feed: it
/// is that which has the cap. No place in the outbox is held meanwhile, for there are fewer of them than attachments.
async fn tell(attachment: u64, mut updates: Updates, out: &mpsc::Sender<String>) {
    loop {
        let delivery = updates.next().await;
        let epoch = updates.cursor().epoch;
        let touches = updates.touches().iter();
        let touches = touches.map(|touched| <&str>::from(touched).to_owned()).collect();
        let is_last = matches!(
            delivery,
            Delivery::Ended { .. } | Delivery::RecordingFailed { .. }
        );
        let line = match delivery {
            Delivery::Commit { seq, origin, updates } => told(&wire::Update {
                attachment,
                epoch,
                seq,
                origin: serde_json::to_value(&origin).unwrap_or_default(),
                updates: updates
                    .iter()
                    .map(|update| serde_json::to_value(update).unwrap_or_default())
                    .collect(),
                touches,
            }),
            Delivery::Gap { from, to, base } => told(&wire::Gap {
                attachment,
                epoch,
                from,
                to,
                base: object(&base),
            }),
            Delivery::Resync { base } => told(&wire::Resync {
                attachment,
                epoch,
                seq: base.seq,
                base: object(&base),
            }),
            Delivery::RecordingFailed { reason } => told(&wire::Ended {
                attachment,
                seq: updates.cursor().seq,
                reason: format!("the journal cannot be written: {reason}"),
            }),
            Delivery::Ended { seq } => told(&wire::Ended {
                attachment,
                seq,
                reason: "the session was closed here".to_owned(),
            }),
        };
        if out.send(line).await.is_err() || is_last {
            return;
        }
    }
}

fn told<T: Told>(told: &T) -> String {
    notification(T::NAME, told)
}

async fn write(mut writing: impl AsyncWrite + Unpin, mut lines: mpsc::Receiver<String>) {
    while let Some(line) = lines.recv().await {
        if writing.write_all(line.as_bytes()).await.is_err() {
            return;
        }
    }
    let _ = writing.shutdown().await;
}
