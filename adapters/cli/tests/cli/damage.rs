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
