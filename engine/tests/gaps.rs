//! A journal that was recovered after damage has gaps: they are accounted for, and all else is decided again.

use std::ops::RangeInclusive;

use glasswork_engine::archive::archive;
use glasswork_engine::line::{self, Chain, Folded};
use glasswork_engine::load::load;
use glasswork_engine::replay::{Gap, Replay, Replayed, replay};

use super::deltas::{Downloads, STEPS, lines, made, text};

/// The journal without these commits, with a line for each run of them; what is said in `changed` is changed.
fn recovered(gaps: &[RangeInclusive<u64>], changed: &[(&str, &str)]) -> Vec<u8> {
    let (mut bytes, mut chain) = (Vec::new(), Chain::default());
    let mut put = |(line, after): (Vec<u8>, Chain), chain: &mut Chain| {
        bytes.extend(line);
        bytes.push(b'\n');
        *chain = after;
    };
    for line in lines(&made(false, &STEPS).bytes) {
        let seq = line::seq(line).unwrap_or(0);
        if let Some(gap) = gaps.iter().find(|gap| gap.contains(&seq)) {
            if seq == *gap.end() {
                let gap = Folded::lost(*gap.start(), *gap.end());
                put(line::encode_folded(&gap, chain).unwrap(), &mut chain);
            }
            continue;
        }
        let mut line = String::from_utf8(line.to_vec()).unwrap();
        for (from, to) in changed {
            line = line.replace(from, to);
        }
        put(line::reseal(line.as_bytes(), chain).unwrap(), &mut chain);
    }
    bytes
}

/// Commits that were decided again, those that were lost, gaps, differing commits, and how many are unsure.
type Account = (u64, u64, Vec<(u64, u64)>, Vec<u64>, u64);

fn account(replayed: &Replayed<Downloads>) -> Account {
    (
        replayed.commits,
        replayed.lost,
        replayed
            .gaps
            .iter()
            .map(|Gap { from, to }| (*from, *to))
            .collect(),
        replayed.differences.iter().map(|found| found.seq).collect(),
        replayed.unsure,
    )
}

#[test]
fn a_gap_is_accounted_for_and_what_stands_outside_of_it_is_decided_again() {
    // What commit 6 noted is not what is decided now; what commit 8 was asked is in no language of this build.
    let otherwise = ("[\"Noted\"]", "[\"Noted\",\"Noted\"]");
    let unreadable = ("{\"Finish\":{\"of\":\"3/0\"", "{\"Fetch\":{\"of\":\"3/0\"");
    type Case<'a> = (&'a [RangeInclusive<u64>], &'a [(&'a str, &'a str)], Account);
    let cases: [Case<'_>; 7] = [
        (&[], &[], (10, 0, vec![], vec![], 0)),
        // Lost of it is what commit 8 looks at; the other end does not.
        (&[4..=4], &[], (9, 1, vec![(4, 4)], vec![], 1)),
        (&[2..=2, 4..=5], &[], (7, 3, vec![(2, 2), (4, 5)], vec![], 2)),
        (&[6..=6], &[], (9, 1, vec![(6, 6)], vec![], 0)),
        // Before the gap, and behind it.
        (&[9..=9], &[otherwise], (9, 1, vec![(9, 9)], vec![6], 1)),
        (&[2..=2], &[otherwise], (9, 1, vec![(2, 2)], vec![], 2)),
        (&[2..=2], &[unreadable], (9, 1, vec![(2, 2)], vec![8], 1)),
    ];
    for (gaps, changed, expected) in cases {
        let journal = recovered(gaps, changed);
        let replayed = replay::<Downloads>(&journal).unwrap();
        assert_eq!(account(&replayed), expected, "{gaps:?} {changed:?}");
        let loaded = load::<Downloads>(&journal).unwrap();
        assert_eq!(replayed.loaded.scope, loaded.scope, "{gaps:?} {changed:?}");
        let mut until = Replay::<Downloads>::until(1);
        lines(&journal).for_each(|line| until.line(line).unwrap());
        assert_eq!(account(&until.finish().unwrap()), (1, 0, vec![], vec![], 0));
    }
}

#[test]
fn archiving_keeps_what_was_lost_apart_from_what_was_dropped() {
    let journal = recovered(&[5..=6], &[]);
    let (archived, told) = archive::<Downloads>(&journal).unwrap();
    assert_eq!(
        text(&archived)[1..7],
        [
            r#"1: ["Started"]"#,
            r#"folded {"from":2,"of":["1/0"],"to":2}"#,
            r#"3: ["Started"]"#,
            r#"folded {"from":4,"of":["3/0"],"to":4}"#,
            r#"folded {"from":5,"of":[],"to":6}"#,
            r#"folded {"from":7,"of":["3/0"],"to":7}"#,
        ]
    );
    assert_eq!(told.folded, 4);
    let replayed = replay::<Downloads>(&archived).unwrap();
    assert_eq!((replayed.lost, replayed.folded, replayed.commits), (2, 4, 4));
    assert_eq!(
        *replayed.loaded.scope,
        *load::<Downloads>(&journal).unwrap().scope
    );
}
