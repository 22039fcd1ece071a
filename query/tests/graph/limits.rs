use std::time::Duration;

use glasswork_app_runtime::reading::Viewer;
use glasswork_session_state::settings::Mode;
use serde_json::{Value, json};

use crate::world::{S, World, ask, failures, limited};

fn code_of(answer: &Value) -> &str {
    assert_eq!(answer["data"], Value::Null);
    answer["errors"][0]["extensions"]["code"].as_str().unwrap()
}

#[test]
fn a_query_that_asks_for_too_much_is_refused_before_anything_is_read() {
    let world = World::new(Mode::Ask);
    let graph = world.graph();
    let deep = format!(
        "{{ dispatch(id: \"{S}/1\") {} id {} }}",
        "{ cause ".repeat(40),
        "}".repeat(40)
    );
    let deep_enough = format!(
        "{{ dispatch(id: \"{S}/1\") {} id {} }}",
        "{ cause ".repeat(20),
        "}".repeat(20)
    );
    let aliases: String = (0..40).map(|n| format!("a{n}: host {{ id }} ")).collect();
    // Each fragment uses the next one twice: 2^30 fields in a few lines.
    let bomb: String = (0..30)
        .map(|n| format!("fragment f{n} on Query {{ ...f{} ...f{} }} ", n + 1, n + 1))
        .collect();
    let lists = "{ sessions(first: 200) { nodes { session { entries(first: 200) { nodes { id } } } } } }";
    let dispatches = format!(
        "{{ dispatches(session: \"{S}\", first: 200) {{ nodes {{ caused(first: 200) {{
        nodes {{ facts {{ name }} }} }} }} }} }}"
    );
    let cases = [
        ("{ host {", "MALFORMED"),
        ("", "MALFORMED"),
        ("{ nothing }", "INVALID"),
        ("{ host { id } ", "MALFORMED"),
        ("mutation { host { id } }", "READ_ONLY"),
        ("{ session(id: 7) { id } }", "INVALID"),
        (&deep, "TOO_DEEP"),
        (&deep_enough, "TOO_DEEP"),
        (&format!("{{ a(b: {} }}", "[".repeat(60_000)), "TOO_DEEP"),
        (&"{".repeat(60_000), "TOO_DEEP"),
        (&format!("{{ {aliases} }}"), "TOO_MANY_ALIASES"),
        (
            &format!("{{ ...f0 }} {bomb} fragment f30 on Query {{ host {{ id }} }}"),
            "TOO_MANY_FIELDS",
        ),
        (lists, "TOO_EXPENSIVE"),
        (&dispatches, "TOO_EXPENSIVE"),
        (
            &format!("{{ host {{ id }} }} # {}", "x".repeat(70_000)),
            "QUERY_TOO_LARGE",
        ),
    ];
    for (query, code) in cases {
        let answer = ask(&graph, Viewer::owner(), query);
        assert_eq!(code_of(&answer), code, "{query:.200}: {answer:#}");
    }
}

#[test]
fn aliases_in_a_fragment_count_as_often_as_it_is_used() {
    let world = World::new(Mode::Ask);
    let graph = limited(&world, |limits| limits.aliases = 3);
    let fragment = "fragment two on Query { a: host { id } b: host { id } }";
    assert_eq!(
        failures(&graph, Viewer::owner(), &format!("{{ ...two }} {fragment}")),
        []
    );
    let twice = failures(
        &graph,
        Viewer::owner(),
        &format!("{{ ...two x: host {{ id }} ...two }} {fragment}"),
    );
    assert_eq!(twice[0].0, "TOO_MANY_ALIASES");
}

#[test]
fn a_page_has_a_largest_size() {
    let world = World::new(Mode::Ask);
    assert_eq!(
        world.failures("{ sessions(first: 201) { nodes { id } } host { version } }"),
        [("PAGE_TOO_LARGE".to_owned(), "sessions".to_owned())]
    );
    assert_eq!(
        world.ask("{ sessions(first: 0) { nodes { id } } }"),
        json!({ "sessions": { "nodes": [] } })
    );
}

