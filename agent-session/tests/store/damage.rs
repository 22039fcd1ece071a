//! Journals that are not what was written: each defect is named with its place, and nothing is changed or skipped.

use std::path::Path;

use glasswork_agent_session::store::{Store, StoreError};
use glasswork_engine::line::{self, Chain, FORMAT, Header, Opening};
use glasswork_engine::load::DamageKind;

use crate::home::Home;
use crate::second::{Second, Start, plays, say};
use crate::tally::{Event, Kind, NOW, Tally, add, scope};

type Lines = Vec<Vec<u8>>;

/// The lines of a journal of six commits, each with its newline.
fn journal(home: &Home, number: u128) -> Lines {
    let path = home.journal(scope(number), (1..=6).map(add));
    let bytes = std::fs::read(path).unwrap();
    let lines: Lines = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    assert_eq!(lines.len(), 7);
    lines
}

fn offset(lines: &[Vec<u8>], line: usize) -> u64 {
    lines[..line - 1].iter().map(Vec::len).sum::<usize>() as u64
}

/// What reading and opening say of these bytes; they must say the same, and leave everything as it is.
fn verdict(home: &Home, bytes: &[u8]) -> StoreError {
    let path = home.path(scope(1));
    std::fs::write(&path, bytes).unwrap();
    let stored = home.store.journal(scope(1)).unwrap();
    let said = stored.read().unwrap_err();
    for other in [
        home.store.open_for_writing(scope(1), NOW).unwrap_err(),
        stored.replay(None).unwrap_err(),
    ] {
        assert_eq!(other.to_string(), said.to_string());
    }
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert_eq!(std::fs::read_dir(stored.folder()).unwrap().count(), 0);
    let listed = match stored.commits(..) {
        Ok(commits) => commits.map_while(Result::ok).count() as u64,
        Err(_) => 0,
    };
    if let StoreError::Damaged { intact, .. } = said {
        assert_eq!(listed, intact);
        if intact > 0 {
            assert_eq!(
                stored.read_until(intact).unwrap().scope.state.total,
                intact * (intact + 1) / 2
            );
        }
    }
    said
}

#[test]
fn every_flipped_byte_is_named_with_its_place() {
    let home = Home::new();
    let lines = journal(&home, 1);
    let whole = lines.concat();
    let last = whole.len() - 1;
    for place in 0..last {
        for flip in [0x01, 0x80] {
            let mut bytes = whole.clone();
            bytes[place] ^= flip;
            let line = 1 + whole[..place].iter().filter(|byte| **byte == b'\n').count();
            match verdict(&home, &bytes) {
                StoreError::Damaged { damage, intact, .. } => {
                    let found = (damage.line, damage.offset, intact);
                    let expected = (line as u64, offset(&lines, line), line.saturating_sub(2) as u64);
                    assert_eq!(found, expected, "byte {place} ^ {flip}: {damage}");
                }
                other => panic!("byte {place} ^ {flip}: {other}"),
            }
        }
    }
}

