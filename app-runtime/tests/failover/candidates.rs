//! What a session is told of the models of its list: whole values, once, and before anything that may ask for one.

use std::collections::BTreeMap;
use std::slice;
use std::sync::Arc;

use glasswork_ai::catalogue::{Catalogue, Entry};
use glasswork_ai::conversation::Request;
use glasswork_ai::model::ModelId;
use glasswork_ai::port::{Call, ModelPort, Models, Scripts};
use glasswork_ai::scripted::Script;
use glasswork_ai::takes::Takes;
use glasswork_app_runtime::archive::Archive as _;
use glasswork_app_runtime::credentials::{Credentials, Stored};
use glasswork_app_runtime::sign_in::{Keep, SignIns};
use glasswork_engine::{ScopeId, SystemClock};
use glasswork_session_state::domain::Event;
use glasswork_session_state::failover::{self, Bar, Candidate, GivenUp, MOST, Skip, Why};
use glasswork_session_state::host::Credential;
use glasswork_session_state::settings::{Layer, Mode, Setting, Settings, Sourced};
use glasswork_session_state::state::TurnFailure;
use glasswork_testkit::house::House;
use im::OrdMap;
use tempfile::TempDir;

/// A provider that says of all its models that they take so much.
#[derive(Debug)]
struct Saying(u64);

impl ModelPort for Saying {
    fn call(&self, request: Arc<Request>, attempt: u32) -> Call {
        Scripts::default().call(request, attempt)
    }

    fn context_window(&self, _: &ModelId) -> Option<u64> {
        Some(self.0)
    }

    fn takes(&self, _: &ModelId) -> Option<Takes> {
        Some(takes())
    }
}

fn takes() -> Takes {
    Takes {
        stops: 3,
        ..Takes::default()
    }
}

/// The session's own model fails, however often it is asked.
const DOWN: &str = r#"(turns: [
    (say: [fail(class: unavailable, status: 500)]), (say: [fail(class: unavailable, status: 500)]),
    (say: [fail(class: unavailable, status: 500)]), (say: [fail(class: unavailable, status: 500)]),
])"#;

fn models() -> Arc<dyn ModelPort> {
    let script = Script::parse(DOWN).unwrap();
    let mut models = Models::default()
        .with("scripted", Arc::new(Scripts::default().with("test", script)))
        .with("saying", Arc::new(Saying(1_000)));
    for provider in ["free", "keyed", "keyless", "signed", "refused", "other"] {
        models = models.with(provider, Arc::new(Saying(u64::MAX)));
    }
    Arc::new(models)
}

/// What the user's own files say of two models.
fn catalogue() -> Arc<Catalogue> {
    let said = |name: &str, context_window: Option<u64>, tools: Option<bool>| {
        let entry = Entry {
            context_window,
            tools,
            ..Entry::default()
        };
        (name.parse::<ModelId>().unwrap(), entry)
    };
    let file = BTreeMap::from([
        said("saying/listed", Some(7), Some(false)),
        said("saying/capable", None, Some(true)),
        said("free/one", Some(100_000), None),
    ]);
    Arc::new(Catalogue::with([("own.ron".into(), file)]))
}

fn missing(expected: &str) -> Credential {
    Credential::Missing {
        expected: expected.into(),
    }
}

/// A house in which some providers have a key, some have none, and at some somebody is signed in.
async fn house() -> House {
    let home = TempDir::new().unwrap();
    let credentials = Credentials::below(home.path());
    let refused = Stored::Refused {
        reason: "revoked".to_owned(),
        in_keyring: false,
    };
    for (provider, stored) in [("signed", Stored::Key("k".into())), ("refused", refused)] {
        credentials.lock().unwrap().put(provider, Some(stored)).unwrap();
    }
    let sign_ins = SignIns::new(home.path(), &BTreeMap::new(), Arc::new(SystemClock::default()));
    let house = House::fitted(home, models(), |_, ports| {
        let providers = [
            ("free", Credential::NotNeeded),
            ("keyed", Credential::Present { from: "KEY".into() }),
            ("keyless", missing("KEYLESS_KEY")),
            ("signed", missing("SIGNED_KEY")),
            ("refused", missing("REFUSED_KEY")),
        ];
        ports.providers = providers
            .map(|(name, known)| (Arc::from(name), known))
            .into_iter()
            .collect();
    })
    .await;
    house.runtime().bind_sign_ins(&sign_ins).await.unwrap();
    house.runtime().know_models(catalogue());
    house
}

