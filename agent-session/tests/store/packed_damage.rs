//! Damage inside a packed journal: it is named with its place, costs the block in which it lies, and nothing else.

use std::fs;
use std::path::Path;

use glasswork_agent_session::store::{Repair, StoreError};
use glasswork_engine::load::DamageKind;

use crate::home::{Home, Live};
use crate::tally::{Event, Kind, NOW, add, scope};

const COMMITS: u64 = 24;

/// Text that does not become much shorter, and is the same in every run.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed;
    let mut text = String::new();
    while text.len() < length {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        text.push_str(&format!("{:016x}", state ^ (state >> 29)));
    }
    text
}

/// A home with a packed journal of several blocks.
fn home() -> (Home, Vec<u8>) {
    let home = Home::new();
    let events = (1..=COMMITS).map(|amount| Event::Add {
        amount,
        note: noise(amount, 20_000),
    });
    let path = home.journal(scope(1), events);
    home.store.pack(scope(1), NOW).unwrap();
    let packed = fs::read(path).unwrap();
    (home, packed)
}

/// A block as the format's documentation describes it, by another hand.
#[derive(Debug, Clone, Copy)]
struct Block {
    begin: usize,
    end: usize,
    /// The commits in it.
    first: u64,
    last: u64,
}

fn blocks(packed: &[u8]) -> Vec<Block> {
    let number = |at: usize| u32::from_le_bytes(packed[at..at + 4].try_into().unwrap()) as usize;
    let (mut blocks, mut begin, mut last) = (Vec::new(), 0, 0);
    while begin < packed.len() {
        assert_eq!((number(begin), number(begin + 4)), (0x184d_2a57, 16));
        assert_eq!(number(begin + 8), blocks.len());
        let end = begin + 24 + number(begin + 12);
        let frame = &packed[begin + 24..end];
        let lines = match frame.is_empty() {
            true => Vec::new(),
            false => zstd::decode_all(frame).unwrap(),
        };
        assert!(lines.is_empty() || lines.ends_with(b"\n"));
        let commits = lines
            .split(|byte| *byte == b'\n')
            .filter(|line| line.starts_with(b"{\"seq\""));
        let first = last + 1;
        last += commits.count() as u64;
        blocks.push(Block {
            begin,
            end,
            first,
            last,
        });
        begin = end;
    }
    assert_eq!(last, COMMITS);
    blocks
}

fn sum(first: u64, last: u64) -> u64 {
    (first..=last).sum()
}

/// What every reader says of a damaged pack; they must say the same, and leave everything as it is.
fn verdict(home: &Home, path: &Path, bytes: &[u8], name: &str) -> (u64, DamageKind) {
    fs::write(path, bytes).unwrap();
    let stored = home.store.journal(scope(1)).unwrap();
    let said = stored.read().expect_err(name);
    for other in [
        home.store.open_for_writing(scope(1), NOW).unwrap_err(),
        stored.replay(None).unwrap_err(),
    ] {
        assert_eq!(other.to_string(), said.to_string(), "{name}");
    }
    assert_eq!(fs::read(path).unwrap(), bytes, "{name}");
    assert_eq!(fs::read_dir(stored.folder()).unwrap().count(), 0, "{name}");
    let StoreError::Damaged { damage, intact, .. } = said else {
        panic!("{name}: {said}");
    };
    // A header, then a line for each commit.
    let line = if intact == 0 { 1 } else { intact + 2 };
    assert_eq!(damage.line, line, "{name}: {damage}");
    if intact > 0 {
        let read = stored.read_until(intact).unwrap();
        assert_eq!(read.scope.state.total, sum(1, intact), "{name}");
    }
    (intact, damage.kind)
}