#[test]
fn each_defect_has_its_name() {
    let home = Home::new();
    let lines = journal(&home, 1);
    let foreign = journal(&home, 2);
    let without = |line: usize| [&lines[..line - 1], &lines[line..]].concat().concat();
    let swapped = |one: usize, other: usize| {
        let mut lines = lines.clone();
        lines.swap(one - 1, other - 1);
        lines.concat()
    };
    let replaced = |line: usize, by: &[u8]| {
        let mut lines = lines.clone();
        lines[line - 1] = by.to_vec();
        lines.concat()
    };
    let header = |glasswork, schema, number| {
        let header = Header {
            glasswork,
            schema,
            scope: scope(number),
            kind: Kind::Tally,
            created: NOW,
            lineage: Vec::new(),
        };
        [line::encode_header(&header).unwrap().0, b"\n".to_vec()].concat()
    };
    let later_opening = {
        let chain = lines[..3].iter().fold(Chain::default(), |chain, line| {
            line::verify(line.strip_suffix(b"\n").unwrap(), chain).unwrap()
        });
        let opening = Opening {
            epoch: 2,
            at: NOW,
            schema: 9,
        };
        let opened = line::encode_opening(&opening, chain).unwrap().0;
        [lines[..3].concat(), opened, b"\n".to_vec()].concat()
    };
    let long = [vec![b' '; 2 << 20], b"\n".to_vec()].concat();
    let at = |line| offset(&lines, line);
    let hint = format!(
        "; `glasswork sessions repair {}` keeps all that is sound and moves the rest aside",
        scope(1)
    );
    let from_the_future = |seq| {
        format!(". Everything before it is intact: read it as of commit {seq}; the file is left as it is")
    };
    let before = |seq| format!("{}{hint}", from_the_future(seq));
    let unread = ". Nothing before it can be used; the file is left as it is";
    let nothing = format!("{unread}{hint}");
    let chain = "the checksum does not fit: the line was changed, or the line before it is not the one it was written after";
    let cases: Vec<(&str, Vec<u8>, String)> = vec![
        (
            "empty",
            vec![],
            format!("line 1 (byte 0): the journal is empty: not even its header is there{nothing}"),
        ),
        (
            "half a header",
            lines[0][..40].to_vec(),
            format!(
                "line 1 (byte 0): the last line is not complete; everything before it is intact{nothing}"
            ),
        ),
        (
            "lost line",
            without(4),
            format!(
                "line 4 (byte {}): commit 3 should stand here, commit 4 does: lines are missing or out of order{}",
                at(4),
                before(2)
            ),
        ),
        (
            "lost header",
            without(1),
            format!("line 1 (byte 0): {chain}{nothing}"),
        ),
        (
            "swapped lines",
            swapped(3, 5),
            format!(
                "line 3 (byte {}): commit 2 should stand here, commit 4 does: lines are missing or out of order{}",
                at(3),
                before(1)
            ),
        ),
        (
            "doubled line",
            replaced(4, &[lines[3].clone(), lines[3].clone()].concat()),
            format!(
                "line 5 (byte {}): commit 4 should stand here, commit 3 does: lines are missing or out of order{}",
                at(5),
                before(3)
            ),
        ),
        (
            "foreign line",
            replaced(4, &foreign[3]),
            format!("line 4 (byte {}): {chain}{}", at(4), before(2)),
        ),
        (
            "words of a person",
            replaced(6, b"hello\n"),
            format!(
                "line 6 (byte {}): the line is not complete: it does not end with its checksum{}",
                at(6),
                before(4)
            ),
        ),
        (
            "2 MiB line",
            replaced(4, &long),
            format!(
                "line 4 (byte {}): the line is longer than 1048576 bytes, which no line is{}",
                at(4),
                before(2)
            ),
        ),
        (
            "2 MiB header",
            long.clone(),
            format!("line 1 (byte 0): the line is longer than 1048576 bytes, which no line is{nothing}"),
        ),
        (
            "future schema",
            header(FORMAT, 4, 1),
            format!(
                "line 1 (byte 0): the journal was written by a later version (format 2, schema 4); update to read it{unread}"
            ),
        ),
        (
            "future format",
            header(FORMAT + 1, 3, 1),
            format!(
                "line 1 (byte 0): the journal was written by a later version (format 3, schema 3); update to read it{unread}"
            ),
        ),
        (
            "continued by a later version",
            later_opening,
            format!(
                "line 4 (byte {}): the journal was written by a later version (format 2, schema 9); update to read it{}",
                at(4),
                from_the_future(2)
            ),
        ),
    ];
    for (name, bytes, expected) in cases {
        let said = verdict(&home, &bytes);
        let path = home.path(scope(1));
        assert_eq!(
            said.to_string(),
            format!("{}: {expected}", path.display()),
            "{name}"
        );
    }
    let renamed = verdict(&home, &header(FORMAT, 3, 2));
    assert!(matches!(renamed, StoreError::Misnamed { header, .. } if header == scope(2)));
}

