//! Hosts under trouble: killed under their clients, with sessions that are damaged or old, and with nobody at a terminal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::attach::{Serving, Talk, sockets};
use crate::support::House;

/// A small generator of numbers: what a seed gives, it gives again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// What one client was told, over all hosts.
#[derive(Default)]
struct Heard {
    /// By epoch and commit.
    commits: BTreeMap<(u64, u64), String>,
    gaps: u64,
    resyncs: u64,
}

/// Where a host is to be found; none any more after the last.
type Hosts = Receiver<PathBuf>;

/// Joins, reads, leaves and is cut off, at one host after the other.
fn client(mut dice: Dice, session: &str, hosts: &Hosts, last: &Receiver<u64>) -> Heard {
    let mut heard = Heard::default();
    let mut seen: Option<(u64, u64)> = None;
    let mut next = hosts.recv().unwrap();
    let mut end = None;
    loop {
        let mut gone = true;
        if let Some(mut talk) = Talk::reach(&next)
            && let Some(attached) = talk.join(session, seen)
        {
            let epoch = attached["epoch"].as_u64().unwrap();
            let mut anew = seen.is_some_and(|(before, _)| before != epoch);
            if seen.is_none() {
                seen = Some((epoch, attached["seq"].as_u64().unwrap()));
            }
            let reads = dice.below(120);
            gone = false;
            for _ in 0..reads {
                end = end.or_else(|| last.try_recv().ok());
                if end.is_some_and(|end| seen.is_some_and(|(_, seq)| seq >= end)) {
                    return heard;
                }
                let Some(told) = talk.told() else {
                    gone = true;
                    break;
                };
                assert_eq!(anew, told["method"] == "_glasswork/resync", "{told}");
                anew = false;
                take(&told, &mut seen, &mut heard);
            }
        }
        // The rest of what a client that was cut off would have read is for the next time.
        if gone && let Ok(host) = hosts.recv() {
            next = host;
        }
    }
}

/// Each commit once and in order, or in a gap that is told; after another opening, a beginning.
fn take(told: &Value, seen: &mut Option<(u64, u64)>, heard: &mut Heard) {
    let params = &told["params"];
    let number = |name: &str| params[name].as_u64().unwrap_or_else(|| panic!("{name}: {told}"));
    let (epoch, seq) = seen.unwrap();
    match told["method"].as_str().unwrap() {
        "_glasswork/update" => {
            assert_eq!((number("epoch"), number("seq")), (epoch, seq + 1), "{told}");
            let text = json!([params["origin"], params["updates"]]).to_string();
            heard.commits.insert((epoch, seq + 1), text);
            *seen = Some((epoch, seq + 1));
        }
        "_glasswork/gap" => {
            assert_eq!((number("epoch"), number("from")), (epoch, seq + 1), "{told}");
            assert_eq!(params["base"]["seq"], params["to"]);
            heard.gaps += 1;
            *seen = Some((epoch, number("to")));
        }
        "_glasswork/resync" => {
            assert!(number("epoch") > epoch, "{told}");
            assert!(number("seq") >= seq, "what was told is on the disk: {told}");
            heard.resyncs += 1;
            *seen = Some((number("epoch"), number("seq")));
        }
        other => panic!("{other}: {told}"),
    }
}

/// Has turns run, until the host is killed in the middle of one, or so many have ended.
fn drive(talk: &mut Talk, attachment: &Value, lines: u64) -> u64 {
    let mut last = 0;
    for _ in 0..lines {
        let told = talk.told().expect("what happens");
        let updates = told["params"]["updates"].as_array().cloned().unwrap_or_default();
        last = told["params"]["seq"].as_u64().unwrap_or(last);
        if updates.iter().any(|update| update["type"] == "turn_ended") {
            talk.ask(
                "_glasswork/prompt",
                json!({ "attachment": attachment, "text": "more" }),
            );
        }
    }
    last
}