/// Repairs, and gives what that came to with the sums of both sessions.
fn repair(home: &Home, name: &str) -> (Repair, Option<u64>, Option<u64>) {
    let total = |id| {
        let journal = home.store.journal(id).ok()?;
        let read = journal.read().unwrap();
        let replayed = journal.replay(None).unwrap();
        assert_eq!(
            (replayed.difference_count, &replayed.loaded.scope),
            (0, &read.scope),
            "{name}"
        );
        Some(read.scope.state.total)
    };
    let did = home
        .store
        .repair(scope(1), Kind::Tally, NOW, false)
        .unwrap()
        .expect(name);
    let totals = (total(scope(1)), did.recovered.and_then(total));
    (did, totals.0, totals.1)
}

/// Puts the journal back as it was, whatever a repair has made of it.
fn again(home: &Home, path: &Path, recovered: Option<glasswork_engine::ScopeId>) {
    fs::remove_dir_all(path.with_extension("")).unwrap();
    fs::create_dir(path.with_extension("")).unwrap();
    if let Some(id) = recovered {
        let path = home.path(id);
        fs::remove_dir_all(path.with_extension("")).unwrap();
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_flipped_byte_costs_the_block_in_which_it_lies() {
    let (home, packed) = home();
    let path = home.path(scope(1));
    let blocks = blocks(&packed);
    assert!(blocks.len() >= 4, "{blocks:?}");
    again(&home, &path, None);
    let heads = blocks
        .iter()
        .flat_map(|block| (block.begin..block.begin + 24).step_by(3));
    let places: Vec<usize> = heads.chain((0..packed.len()).step_by(5_003)).collect();
    for place in places {
        let mut bytes = packed.clone();
        bytes[place] ^= 1 << (place % 8);
        let name = format!("byte {place}");
        let hit = blocks
            .iter()
            .find(|block| (block.begin..block.end).contains(&place))
            .unwrap();
        let (intact, kind) = verdict(&home, &path, &bytes, &name);
        assert_eq!(intact, hit.first - 1, "{name}: {kind}");
        if place >= 8 {
            assert_eq!(kind, DamageKind::Block { at: hit.begin as u64 }, "{name}");
        }
        let (did, kept, recovered) = repair(&home, &name);
        let is_last = hit.last < hit.first;
        let behind = (hit.last < COMMITS && !is_last).then_some((hit.last + 1, COMMITS));
        assert_eq!(
            (did.kept, did.salvaged.first().copied()),
            (intact, behind),
            "{name}"
        );
        assert_eq!(
            did.lost.first().copied(),
            behind.map(|_| (hit.first, hit.last)),
            "{name}"
        );
        assert_eq!(did.unproven, [], "{name}");
        let strange: Vec<_> = did
            .strange
            .iter()
            .map(|found| (found.offset, found.bytes))
            .collect();
        assert_eq!(
            strange,
            [(hit.begin as u64, (hit.end - hit.begin) as u64)],
            "{name}"
        );
        assert_eq!(kept, (intact > 0).then(|| sum(1, intact)), "{name}");
        assert_eq!(
            recovered,
            behind.map(|(first, last)| sum(1, intact) + sum(first, last)),
            "{name}"
        );
        assert_eq!(
            fs::read(did.moved_to.unwrap().join("journal.jsonl")).unwrap(),
            bytes,
            "{name}"
        );
        again(&home, &path, did.recovered);
    }
}

#[test]
fn wherever_a_pack_is_cut_off_the_blocks_before_are_kept() {
    let (home, packed) = home();
    let path = home.path(scope(1));
    let blocks = blocks(&packed);
    again(&home, &path, None);
    let ends = blocks
        .iter()
        .flat_map(|block| [block.begin, block.begin + 24, block.end - 1]);
    let lengths = ends.filter(|length| *length < packed.len());
    let lengths = lengths.chain((0..packed.len()).step_by(9_973));
    for length in lengths {
        let name = format!("cut at {length}");
        let (intact, kind) = verdict(&home, &path, &packed[..length], &name);
        let whole = blocks.iter().take_while(|block| block.end <= length).last();
        assert_eq!(intact, whole.map_or(0, |block| block.last), "{name}: {kind}");
        let (did, kept, recovered) = repair(&home, &name);
        assert_eq!(
            (did.kept, &*did.salvaged, &*did.lost),
            (intact, &[][..], &[][..]),
            "{name}"
        );
        assert_eq!(
            (kept, recovered),
            ((intact > 0).then(|| sum(1, intact)), None),
            "{name}"
        );
        again(&home, &path, None);
    }
}

#[test]
fn a_lost_doubled_or_moved_block_is_told_and_the_others_are_kept() {
    let (home, packed) = home();
    let path = home.path(scope(1));
    let blocks = blocks(&packed);
    again(&home, &path, None);
    let of = |numbers: &[usize]| -> Vec<u8> {
        let parts = numbers
            .iter()
            .map(|number| &packed[blocks[*number].begin..blocks[*number].end]);
        parts.collect::<Vec<_>>().concat()
    };
    let all: Vec<usize> = (0..blocks.len()).collect();
    let without = [&all[..2], &all[3..]].concat();
    let doubled = [&all[..2], &all[1..]].concat();
    let mut moved = all.clone();
    moved.swap(1, 2);
    let whole = (COMMITS, Some(sum(1, COMMITS)), None);
    let gone = (blocks[2].first - 1, Some(sum(1, blocks[2].first - 1)));
    let rest = sum(1, COMMITS) - sum(blocks[2].first, blocks[2].last);
    let cases = [
        ("lost", without, (gone.0, gone.1, Some(rest))),
        ("doubled", doubled, whole),
        ("moved", moved, whole),
    ];
    for (name, numbers, expected) in cases {
        verdict(&home, &path, &of(&numbers), name);
        let (did, kept, recovered) = repair(&home, name);
        assert_eq!((did.kept, kept, recovered), expected, "{name}");
        again(&home, &path, did.recovered);
    }
    let longer = [&packed[..], b"and more"].concat();
    verdict(&home, &path, &longer, "longer");
    assert_eq!(repair(&home, "longer").0.kept, COMMITS);
}

/// What was packed before there were blocks.
#[test]
fn one_frame_alone_is_read_and_unpacked_and_kept_up_to_its_damage() {
    let (home, packed) = home();
    let path = home.path(scope(1));
    let text = zstd::decode_all(&*packed).unwrap();
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    std::io::Write::write_all(&mut encoder, &text).unwrap();
    let whole = encoder.finish().unwrap();
    again(&home, &path, None);
    fs::write(&path, &whole).unwrap();
    let read = home.store.journal(scope(1)).unwrap().read().unwrap();
    assert_eq!(read.scope.state.total, sum(1, COMMITS));
    for (name, bytes) in [
        ("flipped", {
            let mut bytes = whole.clone();
            bytes[whole.len() * 3 / 4] ^= 1;
            bytes
        }),
        ("cut off", whole[..whole.len() * 3 / 4].to_vec()),
        ("without its checksum", whole[..whole.len() - 4].to_vec()),
    ] {
        let (intact, kind) = verdict(&home, &path, &bytes, name);
        // A changed byte may be found by the line in which it lies before the frame's own checksum comes.
        assert!(
            name == "flipped" || kind == DamageKind::Block { at: 0 },
            "{name}: {kind}"
        );
        assert!(intact >= COMMITS / 4, "{name}: {intact}");
        let (did, kept, recovered) = repair(&home, name);
        assert_eq!(
            (did.kept, kept, recovered),
            (intact, Some(sum(1, intact)), None),
            "{name}"
        );
        again(&home, &path, None);
    }
    fs::write(&path, &whole).unwrap();
    let live = Live::start(&Default::default());
    live.open(&home.store, scope(1));
    live.send(scope(1), add(1)).unwrap();
    live.engine.stop();
    assert!(fs::read(&path).unwrap().starts_with(b"{\"header\""));
    let read = home.store.journal(scope(1)).unwrap().read().unwrap();
    assert_eq!(read.scope.state.total, sum(1, COMMITS) + 1);
}
