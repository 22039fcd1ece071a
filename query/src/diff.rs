//! What differs between two states of one scope.
//!
//! States of one scope share structure: what is the same pointer is the same value, and is passed over. So the cost is
//! that of what changed, besides one look at each entry of the conversation and each message part (a pointer and a
//! few numbers). The list is cut at a length, and so are the values in it.

use std::sync::Arc;

use async_graphql::{Enum, ID, SimpleObject};
use glasswork_agent_core::tail_map::TailMap;
use glasswork_engine::ScopeId;
use glasswork_session_state::host::Host;
use glasswork_session_state::import::Import;
use glasswork_session_state::state::{Scope, Session};
use serde::Serialize;

use crate::error::Answer;
use crate::id;
use crate::node::Node;
use crate::operation::Op;
use crate::scalar::Long;

/// Longest value that is shown, in bytes.
const VALUE: usize = 400;

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum ChangeKind {
    /// It was not there before.
    Added,
    /// It is not there any more.
    Removed,
    /// It is another one.
    Changed,
}

/// A step from a value to a part of it. Exactly one of its fields is there.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject)]
pub(crate) struct PathSegment {
    /// A field of a type, or the variant of an enum.
    field: Option<&'static str>,
    /// A key of a map.
    key: Option<String>,
    /// A place in a list, from 0.
    index: Option<Long>,
}

impl PathSegment {
    fn of_field(field: &'static str) -> Self {
        Self {
            field: Some(field),
            key: None,
            index: None,
        }
    }

    fn of_key(key: String) -> Self {
        Self {
            field: None,
            key: Some(key),
            index: None,
        }
    }

    fn of_index(index: usize) -> Self {
        Self {
            field: None,
            key: None,
            index: Some(Long::of(index)),
        }
    }
}

/// A value that differs.
#[derive(Debug, SimpleObject)]
pub(crate) struct Change {
    /// The way to it from the state.
    path: Vec<PathSegment>,
    /// What became of it.
    kind: ChangeKind,
    /// What it was, as JSON text, cut at 400 bytes.
    before: Option<String>,
    /// What it is, likewise.
    after: Option<String>,
}

/// What differs between two states of one scope.
#[derive(Debug, SimpleObject)]
pub(crate) struct StateDiff {
    /// The commit of the earlier state. Commit 0 is the empty scope.
    from: ID,
    /// The commit of the later one.
    to: ID,
    /// The values that differ, in the order of the state's fields.
    changes: Vec<Change>,
    /// Whether there are more than are shown.
    more: bool,
}

impl StateDiff {
    pub(crate) fn between(op: &Op, scope: ScopeId, from: u64, to: u64, most: u16) -> Answer<Self> {
        let mut differ = Differ {
            path: Vec::new(),
            changes: Vec::new(),
            most: usize::from(most),
            more: false,
        };
        if from != to {
            differ.scopes(&op.exactly(scope, from)?, &op.exactly(scope, to)?);
        }
        for change in &differ.changes {
            op.text(change.before.as_deref().unwrap_or_default())?;
            op.text(change.after.as_deref().unwrap_or_default())?;
        }
        let Differ { changes, more, .. } = differ;
        Ok(Self {
            from: id::commit(scope, from),
            to: id::commit(scope, to),
            changes,
            more,
        })
    }
}

struct Differ {
    path: Vec<PathSegment>,
    changes: Vec<Change>,
    most: usize,
    more: bool,
}

impl Differ {
    fn below(&mut self, segment: PathSegment, compare: impl FnOnce(&mut Self)) {
        if self.more {
            return;
        }
        self.path.push(segment);
        compare(self);
        self.path.pop();
    }

