//! Following a scope: a base, then every commit exactly once, or a marked gap.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::Notify;

use crate::commit::Commit;
use crate::domain::Domain;
use crate::envelope::ScopeId;
use crate::log::lock;

/// What a follower gets.
#[derive(Debug, Clone, PartialEq)]
pub enum FeedItem<D: Domain> {
    /// The next commit.
    Commit(Arc<Commit<D>>),
    /// The follower was too slow, or asked for what is no longer in memory: these commits are not coming.
    Gap {
        /// The first one missed.
        from: u64,
        /// The last one missed.
        to: u64,
    },
    /// Nothing more can be written to the scope's journal, for this reason; no commit follows.
    JournalFailed(Arc<str>),
    /// The scope was unmounted, or the engine has stopped; nothing more comes.
    Ended,
}

/// One follower's end of the feed. Dropping it ends the following.
#[derive(Debug)]
pub struct Follower<D: Domain> {
    mailbox: Arc<Mailbox<D>>,
}

#[derive(Debug)]
struct Mailbox<D: Domain> {
    queue: Mutex<Queue<D>>,
    filled: Notify,
}

#[derive(Debug)]
struct Queue<D: Domain> {
    items: VecDeque<FeedItem<D>>,
    bytes: usize,
    cap: usize,
    ended: bool,
}

impl<D: Domain> Queue<D> {
    fn push(&mut self, commit: &Arc<Commit<D>>) {
        let seq = commit.id.seq;
        if let Some(FeedItem::Gap { to, .. }) = self.items.back_mut() {
            *to = seq;
        } else if self.bytes + commit.size > self.cap && !self.items.is_empty() {
            self.items.push_back(FeedItem::Gap { from: seq, to: seq });
        } else {
            self.bytes += commit.size;
            self.items.push_back(FeedItem::Commit(Arc::clone(commit)));
        }
    }

    fn pop(&mut self) -> Option<FeedItem<D>> {
        match self.items.pop_front() {
            Some(FeedItem::Commit(commit)) => {
                self.bytes -= commit.size;
                Some(FeedItem::Commit(commit))
            }
            Some(item) => Some(item),
            None => self.ended.then_some(FeedItem::Ended),
        }
    }
}

impl<D: Domain> Follower<D> {
    /// The next item, if one is there.
    #[must_use]
    pub fn try_next(&mut self) -> Option<FeedItem<D>> {
        lock(&self.mailbox.queue).pop()
    }

    /// The next item; waits for it. After [`FeedItem::Ended`] it gives `Ended` again.
    pub async fn next(&mut self) -> FeedItem<D> {
        loop {
            let filled = self.mailbox.filled.notified();
            if let Some(item) = lock(&self.mailbox.queue).pop() {
                return item;
            }
            filled.await;
        }
    }
}

/// All followers. Its lock is what makes "base, then exactly once" true: publishing and joining exclude each other.
pub(crate) struct Feed<D: Domain> {
    scopes: Mutex<BTreeMap<ScopeId, Vec<Weak<Mailbox<D>>>>>,
    /// Set under the lock, once the engine has stopped.
    stopped: AtomicBool,
}

impl<D: Domain> Feed<D> {
    pub(crate) fn new() -> Self {
        Self {
            scopes: Mutex::new(BTreeMap::new()),
            stopped: AtomicBool::new(false),
        }
    }

    /// How many follow a scope.
    pub(crate) fn followers(&self, scope: ScopeId) -> usize {
        let scopes = lock(&self.scopes);
        let followers = scopes.get(&scope).into_iter().flatten();
        followers.filter(|mailbox| mailbox.strong_count() > 0).count()
    }

    /// Joins while nothing is being published. `base` runs inside: it reads the published root and says what the
    /// follower has to be given first.
    pub(crate) fn join<B>(
        &self,
        scope: ScopeId,
        cap: usize,
        base: impl FnOnce() -> Option<(B, Vec<FeedItem<D>>)>,
    ) -> Option<(B, Follower<D>)> {
        let mut scopes = lock(&self.scopes);
        let (base, first) = base()?;
        let bytes = first
            .iter()
            .map(|item| match item {
                FeedItem::Commit(commit) => commit.size,
                _ => 0,
            })
            .sum();
        let queue = Mutex::new(Queue {
            items: first.into(),
            bytes,
            cap,
            ended: self.stopped.load(Ordering::Relaxed),
        });
        let mailbox = Arc::new(Mailbox {
            queue,
            filled: Notify::new(),
        });
        scopes.entry(scope).or_default().push(Arc::downgrade(&mailbox));
        Some((base, Follower { mailbox }))
    }

    /// Publishes: `store` moves the published root, and followers get the commits, as one step.
    pub(crate) fn publish<'a>(
        &self,
        commits: impl IntoIterator<Item = &'a Arc<Commit<D>>>,
        store: impl FnOnce(),
    ) {
        let mut scopes = lock(&self.scopes);
        store();
        for commit in commits {
            let Some(mailboxes) = scopes.get_mut(&commit.id.scope) else {
                continue;
            };
            mailboxes.retain(|mailbox| match mailbox.upgrade() {
                None => false,
                Some(mailbox) => {
                    lock(&mailbox.queue).push(commit);
                    mailbox.filled.notify_one();
                    true
                }
            });
            if mailboxes.is_empty() {
                scopes.remove(&commit.id.scope);
            }
        }
    }

    /// Tells the followers of a scope that its journal has failed.
    pub(crate) fn fail(&self, scope: ScopeId, reason: &Arc<str>, store: impl FnOnce()) {
        let scopes = lock(&self.scopes);
        store();
        for mailbox in scopes.get(&scope).into_iter().flatten().filter_map(Weak::upgrade) {
            lock(&mailbox.queue)
                .items
                .push_back(FeedItem::JournalFailed(Arc::clone(reason)));
            mailbox.filled.notify_one();
        }
    }

    /// Ends all followers: the engine has stopped.
    pub(crate) fn end_all(&self) {
        let mut scopes = lock(&self.scopes);
        self.stopped.store(true, Ordering::Relaxed);
        std::mem::take(&mut *scopes).into_values().for_each(end);
    }

    /// Ends the followers of a scope.
    pub(crate) fn end(&self, scope: ScopeId, store: impl FnOnce()) {
        let mut scopes = lock(&self.scopes);
        store();
        scopes.remove(&scope).into_iter().for_each(end);
    }
}

fn end<D: Domain>(mailboxes: Vec<Weak<Mailbox<D>>>) {
    for mailbox in mailboxes.iter().filter_map(Weak::upgrade) {
        lock(&mailbox.queue).ended = true;
        mailbox.filled.notify_one();
    }
}