#[test]
fn a_header_alone_is_a_scope_without_commits() {
    let home = Home::new();
    let lines = journal(&home, 1);
    std::fs::write(home.path(scope(1)), &lines[0]).unwrap();
    let opened = home.store.open_for_writing(scope(1), NOW).unwrap();
    assert_eq!(
        (opened.loaded.scope.seq, opened.loaded.scope.epoch, opened.torn),
        (0, 2, None)
    );
}

#[test]
fn a_torn_line_loses_itself_alone_wherever_it_is_torn() {
    let home = Home::new();
    let lines = journal(&home, 1);
    let path = home.path(scope(1));
    let (intact, last) = (lines[..6].concat(), &lines[6]);
    for length in 1..last.len() {
        std::fs::write(&path, [&intact, &last[..length]].concat()).unwrap();
        let opened = home.store.open_for_writing(scope(1), NOW).unwrap();
        assert_eq!(
            (opened.loaded.scope.seq, opened.loaded.scope.state.total),
            (5, 15)
        );
        let torn = opened.torn.unwrap();
        let found = (torn.line, torn.offset, torn.bytes);
        assert_eq!(found, (7, intact.len() as u64, length as u64));
        assert_eq!(std::fs::read(&torn.moved_to).unwrap(), last[..length]);
        let now = std::fs::read(&path).unwrap();
        assert!(now.starts_with(&intact) && now[intact.len()..].starts_with(b"{\"opened\""));
        drop(opened.lease);
        assert_eq!(
            home.store.journal(scope(1)).unwrap().read().unwrap().scope.epoch,
            2
        );
    }
    // Nothing that was moved aside was written over.
    let kept = std::fs::read_dir(path.with_extension("")).unwrap().count();
    assert_eq!(kept, last.len() - 1);
}

#[test]
fn an_event_that_this_build_does_not_know_loads_and_is_named_where_events_are_read() {
    let home = Home::new();
    let path = home.journal(scope(1), [add(1), add(2), add(3)]);
    let text = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
    let mut chain = Chain::default();
    let mut bytes = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let object = &line[..line.rfind(",\"crc\"").unwrap()];
        let object = if number == 2 {
            object.replace("\"add\"", "\"multiply\"")
        } else {
            object.to_owned()
        };
        // The chain as the format's documentation states it, by another hand.
        let mut hasher =
            crc32fast::Hasher::new_with_initial(u32::from_str_radix(&chain.to_string(), 16).unwrap());
        hasher.update(object.as_bytes());
        let sealed = format!("{object},\"crc\":\"{:08x}\"}}", hasher.finalize());
        chain = line::verify(sealed.as_bytes(), chain).unwrap();
        bytes.extend_from_slice(sealed.as_bytes());
        bytes.push(b'\n');
    }
    std::fs::write(&path, bytes).unwrap();
    let stored = home.store.journal(scope(1)).unwrap();
    assert_eq!(stored.read().unwrap().scope.state.total, 6);
    let commits: Vec<_> = stored.commits(..).unwrap().collect();
    let read: Vec<Option<u64>> = commits
        .iter()
        .map(|commit| Some(commit.as_ref().ok()?.id.seq))
        .collect();
    assert_eq!(read, [Some(1), None, Some(3)]);
    match commits[1].as_ref().unwrap_err() {
        StoreError::Damaged { damage, .. } => {
            assert_eq!(damage.line, 3);
            assert!(
                matches!(&damage.kind, DamageKind::Line(error) if error.to_string().contains("multiply"))
            );
        }
        other => panic!("{other}"),
    }
    assert_eq!(stored.replay(None).unwrap().difference_count, 1);
}