#[test]
fn through_hosts_that_are_killed_each_client_hears_all_once_and_both_end_with_the_same() {
    let house = House::new();
    let turn = r#"(say: [thinking("hm"), text("so be it"), call("bash", (command: "true"))]), (say: [text("done")]),"#;
    let model = house.script(&turn.repeat(400));
    let yolo = ["--permission-mode", "yolo"];
    let mut serving = Serving::start(&house, &model, &yolo);
    let mut talk = Talk::to(&sockets(&house)[0]);
    let begun = talk.ask("_glasswork/new", json!({ "directory": house.work }));
    let session = begun["session"].as_str().unwrap().to_owned();
    let mut doors: Vec<(Sender<PathBuf>, Sender<u64>)> = Vec::new();
    let clients: Vec<_> = (1..=2u64)
        .map(|number| {
            let ((host, hosts), (end, last)) = (channel(), channel());
            doors.push((host, end));
            let session = session.clone();
            let dice = Dice(0x9E37_79B9_7F4A_7C15 ^ (number << 20));
            std::thread::spawn(move || client(dice, &session, &hosts, &last))
        })
        .collect();
    let mut dice = Dice(77);
    for round in 0..4 {
        let [socket] = &sockets(&house)[..] else {
            panic!("one socket")
        };
        for (host, _) in &doors {
            host.send(socket.clone()).unwrap();
        }
        let mut talk = Talk::to(socket);
        let attached = talk.attach(&session, None);
        let attachment = &attached["attachment"];
        talk.ask(
            "_glasswork/prompt",
            json!({ "attachment": attachment, "text": "go" }),
        );
        let lines = 150 + dice.below(100);
        drive(&mut talk, attachment, lines);
        if round < 3 {
            serving.signal(Signal::KILL);
            assert_eq!(serving.end().0, None);
            serving = Serving::start(&house, &model, &yolo);
            continue;
        }
        // The turn that runs comes to its end, and that is the last that anybody waits for.
        let mut seq = None;
        while seq.is_none() {
            let told = talk.told().unwrap();
            let updates = told["params"]["updates"].as_array().cloned().unwrap_or_default();
            if updates.iter().any(|update| update["type"] == "turn_ended") {
                seq = told["params"]["seq"].as_u64();
            }
        }
        // One more, so that whoever waits for something hears that it was the last.
        for (_, end) in &doors {
            end.send(seq.unwrap()).unwrap();
        }
        talk.ask(
            "_glasswork/prompt",
            json!({ "attachment": attachment, "text": "the last" }),
        );
        let mut seq = seq.unwrap();
        talk.until(&mut seq, "turn_ended");
    }
    let heard: Vec<Heard> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    for heard in &heard {
        assert!(heard.resyncs > 0, "no host was seen to die");
        assert!(heard.commits.len() > 100, "{}", heard.commits.len());
    }
    let both = heard[0]
        .commits
        .keys()
        .filter(|key| heard[1].commits.contains_key(key));
    let mut count = 0;
    for key in both {
        assert_eq!(heard[0].commits[key], heard[1].commits[key], "{key:?}");
        count += 1;
    }
    assert!(count > 50, "they have heard {count} of the same commits");
    serving.signal(Signal::TERM);
    assert_eq!(serving.end().0, Some(143));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &copied),
            false => drop(std::fs::copy(&path, copied).unwrap()),
        }
    }
}