fn ids(names: &[&str]) -> Vec<ModelId> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn list(names: &[&str]) -> Sourced<Vec<ModelId>> {
    Sourced::from_layer(ids(names), Layer::Session)
}

fn settings(names: &[&str]) -> Settings {
    Settings {
        fallback_models: list(names),
        retry_attempts: Sourced::from_layer(1, Layer::Flag),
        ..House::settings(Mode::Yolo)
    }
}

/// What a session knows of the models of its list, in order.
fn known(house: &House, session: ScopeId) -> Vec<Candidate> {
    house.now(session).candidates.values().cloned().collect()
}

/// What it was told, each time.
fn told(house: &House, session: ScopeId) -> Vec<Vec<String>> {
    let commits = house.archive().commits(session, 1..=u64::MAX).unwrap();
    let told = commits.iter().filter_map(|commit| match &commit.event {
        Event::Failover(failover::Event::Told { candidates }) => Some(candidates),
        _ => None,
    });
    told.map(|all| all.iter().map(|one| one.model.to_string()).collect())
        .collect()
}

fn candidate(model: &str, barred: Option<Bar>, window: Option<u64>, tools: Option<bool>) -> Candidate {
    Candidate {
        model: model.parse().unwrap(),
        barred,
        window,
        tools,
    }
}

