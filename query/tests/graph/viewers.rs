use glasswork_app_runtime::reading::Viewer;
use glasswork_session_state::settings::Mode;
use serde_json::json;

use crate::world::{S, World, ask};

const OTHER: &str = "00000000-0000-0000-0000-000000000003";
const NOBODY: &str = "00000000-0000-0000-0000-00000000000f";
const HOST: &str = "00000000-0000-0000-0000-000000000001";

/// Every way to name a session, for one that is hidden, one that does not exist, and the host: the answers are the
/// same but for the name.
#[test]
fn what_a_viewer_may_not_see_looks_as_if_it_were_not_there() {
    let world = World::new(Mode::Ask);
    world.turn();
    world.open(Mode::Ask);
    let viewer = Viewer::of(world.session);
    let questions = [
        "{ session(id: \"ID\") { id } }",
        "{ session(id: \"ID\", at: 1) { id } }",
        "{ request(session: \"ID\", step: 1) { id } }",
        "{ requestDiff(session: \"ID\", from: 1, to: 2) { keptCount } }",
        "{ nextRequest(session: \"ID\") { id } }",
        "{ dispatches(session: \"ID\") { nodes { id } } }",
        "{ dispatch(id: \"ID/1\") { id } }",
        "{ dispatch(id: \"ID/1!1\") { id } }",
        "{ diff(session: \"ID\", from: 0, to: 1) { more } }",
        "{ tools(session: \"ID\") { name } }",
        "{ charts(name: \"turn\") { configuration(session: \"ID\") { state } } }",
        "{ charts(name: \"turn\") { history(session: \"ID\") { nodes { at } } } }",
        "{ why(of: { dispatch: \"ID/1\" }) { end } }",
        "{ why(of: { toolCall: \"ID/1.1\" }) { end } }",
        "{ why(of: { entry: \"ID/1.0\" }) { end } }",
        "{ why(of: { requestPart: { request: \"ID/r1\", message: 0 } }) { end } }",
    ];
    let graph = world.graph();
    for question in questions {
        let answer = |id: &str| {
            ask(&graph, viewer.clone(), &question.replace("ID", id))
                .to_string()
                .replace(id, "ID")
        };
        let absent = answer(NOBODY);
        assert!(absent.contains("NOT_FOUND"), "{question}: {absent}");
        assert_eq!(answer(OTHER), absent, "{question}");
        assert_eq!(answer(HOST), absent, "{question}");
        let own = answer(S);
        assert_ne!(own, absent, "{question}");
    }
}

#[test]
fn a_viewer_of_one_session_sees_one_session_and_no_host() {
    let world = World::new(Mode::Ask);
    world.turn();
    world.open(Mode::Ask);
    let query = "{ host { version } sessions { nodes { id } } models { id credential chosenBy } }";
    let restricted = ask(&world.graph(), Viewer::of(world.session), query);
    assert_eq!(
        restricted,
        json!({ "data": {
            "host": null,
            "sessions": { "nodes": [{ "id": S }] },
            "models": [{ "id": "scripted/test", "credential": null, "chosenBy": 1 }],
        } })
    );
    let owner = ask(&world.graph(), Viewer::owner(), query);
    assert_eq!(
        owner,
        json!({ "data": {
            "host": { "version": "0.1.0" },
            "sessions": { "nodes": [{ "id": OTHER }, { "id": S }] },
            "models": [{ "id": "scripted/test", "credential": "NOT_NEEDED", "chosenBy": 2 }],
        } })
    );
}

/// The beginning that both ids share names one session for a viewer who sees one, and several for the owner.
#[test]
fn a_beginning_of_an_id_is_looked_for_among_what_the_viewer_sees() {
    let world = World::new(Mode::Ask);
    world.open(Mode::Ask);
    let query = "{ session(id: \"00000000\") { id } }";
    let graph = world.graph();
    assert_eq!(
        ask(&graph, Viewer::of(world.session), query)["data"]["session"]["id"],
        S
    );
    let several = ask(&graph, Viewer::owner(), query);
    assert_eq!(several["errors"][0]["extensions"]["code"], "AMBIGUOUS");
    assert_eq!(
        ask(&graph, Viewer::owner(), "{ session(id: \"last\") { id } }")["data"]["session"]["id"],
        OTHER
    );
    let absent = ask(&graph, Viewer::owner(), "{ session(id: \"ff\") { id } }");
    assert_eq!(absent["errors"][0]["extensions"]["code"], "NOT_FOUND");
}
