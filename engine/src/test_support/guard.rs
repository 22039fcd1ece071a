//! The guard that replays: what was live, what loads and what is decided again must be one state.

use std::sync::Arc;

use crate::archive::{ArchiveError, archive};
use crate::domain::Domain;
use crate::load::{Fold, load};
use crate::replay::{Replay, replay};
use crate::root::Scope;

/// Asserts that a journal loads to `live`, that every event in it is decided again as it was, and that both states
/// hold every invariant.
///
/// # Panics
/// Where one of these is not so; names the first difference.
pub fn assert_replays<D: Domain>(journal: &[u8], live: &Scope<D>) {
    let id = live.id;
    let loaded = load::<D>(journal).unwrap_or_else(|damage| panic!("{id} does not load: {damage}"));
    assert_eq!(loaded.breach, None, "{id} breaks an invariant once it is loaded");
    assert_same(&loaded.scope, live, "loaded");
    let replayed = replay::<D>(journal).unwrap_or_else(|damage| panic!("{id} does not replay: {damage}"));
    assert_eq!(
        replayed.differences,
        [],
        "{id} is decided otherwise when it is decided again"
    );
    assert_eq!(replayed.commits, live.seq, "{id}: commits decided again");
    assert_same(&replayed.loaded.scope, live, "replayed");
    assert_archives::<D>(journal, live);
}

/// Asserts that without its deltas the journal leads to the same state, and is decided the same as far as that can
/// be told. A scope that is not at rest is left alone.
fn assert_archives<D: Domain>(journal: &[u8], live: &Scope<D>) {
    let id = live.id;
    let archived = match archive::<D>(journal) {
        Ok((archived, _)) => archived,
        Err(ArchiveError::NotAtRest(key)) if live.open.contains_key(&key) => return,
        Err(error) => panic!("{id} cannot be archived: {error}"),
    };
    let loaded = load::<D>(&archived).unwrap_or_else(|damage| panic!("{id}, archived: {damage}"));
    assert_same(&loaded.scope, live, "archived");
    let replayed = replay::<D>(&archived).unwrap_or_else(|damage| panic!("{id}, archived: {damage}"));
    assert_eq!(
        replayed.differences,
        [],
        "{id} is decided otherwise once it is archived"
    );
    assert_eq!(replayed.commits + replayed.folded + replayed.lost, live.seq);
    assert_same(&replayed.loaded.scope, live, "archived and replayed");
}

/// Asserts the same after every prefix of a journal. `live` gives the state that was live after a commit, or `None`
/// where the test does not have it; it is asked for 0 too, the scope before its first commit.
///
/// # Panics
/// As [`assert_replays`], with the commit.
pub fn assert_every_prefix<D: Domain>(journal: &[u8], live: impl Fn(u64) -> Option<Arc<Scope<D>>>) {
    let (mut fold, mut again) = (Fold::<D>::new(), Replay::<D>::new());
    let mut length = 0;
    for line in journal.split_inclusive(|byte| *byte == b'\n') {
        length += line.len();
        let whole = line.strip_suffix(b"\n").unwrap_or(line);
        let taken = fold.line(whole).and_then(|()| again.line(whole));
        taken.unwrap_or_else(|damage| panic!("the journal does not load: {damage}"));
        // As if the journal ended here: what waits for the end of an effect is folded then.
        let loaded = fold.clone().finish();
        let loaded = loaded.unwrap_or_else(|damage| panic!("the journal does not load: {damage}"));
        let Some(redone) = again.scope() else {
            panic!("a line was taken, and there is no scope");
        };
        let folded = &loaded.scope;
        assert_eq!(
            loaded.breach, None,
            "after commit {} an invariant is broken",
            folded.seq
        );
        if let Some(live) = live(redone.seq) {
            assert_same(folded, &live, "loaded");
            assert_same(redone, &live, "replayed");
        }
    }
    assert_eq!(length, journal.len());
    let replayed = again
        .finish()
        .unwrap_or_else(|damage| panic!("the journal does not replay: {damage}"));
    assert_eq!(
        replayed.differences,
        [],
        "an event is decided otherwise when it is decided again"
    );
}

fn assert_same<D: Domain>(found: &Scope<D>, live: &Scope<D>, how: &str) {
    let seq = live.seq;
    assert_eq!(found.seq, seq, "{how}: another commit than the live one");
    assert_eq!(
        found.state, live.state,
        "{how}: the state after commit {seq} differs from the live one"
    );
    assert_eq!(
        found.open, live.open,
        "{how}: the open effects after commit {seq} differ from the live ones"
    );
    assert!(
        found == live,
        "{how}: the scope after commit {seq} differs from the live one"
    );
}