#[test]
fn what_is_no_file_is_told_and_not_followed() {
    let home = Home::new();
    let path = home.journal(scope(1), [add(1)]);
    let aside = path.with_extension("aside");
    std::fs::rename(&path, &aside).unwrap();
    let link = || std::os::unix::fs::symlink(&aside, &path).unwrap();
    let folder = || std::fs::create_dir(&path).unwrap();
    let pipe = || {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
    };
    let cases: [(&str, &dyn Fn()); 3] = [
        ("a symbolic link", &link),
        ("a folder", &folder),
        ("a pipe", &pipe),
    ];
    for (found, put) in cases {
        put();
        let expected = format!(
            "{} is {found}, not a file; move it away or put a file in its place",
            path.display()
        );
        let journal = home.store.journal(scope(1)).unwrap();
        assert_eq!(journal.read().unwrap_err().to_string(), expected);
        assert_eq!(
            home.store
                .open_for_writing(scope(1), NOW)
                .unwrap_err()
                .to_string(),
            expected
        );
        let listed: Vec<_> = home.store.list().collect();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].scope, Some(scope(1)));
        assert_eq!(listed[0].summary.as_ref().unwrap_err().to_string(), expected);
        if found == "a symbolic link" {
            // A person who names it means what it leads to.
            assert_eq!(Store::<Tally>::journal_at(&path).read().unwrap().scope.seq, 1);
        }
        if path.is_dir() && !path.is_symlink() {
            std::fs::remove_dir(&path).unwrap();
        } else {
            std::fs::remove_file(&path).unwrap();
        }
    }
}

fn unprivileged_part(data: &Path) {
    let store = Store::<Tally>::open(data).unwrap();
    let journal = store.journal(scope(1)).unwrap();
    say(journal.read().unwrap().scope.seq);
    say(store.open_for_writing(scope(1), NOW).unwrap_err());
    say(store
        .create(
            glasswork_agent_session::store::Place::Sessions,
            scope(9),
            Kind::Tally,
            NOW,
        )
        .unwrap_err());
    say(std::fs::read_dir(data.join("sessions/2026/11")).unwrap().count());
}

#[test]
fn a_folder_without_permission_to_write_is_told_and_can_be_read() {
    use std::os::unix::fs::{PermissionsExt, chown};
    if plays("unprivileged", unprivileged_part) {
        return;
    }
    let home = Home::new();
    let path = home.journal(scope(1), [add(1), Event::Pledge { amount: 1 }]);
    if crate::second::is_root() {
        let mut all = vec![home.directory.path().to_owned()];
        while let Some(path) = all.pop() {
            chown(&path, Some(65534), Some(65534)).unwrap();
            if path.is_dir() {
                all.extend(
                    std::fs::read_dir(&path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
            }
        }
    }
    let folder = path.with_extension("");
    let month = path.parent().unwrap();
    let set =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    set(&folder, 0o500);
    set(month, 0o500);
    let test = "damage::a_folder_without_permission_to_write_is_told_and_can_be_read";
    let start = || Second::start(test, "unprivileged", home.store.data(), &Start::WithoutPrivilege).end();
    let said = start();
    set(&path, 0o400);
    let said_of_file = start();
    set(month, 0o700);
    set(&folder, 0o700);
    let denied = |doing: &str, path: &Path, pid: bool| {
        let path = path.display().to_string();
        let path = if pid {
            path.rsplit_once('N').unwrap().0.to_owned()
        } else {
            path
        };
        (
            format!("cannot {doing} {path}"),
            "Permission denied (os error 13); check who owns it and its permissions",
        )
    };
    for (said, doing, path, pid) in [
        (&said[1], "make", folder.join("owner.N"), true),
        (
            &said[2],
            "make the folder",
            month.join(format!("20261121T044511Z-{}", scope(9))),
            false,
        ),
        (&said_of_file[1], "open", path.clone(), false),
    ] {
        let (start, end) = denied(doing, &path, pid);
        assert!(said.starts_with(&start) && said.ends_with(end), "{said}");
    }
    assert_eq!(
        (&*said[0], &*said[3]),
        ("2", "2"),
        "reading works, and nothing was left behind"
    );
}