fn no_key(expected: &str) -> Option<Bar> {
    Some(Bar::NoKey {
        expected: expected.into(),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_model_of_the_list_is_told_with_its_key_its_window_and_its_tools() {
    let all = u64::MAX;
    let table = [
        // A window that the user's own files name goes before what its provider says.
        candidate("saying/listed", None, Some(7), Some(false)),
        candidate("saying/capable", None, Some(1_000), Some(true)),
        candidate("saying/unlisted", None, Some(1_000), None),
        // A script says nothing of itself; one that is not there is nobody's.
        candidate("scripted/test", None, None, None),
        candidate("scripted/none", Some(Bar::NoProvider), None, None),
        candidate("nobody/model", Some(Bar::NoProvider), None, None),
        candidate("free/one", None, Some(100_000), None),
        candidate("keyed/one", None, Some(all), None),
        candidate("keyless/one", no_key("KEYLESS_KEY"), Some(all), None),
        // Whoever is signed in needs no key, unless the provider has ended that.
        candidate("signed/one", None, Some(all), None),
        candidate("refused/one", no_key("REFUSED_KEY"), Some(all), None),
        // A provider of whose key nothing is known is tried.
        candidate("other/one", None, Some(all), None),
    ];
    let house = house().await;
    let names: Vec<String> = table
        .iter()
        .map(|candidate| candidate.model.to_string())
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let session = house.session(settings(&names)).await;
    house.turn(session, "go").await;
    let expected: OrdMap<ModelId, Candidate> = table
        .into_iter()
        .map(|candidate| (candidate.model.clone(), candidate))
        .collect();
    assert_eq!(house.now(session).candidates, expected);
    house.close().await;
}

/// Which models are passed over on the way to one that can be asked, and why: in the order of the list, in a whole turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_cannot_answer_is_passed_over_with_its_reason() {
    let house = house().await;
    let names = [
        "nobody/model",
        "keyless/one",
        "refused/one",
        "saying/listed",
        "scripted/none",
    ];
    let session = house.session(settings(&names)).await;
    let end = house.turn(session, "go").await;
    let Some(TurnFailure::NobodyAnswered { given_up }) = end.failure else {
        panic!("{end:?}")
    };
    let skipped = given_up.iter().skip(1).map(|GivenUp { model, why }| match why {
        Why::Skipped(skip) => (model.to_string(), skip.clone()),
        Why::Failed { failure, .. } => panic!("{model} was asked: {failure}"),
    });
    let barred = |bar: Option<Bar>| Skip::Barred(bar.unwrap());
    let expected = [
        barred(Some(Bar::NoProvider)),
        barred(no_key("KEYLESS_KEY")),
        barred(no_key("REFUSED_KEY")),
        Skip::NoTools,
        barred(Some(Bar::NoProvider)),
    ];
    let expected: Vec<_> = names.iter().map(ToString::to_string).zip(expected).collect();
    assert_eq!(skipped.collect::<Vec<_>>(), expected);
    house.close().await;
}

/// A list is told when it is set, and again only when something about it has changed: one model less, another window,
/// no model at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_is_told_again_where_something_of_it_has_changed_and_only_there() {
    let house = house().await;
    let session = house
        .session(settings(&["nobody/b", "nobody/a", "nobody/b"]))
        .await;
    house.turn(session, "one").await;
    house.turn(session, "two").await;
    let both = vec!["nobody/a".to_owned(), "nobody/b".to_owned()];
    assert_eq!(
        told(&house, session),
        slice::from_ref(&both),
        "told once, each model once"
    );
    let set = async |names: &[&str]| {
        let setting = Setting::FallbackModels(list(names));
        house.runtime().set(session, setting).await.unwrap();
    };
    let none = |model: &str| candidate(model, Some(Bar::NoProvider), None, None);
    // The same in another order is the same.
    set(&["nobody/a", "nobody/b"]).await;
    assert_eq!(told(&house, session).len(), 1);
    set(&["nobody/b"]).await;
    assert_eq!(known(&house, session), [none("nobody/b")]);
    set(&["nobody/c"]).await;
    assert_eq!(known(&house, session), [none("nobody/c")]);
    set(&[]).await;
    assert_eq!(known(&house, session), []);
    house.turn(session, "three").await;
    let one = |model: &str| vec![model.to_owned()];
    assert_eq!(
        told(&house, session),
        [both, one("nobody/b"), one("nobody/c"), vec![]]
    );
    // Where there never was a list, nothing is told.
    let without = house.session(settings(&[])).await;
    house.turn(without, "go").await;
    assert_eq!(told(&house, without), Vec::<Vec<String>>::new());
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_models_of_a_list_are_told_than_are_looked_at() {
    let house = house().await;
    let names: Vec<String> = (0..MOST + 2).map(|n| format!("nobody/m{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let session = house.session(settings(&names)).await;
    house.turn(session, "go").await;
    house.turn(session, "again").await;
    let first: Vec<String> = names[..MOST].iter().map(ToString::to_string).collect();
    assert_eq!(told(&house, session), [first]);
    house.close().await;
}

/// What has changed outside of the session, here a sign-in, is known to it before whatever may lead to a request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_may_lead_to_a_request_is_told_first_what_is_known_by_then() {
    let house = house().await;
    let sign_ins = SignIns::new(house.home(), &BTreeMap::new(), Arc::new(SystemClock::default()));
    house.runtime().bind_sign_ins(&sign_ins).await.unwrap();
    let session = house.session(settings(&["keyless/one"])).await;
    let all = Some(u64::MAX);
    let barred = candidate("keyless/one", no_key("KEYLESS_KEY"), all, None);
    let free = candidate("keyless/one", None, all, None);
    let signed = async |is: bool| match is {
        true => drop(
            sign_ins
                .with_key("keyless", Keep::AsBefore, &"k".into())
                .await
                .unwrap(),
        ),
        false => assert!(sign_ins.sign_out("keyless").await.unwrap()),
    };
    house.turn(session, "one").await;
    assert_eq!(known(&house, session), slice::from_ref(&barred));
    signed(true).await;
    let watch = house.runtime().watch(session).unwrap();
    house.runtime().follow_up(session, "two", None).await.unwrap();
    House::end_of_turn(watch).await;
    assert_eq!(known(&house, session), slice::from_ref(&free));
    signed(false).await;
    // Nothing rests, which is found out after that.
    let _ = house.runtime().resume(session).await;
    assert_eq!(known(&house, session), [barred]);
    signed(true).await;
    house.turn(session, "three").await;
    assert_eq!(known(&house, session), [free]);
    house.close().await;
}

/// What the models take that may be asked is known before one is: the session's own, the one for summaries, and those of
/// the list. Of a script nobody says anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_told_what_all_models_take_that_it_may_ask() {
    let house = house().await;
    let session = house
        .session(Settings {
            compact_model: Sourced::from_layer(Some("saying/short".parse().unwrap()), Layer::Flag),
            ..settings(&["scripted/test", "saying/one"])
        })
        .await;
    let known = |session| house.now(session).settings.takes.value.clone();
    let expected = |names: &[&str]| -> OrdMap<ModelId, Takes> {
        ids(names).into_iter().map(|model| (model, takes())).collect()
    };
    assert_eq!(known(session), expected(&["saying/one", "saying/short"]));
    let own = Setting::Model(Sourced::from_layer(
        Some("saying/own".parse().unwrap()),
        Layer::Session,
    ));
    house.runtime().set(session, own).await.unwrap();
    assert_eq!(
        known(session),
        expected(&["saying/one", "saying/own", "saying/short"])
    );
    house.close().await;
}
