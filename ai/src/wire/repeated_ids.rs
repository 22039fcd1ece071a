//! Ids of calls that a server gave twice. Some number the calls of each answer anew, and others, to whom the conversation is
//! sent later, refuse a request in which two calls have one id.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::conversation::{Block, Message, Request};

/// The request with an id of its own for each call: the first of an id keeps it, and what was sent of a call stays as it is
/// when others follow.
pub(super) fn told_apart(request: &Request) -> Cow<'_, Request> {
    let mut seen = BTreeSet::new();
    let mut calls = request.messages.iter().flat_map(calls);
    if calls.all(|id| seen.insert(id)) {
        return Cow::Borrowed(request);
    }
    let mut request = request.clone();
    let mut names = Names::default();
    for message in &mut request.messages {
        match message {
            Message::Assistant { blocks, .. } => {
                names.waiting.clear();
                for block in blocks {
                    if let Block::ToolCall(call) = block {
                        call.id = names.of_call(&call.id);
                    }
                }
            }
            Message::ToolResult(result) => result.call = names.of_result(&result.call),
            Message::Image(shown) => {
                if let Some(call) = &mut shown.call {
                    *call = names.of_shown(call);
                }
            }
            Message::User(_) => {}
        }
    }
    Cow::Owned(request)
}

fn calls(message: &Message) -> impl Iterator<Item = &str> {
    let blocks = match message {
        Message::Assistant { blocks, .. } => blocks.as_slice(),
        Message::User(_) | Message::ToolResult(_) | Message::Image(_) => &[],
    };
    blocks.iter().filter_map(|block| match block {
        Block::ToolCall(call) => Some(&*call.id),
        _ => None,
    })
}

#[derive(Default)]
struct Names {
    taken: BTreeSet<Arc<str>>,
    /// What the calls of the last answer are called that have no result yet, by their ids.
    waiting: BTreeMap<Arc<str>, VecDeque<Arc<str>>>,
    /// What the last result of an id is a result of.
    last: BTreeMap<Arc<str>, Arc<str>>,
}

impl Names {
    fn of_call(&mut self, id: &Arc<str>) -> Arc<str> {
        let others = (2_u64..).map(|number| Arc::from(format!("{id}_{number}")));
        let mut names = std::iter::once(Arc::clone(id)).chain(others);
        let name = names.find(|name| !self.taken.contains(name));
        let name = name.unwrap_or_else(|| Arc::clone(id));
        self.taken.insert(Arc::clone(&name));
        let waiting = self.waiting.entry(Arc::clone(id)).or_default();
        waiting.push_back(Arc::clone(&name));
        name
    }

    /// Results come in the order of the calls.
    fn of_result(&mut self, id: &Arc<str>) -> Arc<str> {
        let name = self.waiting.get_mut(id).and_then(VecDeque::pop_front);
        let name = name.unwrap_or_else(|| Arc::clone(id));
        self.last.insert(Arc::clone(id), Arc::clone(&name));
        name
    }

    /// An image stands behind the result that shows it.
    fn of_shown(&self, id: &Arc<str>) -> Arc<str> {
        Arc::clone(self.last.get(id).unwrap_or(id))
    }
}
