//! Every way in which a journal can be wrong: what people are told, that it ends with code 3, and that `sessions repair`
//! makes a session of it that goes on.

use std::fs;
use std::path::Path;

use super::support::House;

type Lines = Vec<Vec<u8>>;

const TURNS: &str = r#"
    (say: [call("bash", (command: "echo hello"))]),
    (say: [text("ok")]),
    (say: [text("on")]),
    (say: [text("and on")]),
"#;

struct Row {
    name: &'static str,
    /// What is done to the lines; the second are those of another session.
    damage: fn(&mut Lines, &Lines),
    /// What is said of it.
    told: &'static str,
    /// What `sessions repair` says.
    repaired: &'static str,
}

const TABLE: &[Row] = &[
    Row {
        name: "zero bytes",
        damage: |lines, _| lines.clear(),
        told: "line 1 (byte 0): the journal is empty: not even its header is there",
        repaired: "No commit before the damage is kept.",
    },
    Row {
        name: "no header",
        damage: |lines, _| drop(lines.remove(0)),
        told: "line 1 (byte 0): the checksum does not fit",
        repaired: "Sound behind the damage: 1 to ",
    },
    Row {
        name: "a flipped byte",
        damage: |lines, _| lines[3][40] ^= 1,
        told: "line 4 (byte ",
        repaired: "Commits that are gone: 3\n",
    },
    Row {
        name: "a missing line",
        damage: |lines, _| drop(lines.remove(3)),
        told: "commit 3 should stand here, commit 4 does: lines are missing or out of order",
        repaired: "Commits that are gone: 3\n",
    },
    Row {
        name: "reordered lines",
        damage: |lines, _| lines.swap(3, 5),
        told: "commit 3 should stand here, commit 5 does",
        repaired: "keeps its commits up to ",
    },
    Row {
        name: "a foreign line",
        damage: |lines, foreign| lines.insert(3, foreign[3].clone()),
        told: "line 4 (byte ",
        repaired: "No sound line: ",
    },
    Row {
        name: "a line too long",
        damage: |lines, _| lines.insert(3, [vec![b' '; 2 << 20], b"\n".to_vec()].concat()),
        told: "the line is longer than 1048576 bytes, which no line is",
        repaired: "No sound line: 2097152 bytes at byte ",
    },
];