/// The text of the whole answer is what is limited; what does not fit is left out, the rest is answered.
#[test]
fn a_long_text_fails_alone() {
    let world = World::new(Mode::Ask);
    world.prompt(&"x".repeat(5_000));
    let graph = limited(&world, |limits| limits.answer_bytes = 4_000);
    let query =
        format!("{{ session(id: \"{S}\") {{ entries {{ nodes {{ id text preview(characters: 3) }} }} }} }}");
    let answer = ask(&graph, Viewer::owner(), &query);
    assert_eq!(
        answer["data"]["session"]["entries"]["nodes"],
        json!([{ "id": format!("{S}/2.0"), "text": null, "preview": "xxx…" }])
    );
    assert_eq!(answer["errors"][0]["extensions"]["code"], "ANSWER_TOO_LARGE");
    assert_eq!(
        answer["errors"][0]["path"],
        json!(["session", "entries", "nodes", 0, "text"])
    );
}

#[test]
fn time_runs_out() {
    let world = World::new(Mode::Ask);
    let graph = limited(&world, |limits| limits.time = Duration::ZERO);
    assert_eq!(
        failures(&graph, Viewer::owner(), "{ sessions { nodes { id } } }")[0].0,
        "TIMED_OUT"
    );
}

#[test]
fn commits_that_are_read_are_counted() {
    let world = World::new(Mode::Ask);
    world.turn();
    let graph = limited(&world, |limits| limits.commits = 3);
    let query = format!("{{ dispatches(session: \"{S}\") {{ nodes {{ id }} }} }}");
    assert_eq!(
        failures(&graph, Viewer::owner(), &query),
        [("ANSWER_TOO_LARGE".to_owned(), "dispatches".to_owned())]
    );
}

#[test]
fn a_field_that_cannot_be_read_fails_alone() {
    let world = World::new(Mode::Ask);
    world.turn();
    world.archive.break_off(world.session);
    let query = "{ sessions { nodes { id damage session { id } } } charts(name: \"session\") { name } }";
    let answer = ask(&world.later(), Viewer::owner(), query);
    assert_eq!(
        answer["data"],
        json!({
            "sessions": { "nodes": [{ "id": S, "damage": "the disk is gone", "session": null }] },
            "charts": [{ "name": "session" }],
        })
    );
    assert_eq!(
        failures(&world.later(), Viewer::owner(), query),
        [("DAMAGED".to_owned(), "sessions.nodes.0.session".to_owned())]
    );
}

#[test]
fn introspection_as_tools_do_it_is_answered() {
    let world = World::new(Mode::Ask);
    let of_type =
        "kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";
    let query = format!(
        "{{ __schema {{ queryType {{ name }} types {{ kind name fields(includeDeprecated: true) {{ name args {{ name
        type {{ {of_type} }} }} type {{ {of_type} }} }} }} directives {{ name args {{ name }} }} }} }}"
    );
    assert_eq!(world.ask(&query)["__schema"]["queryType"]["name"], "Query");
}

#[test]
fn variables_and_the_name_of_an_operation_are_taken() {
    let world = World::new(Mode::Ask);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let query = "query a($id: String!) { session(id: $id) { id } } query b { host { version } }";
    let graph = world.graph();
    let run = |variables, name| {
        let answer = graph.execute(Viewer::owner(), query, variables, name);
        runtime.block_on(answer).to_json().unwrap()
    };
    assert_eq!(
        run(json!({ "id": S }), Some("a")),
        json!({ "data": { "session": { "id": S } } })
    );
    assert_eq!(
        run(Value::Null, Some("b")),
        json!({ "data": { "host": { "version": "0.1.0" } } })
    );
    assert_eq!(code_of(&run(Value::Null, Some("c"))), "INVALID");
    assert_eq!(code_of(&run(Value::Null, None)), "INVALID");
    assert_eq!(code_of(&run(json!([1]), Some("b"))), "INVALID");
    assert_eq!(
        code_of(&run(json!({ "id": "x".repeat(70_000) }), Some("a"))),
        "QUERY_TOO_LARGE"
    );
}

#[test]
fn brackets_in_comments_and_texts_are_none() {
    let world = World::new(Mode::Ask);
    let many = "{[(".repeat(30);
    for query in [
        format!("{{ sessions {{ nodes {{ id }} }} }} # {many}"),
        format!("# {many}\n{{ sessions {{ nodes {{ id }} }} }}"),
    ] {
        assert_eq!(world.failures(&query), [], "{query}");
    }
    for name in [
        format!("a{many}"),
        format!("a\\\"{many}"),
        format!("\\\\\\\"{many}\\\"{many}"),
    ] {
        let failed = world.failures(&format!("{{ session(id: \"{name}\") {{ id }} }}"));
        assert_eq!(failed, [("NOT_FOUND".to_owned(), "session".to_owned())], "{name}");
    }
}