/// The only session that is there.
fn only(house: &House) -> String {
    let list = house.json(["sessions", "list", "--all", "--json"]);
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    list[0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_session_of_an_old_schema_is_shown_and_one_that_is_damaged_is_refused_by_name() {
    let house = House::new().with_damage();
    let model = house.script(r#"(say: [text("as ever")])"#);
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testkit/fixtures/schema-1/data/sessions");
    copy(&old, &house.home.path().join("glasswork/data/sessions"));
    let session = only(&house);
    let serving = Serving::start(&house, &model, &[]);
    let attached = house.give(house.command(["attach", &*session]), "/detach\n");
    assert_eq!(
        (attached.code, &*attached.out),
        (0, "The roof is mended.\n"),
        "{attached:?}"
    );
    serving.signal(Signal::TERM);
    assert_eq!(serving.end().0, Some(143));
    // A byte of its record flips.
    let journal = house.journal();
    let mut bytes = std::fs::read(&journal).unwrap();
    let place = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 60;
    bytes[place] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    let serving = Serving::start(&house, &model, &[]);
    let refused = house.run(["attach", &*session]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.err.contains("line 2"), "{}", refused.err);
    // The host has taken no harm.
    let begun = house.give(house.command(["attach", "--new"]), "hello\n");
    assert_eq!((begun.code, &*begun.out), (0, "as ever\n"), "{begun:?}");
    serving.signal(Signal::TERM);
    assert_eq!(serving.end().0, Some(143));
}

#[test]
fn a_host_replays_what_an_older_version_has_recorded_and_leaves_it_as_it_is() {
    let house = House::new();
    let model = house.script(r#"(say: [text("as ever")])"#);
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testkit/fixtures/schema-1/data/sessions");
    copy(&old, &house.home.path().join("glasswork/data/sessions"));
    let session = only(&house);
    let before = std::fs::read(house.journal()).unwrap();
    let serving = Serving::start(&house, &model, &[]);
    let mut talk = Talk::to(&sockets(&house)[0]);
    let replayed = talk.ask("_glasswork/replay", json!({ "session": session }));
    assert_eq!(
        (&replayed["equal"], &replayed["difference_count"]),
        (&json!(true), &json!(0)),
        "{replayed}"
    );
    serving.signal(Signal::TERM);
    assert_eq!(serving.end().0, Some(143));
    assert_eq!(std::fs::read(house.journal()).unwrap(), before);
}

#[test]
fn a_session_that_was_begun_without_a_terminal_asks_a_controller_that_has_come() {
    let house = House::new();
    let calls = r#"(say: [call("bash", (command: "echo ran >> ran"))]), (say: [text("so")]),"#;
    let model = house.script(&calls.repeat(3));
    let ran = house.run(["run", "go", "--model", &model]);
    assert_eq!(ran.code, 4, "nobody was there to be asked: {ran:?}");
    let session = only(&house);
    let serving = Serving::start(&house, &model, &[]);
    let mut talk = Talk::to(&sockets(&house)[0]);
    let attached = talk.attach(&session, None);
    let attachment = attached["attachment"].clone();
    let mut seq = attached["seq"].as_u64().unwrap();
    let prompt = json!({ "attachment": attachment, "text": "again" });
    talk.ask("_glasswork/prompt", prompt.clone());
    let call = talk.until(&mut seq, "tool_asked")["call"].clone();
    talk.ask(
        "_glasswork/approve",
        json!({ "attachment": attachment, "call": call }),
    );
    talk.until(&mut seq, "turn_ended");
    assert_eq!(std::fs::read_to_string(house.work.join("ran")).unwrap(), "ran\n");
    // It is asked, and cut off. Nobody is waited for who may never come back.
    talk.ask("_glasswork/prompt", prompt);
    talk.until(&mut seq, "tool_asked");
    let mut looks = Talk::to(&sockets(&house)[0]);
    let params = json!({ "session": session, "name": "looks", "role": "observer" });
    let attached = looks.ask("_glasswork/attach", params);
    looks.ask(
        "_glasswork/subscribe",
        json!({ "attachment": attached["attachment"] }),
    );
    let mut seq = attached["seq"].as_u64().unwrap();
    drop(talk);
    let settled = looks.until(&mut seq, "tool_settled");
    assert_eq!(settled["state"], "denied", "{settled}");
    looks.until(&mut seq, "turn_ended");
    assert_eq!(std::fs::read_to_string(house.work.join("ran")).unwrap(), "ran\n");
    serving.signal(Signal::TERM);
    assert_eq!(serving.end().0, Some(143));
}

#[test]
fn what_a_console_asks_for_in_vain_ends_it_with_a_failure() {
    let house = House::new();
    let serving = Serving::start(&house, &house.script(r#"(say: [text("one")])"#), &[]);
    let begun = house.give(house.command(["attach", "--new"]), "hello\n");
    assert_eq!(begun.code, 0, "{begun:?}");
    let session = only(&house);
    for (arguments, typed, told) in [
        (&["--observe"][..], "hello\n", "attached as an observer"),
        (&[], "/continue\n", ""),
        (&[], "/contine\n", "did you mean `/continue`?"),
    ] {
        let command = house.command(["attach", &session].iter().chain(arguments));
        let vain = house.give(command, typed);
        assert_eq!(vain.code, 1, "{vain:?}");
        assert!(
            vain.err.contains("error:") && vain.err.contains(told),
            "{}",
            vain.err
        );
    }
    serving.signal(Signal::TERM);
    assert_eq!(serving.end().0, Some(143));
}