fn lines(journal: &Path) -> Lines {
    let bytes = fs::read(journal).unwrap();
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

fn id(journal: &Path) -> String {
    let stem = journal.file_stem().unwrap().to_str().unwrap();
    stem.split_once('-').unwrap().1.to_owned()
}

#[test]
fn each_damage_is_told_and_repaired() {
    let house = House::new().with_damage();
    let model = house.script(TURNS);
    assert_eq!(house.yolo(&model).code, 0);
    let journal = house.journal();
    let whole = lines(&journal);
    let other = House::new();
    assert_eq!(other.yolo(&other.script(TURNS)).code, 0);
    let foreign = lines(&other.journal());
    let id = id(&journal);
    for Row {
        name,
        damage,
        told,
        repaired,
    } in TABLE
    {
        let mut changed = whole.clone();
        damage(&mut changed, &foreign);
        fs::write(&journal, changed.concat()).unwrap();
        let hint = format!("`glasswork sessions repair {id}`");
        for arguments in [
            &["replay", &*id][..],
            &["sessions", "show", &*id],
            &["run", "x", "--resume", &*id, "--model", &*model],
        ] {
            let done = house.run(arguments);
            assert_eq!(
                (done.code, &*done.out),
                (3, ""),
                "{name}: {arguments:?}: {done:?}"
            );
            assert!(
                done.err.contains(told) && done.err.contains(&hint),
                "{name}: {}",
                done.err
            );
        }
        let would = house.run(["sessions", "repair", &*id, "--dry-run"]);
        assert_eq!((would.code, &*would.err), (3, ""), "{name}: {would:?}");
        assert_eq!(fs::read(&journal).unwrap(), changed.concat(), "{name}");
        let did = house.run(["sessions", "repair", &*id]);
        assert_eq!(did.code, 0, "{name}: {did:?}");
        assert!(
            did.out.contains(repaired) && did.out.contains("/damaged-"),
            "{name}: {}",
            did.out
        );
        if journal.exists() {
            let replayed = house.run(["replay", &*id]);
            assert_eq!(replayed.code, 0, "{name}: {replayed:?}");
            let resumed = house.run([
                "run",
                "x",
                "--resume",
                &*id,
                "--model",
                &*model,
                "--permission-mode",
                "yolo",
            ]);
            assert_eq!(resumed.code, 0, "{name}: {resumed:?}");
            let again = house.run(["sessions", "repair", &*id]);
            assert!(
                again.code == 0 && again.out.starts_with("Nothing is damaged"),
                "{name}: {again:?}"
            );
        }
    }
}

#[test]
fn what_stands_in_place_of_a_journal_is_told_and_left() {
    let house = House::new().with_damage();
    let model = house.script(r#"(say: [text("ok")])"#);
    assert_eq!(house.yolo(&model).code, 0);
    let journal = house.journal();
    let id = id(&journal);
    let aside = journal.with_extension("aside");
    fs::rename(&journal, &aside).unwrap();
    let link: fn(&Path, &Path) = |aside, path| std::os::unix::fs::symlink(aside, path).unwrap();
    let folder: fn(&Path, &Path) = |_, path| fs::create_dir(path).unwrap();
    for (found, put) in [("a symbolic link", link), ("a folder", folder)] {
        put(&aside, &journal);
        for arguments in [
            &["replay", &*id][..],
            &["run", "x", "--resume", &*id, "--model", &*model],
            &["sessions", "repair", &*id],
        ] {
            let done = house.run(arguments);
            assert_eq!(done.code, 3, "{arguments:?}: {done:?}");
            assert!(
                done.err.contains(&format!(" is {found}, not a file")),
                "{}",
                done.err
            );
        }
        match found {
            "a folder" => fs::remove_dir(&journal).unwrap(),
            _ => fs::remove_file(&journal).unwrap(),
        }
    }
}

/// A block of a packed journal as its documentation describes it, the lines in it as they are.
fn block(number: u32, lines: &[u8]) -> Vec<u8> {
    let sum = |bytes: &[u8]| blake3::hash(bytes).as_bytes()[..4].to_vec();
    let little = |number: u32| number.to_le_bytes().to_vec();
    let length = u32::try_from(lines.len()).unwrap();
    assert!(length < 128 << 10);
    let frame = match length {
        0 => Vec::new(),
        _ => [
            // A frame of one piece, its length, and one raw block, the last.
            vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0],
            little(length),
            little(length << 3 | 1)[..3].to_vec(),
            lines.to_vec(),
        ]
        .concat(),
    };
    let long = u32::try_from(frame.len()).unwrap();
    let said = [
        little(0x184d_2a57),
        little(16),
        little(number),
        little(long),
        sum(&frame),
    ]
    .concat();
    [said.clone(), sum(&said), frame].concat()
}

#[test]
fn damage_inside_a_packed_journal_is_told_and_repaired_too() {
    let house = House::new().with_damage();
    let model = house.script(TURNS);
    assert_eq!(house.yolo(&model).code, 0);
    let journal = house.journal();
    let id = id(&journal);
    let lines = lines(&journal);
    let blocks = [
        block(0, &lines[..4].concat()),
        block(1, &lines[4..].concat()),
        block(2, &[]),
    ];
    fs::write(&journal, blocks.concat()).unwrap();
    let replayed = house.run(["replay", &*id]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
    let at = blocks[0].len();
    let mut flipped = blocks.concat();
    flipped[at + 100] ^= 1;
    for (name, bytes) in [
        ("flipped", flipped),
        ("cut off", blocks.concat()[..at + 100].to_vec()),
    ] {
        fs::write(&journal, &bytes).unwrap();
        let told = format!(
            "line 5 (byte {}): the line cannot be unpacked: the compressed block at byte {at} of the file is damaged, or cut off. Everything before it is intact: read it as of commit 3",
            lines[..4].concat().len()
        );
        for arguments in [
            &["replay", &*id][..],
            &["sessions", "show", &*id],
            &["run", "x", "--resume", &*id, "--model", &*model],
        ] {
            let done = house.run(arguments);
            assert_eq!(
                (done.code, &*done.out),
                (3, ""),
                "{name}: {arguments:?}: {done:?}"
            );
            assert!(done.err.contains(&told), "{name}: {}", done.err);
        }
        let did = house.run(["sessions", "repair", &*id]);
        assert_eq!(did.code, 0, "{name}: {did:?}");
        assert!(
            did.out.contains(" keeps its commits up to 3.\n"),
            "{name}: {}",
            did.out
        );
        let replayed = house.run(["replay", &*id]);
        assert_eq!(replayed.code, 0, "{name}: {replayed:?}");
    }
}

#[test]
fn a_replay_says_what_was_lost_before_a_session_was_recovered() {
    let house = House::new().with_damage();
    let model = house.script(TURNS);
    assert_eq!(house.yolo(&model).code, 0);
    let journal = house.journal();
    let id = id(&journal);
    let whole = lines(&journal);
    // Without some commits the others make no sound session.
    let recovered = (1..whole.len() - 1).find_map(|lost| {
        let mut changed = whole.clone();
        changed[lost][20] ^= 1;
        fs::write(&journal, changed.concat()).unwrap();
        let did = house.run(["sessions", "repair", &*id]);
        let made = did
            .out
            .lines()
            .find(|line| line.ends_with("what is gone is missing in it."))?;
        Some((lost, made.split(' ').nth(1).unwrap().to_owned()))
    });
    let (lost, session) = recovered.unwrap();
    let replayed = house.run(["replay", &*session]);
    assert_eq!((replayed.code, &*replayed.err), (0, ""), "{replayed:?}");
    let told =
        format!("recovered {lost}..{lost}: these commits were lost before the session was recovered\n");
    assert!(replayed.out.contains(&told), "{}", replayed.out);
    assert!(replayed.out.contains("\nequal: "), "{}", replayed.out);
    let document = house.json(["replay", &*session, "--format", "json"]);
    assert_eq!(document["gaps"][0]["from"], lost);
    assert_eq!((&document["lost"], &document["equal"]), (&1.into(), &true.into()));
}