    fn change(&mut self, before: Option<&Node>, after: Option<&Node>) {
        if self.changes.len() >= self.most {
            self.more = true;
            return;
        }
        let kind = match (before, after) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            (Some(_), Some(_)) => ChangeKind::Changed,
        };
        let text = |node: &Node| cut(node.to_text());
        let (before, after) = (before.map(text), after.map(text));
        self.changes.push(Change {
            path: self.path.clone(),
            kind,
            before,
            after,
        });
    }

    fn scopes(&mut self, before: &Scope, after: &Scope) {
        match (before, after) {
            (Scope::Session(before), Scope::Session(after)) => self.shared(before, after, Self::sessions),
            (Scope::Host(before), Scope::Host(after)) => self.shared(before, after, Self::hosts),
            (Scope::Session(_), Scope::Host(_)) | (Scope::Host(_), Scope::Session(_)) => {
                self.change(Some(&Node::of(before)), Some(&Node::of(after)));
            }
        }
    }

    fn shared<T>(&mut self, before: &Arc<T>, after: &Arc<T>, compare: impl FnOnce(&mut Self, &T, &T)) {
        if !Arc::ptr_eq(before, after) {
            compare(self, before, after);
        }
    }

    fn hosts(&mut self, before: &Host, after: &Host) {
        self.values(before, after);
    }

    /// Takes the session apart by name, so that a new field does not compile before it is compared.
    fn sessions(&mut self, before: &Session, after: &Session) {
        let Session {
            id,
            meta,
            state,
            turn,
            past,
            tree,
            calls,
            queue,
            settings,
            context,
            requests,
            usage,
            inherited,
            limits,
            keys,
            import,
            masked,
            compactions,
            footprint,
            children,
            candidates,
            mcp,
            plan,
        } = before;
        self.field("id", |differ| differ.values(id, &after.id));
        self.field("meta", |differ| differ.shared(meta, &after.meta, Self::values));
        self.field("state", |differ| differ.values(state, &after.state));
        self.field("turn", |differ| match (turn, &after.turn) {
            (Some(before), Some(after)) => differ.shared(before, after, Self::values),
            (before, after) => differ.values(before, after),
        });
        self.field("past", |differ| differ.tables(past, &after.past));
        self.field("tree", |differ| {
            differ.field("entries", |differ| {
                let (mut before, mut after) = (tree.entries().peekable(), after.tree.entries().peekable());
                while let Some(id) = before
                    .peek()
                    .into_iter()
                    .chain(after.peek())
                    .map(|(id, _)| *id)
                    .min()
                {
                    let old = before.next_if(|(known, _)| *known == id).map(|(_, entry)| entry);
                    let new = after.next_if(|(known, _)| *known == id).map(|(_, entry)| entry);
                    if old.zip(new).is_some_and(|(old, new)| Arc::ptr_eq(old, new)) {
                        continue;
                    }
                    differ.below(PathSegment::of_key(id.to_string()), |differ| {
                        differ.nodes(old.map(Node::of).as_ref(), new.map(Node::of).as_ref());
                    });
                }
            });
            differ.field("leaf", |differ| differ.values(&tree.leaf(), &after.tree.leaf()));
            differ.field("labels", |differ| {
                if tree.labels() != after.tree.labels() {
                    differ.values(tree.labels(), after.tree.labels());
                }
            });
            differ.field("pinned", |differ| {
                if tree.pinned() != after.tree.pinned() {
                    differ.values(tree.pinned(), after.tree.pinned());
                }
            });
        });
        self.field("calls", |differ| differ.tables(calls, &after.calls));
        self.field("compactions", |differ| {
            differ.values(compactions, &after.compactions)
        });
        self.field("footprint", |differ| {
            if *footprint != after.footprint {
                differ.values(footprint, &after.footprint);
            }
        });
        self.field("candidates", |differ| {
            if *candidates != after.candidates {
                differ.values(candidates, &after.candidates);
            }
        });
        self.field("mcp", |differ| {
            if *mcp != after.mcp {
                differ.values(mcp, &after.mcp);
            }
        });
        self.field("plan", |differ| {
            if *plan != after.plan {
                differ.values(plan, &after.plan);
            }
        });
        self.field("queue", |differ| {
            if queue != &after.queue {
                differ.values(queue, &after.queue);
            }
        });
        self.field("settings", |differ| {
            differ.shared(settings, &after.settings, Self::values)
        });
        self.field("context", |differ| {
            differ.field("head", |differ| {
                differ.shared(&context.head(), &after.context.head(), Self::values)
            });
            differ.field("parts", |differ| {
                let (before, after) = (context.parts(), after.context.parts());
                let same = before
                    .iter()
                    .zip(after)
                    .take_while(|(before, after)| before == after)
                    .count();
                for index in same..before.len().max(after.len()) {
                    differ.below(PathSegment::of_index(index), |differ| {
                        let node = |part: Option<&_>| part.map(Node::of);
                        differ.nodes(node(before.get(index)).as_ref(), node(after.get(index)).as_ref());
                    });
                }
            });
            differ.field("tokens", |differ| {
                differ.values(&context.tokens(), &after.context.tokens())
            });
            differ.field("base", |differ| {
                differ.values(&context.base(), &after.context.base());
            });
            differ.field("calibration", |differ| {
                differ.values(&context.calibration(), &after.context.calibration());
            });
        });
        self.field("requests", |differ| differ.tables(requests, &after.requests));
        self.field("inherited", |differ| {
            if *inherited != after.inherited {
                differ.values(inherited, &after.inherited);
            }
        });
        self.field("limits", |differ| {
            if *limits != after.limits {
                differ.values(limits, &after.limits);
            }
        });
        self.field("usage", |differ| {
            if usage != &after.usage {
                differ.values(usage, &after.usage);
            }
        });
        self.field("children", |differ| {
            if children != &after.children {
                differ.values(children, &after.children);
            }
        });
        self.field("keys", |differ| {
            if keys != &after.keys {
                differ.values(keys, &after.keys);
            }
        });
        self.field("masked", |differ| {
            if masked != &after.masked {
                differ.values(masked, &after.masked);
            }
        });
        self.field("import", |differ| {
            differ.imports(import.as_deref(), after.import.as_deref())
        });
    }

    fn imports(&mut self, before: Option<&Import>, after: Option<&Import>) {
        // Not which line each entry comes from: entries are compared as those of the tree.
        self.field("origin", |differ| {
            differ.values(
                &before.map(|import| &import.origin),
                &after.map(|import| &import.origin),
            );
        });
        self.field("taken", |differ| {
            differ.values(&before.map(Import::taken), &after.map(Import::taken))
        });
        self.field("finished", |differ| {
            differ.values(
                &before.map(|import| import.finished),
                &after.map(|import| import.finished),
            );
        });
    }

    fn field(&mut self, name: &'static str, compare: impl FnOnce(&mut Self)) {
        self.below(PathSegment::of_field(name), compare);
    }

    /// Tables of entities: only those that are not the same pointer are looked at.
    fn tables<K, T>(&mut self, before: &TailMap<K, Arc<T>>, after: &TailMap<K, Arc<T>>)
    where
        K: Ord + Clone + ToString,
        T: Serialize + PartialEq,
    {
        for (key, new) in after.changed_since(before) {
            let old = before.get(key);
            self.below(PathSegment::of_key(key.to_string()), |differ| {
                differ.nodes(old.map(Node::of).as_ref(), new.map(Node::of).as_ref());
            });
        }
    }

    fn values<T: Serialize>(&mut self, before: &T, after: &T) {
        self.nodes(Some(&Node::of(before)), Some(&Node::of(after)));
    }

    fn nodes(&mut self, before: Option<&Node>, after: Option<&Node>) {
        let absent = |node: &Node| matches!(node, Node::Leaf(serde_json::Value::Null));
        let (before, after) = (
            before.filter(|node| !absent(node)),
            after.filter(|node| !absent(node)),
        );
        match (before, after) {
            (None, None) => {}
            (Some(Node::Fields(before)), Some(Node::Fields(after))) if alike(before, after) => {
                self.named(before, after, |name| PathSegment::of_field(name));
            }
            (Some(Node::Keys(before)), Some(Node::Keys(after))) => {
                self.named(before, after, |key| PathSegment::of_key(key.clone()));
            }
            (Some(Node::Places(before)), Some(Node::Places(after))) => {
                for index in 0..before.len().max(after.len()) {
                    self.below(PathSegment::of_index(index), |differ| {
                        differ.nodes(before.get(index), after.get(index));
                    });
                }
            }
            (before, after) if before == after => {}
            (before, after) => self.change(before, after),
        }
    }

    fn named<N: Ord>(
        &mut self,
        before: &[(N, Node)],
        after: &[(N, Node)],
        segment: impl Fn(&N) -> PathSegment,
    ) {
        let find = |nodes: &[(N, Node)], name: &N| nodes.iter().position(|(known, _)| known == name);
        for (name, node) in before {
            let other = find(after, name)
                .and_then(|place| after.get(place))
                .map(|(_, node)| node);
            self.below(segment(name), |differ| differ.nodes(Some(node), other));
        }
        for (name, node) in after.iter().filter(|(name, _)| find(before, name).is_none()) {
            self.below(segment(name), |differ| differ.nodes(None, Some(node)));
        }
    }
}

/// Whether two lists of fields can be of one type: the variants of an enum share no name, fields of a type do.
fn alike(before: &[(&'static str, Node)], after: &[(&'static str, Node)]) -> bool {
    before
        .iter()
        .any(|(name, _)| after.iter().any(|(other, _)| name == other))
}

fn cut(mut text: String) -> String {
    if text.len() > VALUE {
        let mut end = VALUE;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}
