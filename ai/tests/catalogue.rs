//! The catalogue at its door: the shipped list, entries of the user's own over it, and other programs' lists.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that meets what it did not expect shall stop there"
)]

use std::collections::BTreeMap;

use glasswork_ai::abilities::{Thinking, ThinkingSupport};
use glasswork_ai::catalogue::{Api, Catalogue, Entry, ImportError, Model, OwnModels, import};
use glasswork_ai::model::ModelId;
use glasswork_ai::price::Rates;
use glasswork_ai::stream::Usage;
use glasswork_ai::wire::ReadCalls;
use glasswork_dialects::Dialect;
use proptest::prelude::*;

fn id(text: &str) -> ModelId {
    text.parse().unwrap()
}

fn own(file: &str, entries: &[(&str, Entry)]) -> (std::sync::Arc<str>, BTreeMap<ModelId, Entry>) {
    let entries = entries.iter().map(|(name, entry)| (id(name), entry.clone()));
    (file.into(), entries.collect())
}

fn price(input: &str) -> Rates {
    Rates {
        input: Some(input.parse().unwrap()),
        ..Rates::default()
    }
}

#[test]
fn what_the_shipped_list_says_of_a_model() {
    let model = Catalogue::default()
        .get(&id("anthropic/claude-sonnet-4-5"))
        .unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&model).unwrap(), @r#"
    {
      "id": "anthropic/claude-sonnet-4-5",
      "context_window": 200000,
      "max_output": 64000,
      "prices": {
        "version": "litellm 1.109.1 of 2026-11-21",
        "rates": {
          "input": "3.00",
          "output": "15.00",
          "cache_read": "0.30",
          "cache_write": "3.75",
          "cache_write_1h": "6.00"
        }
      },
      "abilities": {
        "thinking": {
          "budget": {
            "least": 1024,
            "most": 63999,
            "off": true
          }
        },
        "tools": true,
        "images": true,
        "structured_output": true
      },
      "ends": "2026-11-30",
      "from": [
        "litellm 1.109.1"
      ]
    }
    "#);
}

#[test]
fn a_cost_is_that_of_the_makers_page() {
    let model = Catalogue::default().get(&id("openai/gpt-5")).unwrap();
    let used = Usage {
        input: 10_000,
        output: 2_000,
        cache_read: 90_000,
        cache_write: 0,
        cache_write_1h: 0,
    };
    // $1.25, $10 and $0.125 for a million.
    let cost = model.prices.unwrap().cost(&used).unwrap();
    assert_eq!(cost.to_string(), "0.04375");
}

#[test]
fn own_entries_lie_over_the_list_field_by_field_and_later_files_over_earlier_ones() {
    let window = |tokens| Entry {
        context_window: Some(tokens),
        ..Entry::default()
    };
    let catalogue = Catalogue::with([
        own(
            "a.ron",
            &[
                (
                    "openai/gpt-5",
                    Entry {
                        price: price("2"),
                        ..window(1_000)
                    },
                ),
                ("home/llama", window(8_192)),
            ],
        ),
        own("b.ron", &[("openai/gpt-5", window(2_000))]),
    ]);
    let shipped = Catalogue::default().get(&id("openai/gpt-5")).unwrap();
    let model = catalogue.get(&id("openai/gpt-5")).unwrap();
    assert_eq!(
        (model.context_window, model.max_output),
        (Some(2_000), shipped.max_output)
    );
    assert_eq!(model.abilities, shipped.abilities);
    let (prices, before) = (model.prices.unwrap(), shipped.prices.unwrap());
    assert_eq!(prices.rates, price("2").or(before.rates));
    assert_eq!(&*prices.version, format!("a.ron over {}", before.version));
    let from: Vec<&str> = model.from.iter().map(|from| &**from).collect();
    assert_eq!(from[1..], ["a.ron", "b.ron"]);
    // Of what only the user knows, nothing is made up.
    let llama = catalogue.get(&id("home/llama")).unwrap();
    assert_eq!(
        llama,
        Model {
            context_window: Some(8_192),
            from: vec!["a.ron".into()],
            ..Model::unknown(id("home/llama"))
        }
    );
    assert_eq!(catalogue.get(&id("home/other")), None);
    // Under a maker's name at another address there may be anything.
    let elsewhere = catalogue.without_shipped(["openai"]);
    assert_eq!(elsewhere.get(&id("openai/gpt-5")).unwrap().max_output, None);
    assert_eq!(elsewhere.get(&id("openai/gpt-5-mini")), None);
    assert!(
        elsewhere
            .ids()
            .iter()
            .all(|id| &*id.provider != "openai" || &*id.model == "gpt-5")
    );
}

#[test]
fn what_a_server_says_lies_under_what_the_user_says_and_the_origin_of_a_window_is_known() {
    let window = |tokens| Entry {
        context_window: Some(tokens),
        ..Entry::default()
    };
    let named = |name: &str| Entry {
        name: Some(name.into()),
        ..Entry::default()
    };
    let files = [
        own(
            "a.ron",
            &[
                ("home/q", window(1_000)),
                ("home/r", named("R")),
                ("openai/gpt-5", named("G")),
            ],
        ),
        own(
            "b.ron",
            &[("home/q", named("Q")), ("openai/gpt-5-mini", window(9))],
        ),
    ];
    let told = ["home/q", "home/r", "home/s"].map(|name| {
        (
            id(name),
            Entry {
                tools: Some(true),
                ..window(77)
            },
        )
    });
    let catalogue = Catalogue::with(files).with_told(&"a server".into(), told);
    let found = |name: &str| {
        let known = catalogue.get(&id(name));
        let window = known.as_ref().and_then(|known| known.context_window);
        let from = catalogue.window_from(&id(name)).map(|from| from.to_string());
        (window, from, known.and_then(|known| known.abilities.tools))
    };
    let from = |from: &str| Some(from.to_owned());
    assert_eq!(found("home/q"), (Some(1_000), from("a.ron"), Some(true)));
    assert_eq!(found("home/r"), (Some(77), from("a server"), Some(true)));
    assert_eq!(found("home/s"), (Some(77), from("a server"), Some(true)));
    assert_eq!(found("home/t"), (None, None, None));
    assert_eq!(found("openai/gpt-5-mini").1, from("b.ron"));
    assert!(found("openai/gpt-5").1.unwrap().starts_with("litellm "));
    let later = Catalogue::with([
        own("a.ron", &[("home/q", window(1))]),
        own("b.ron", &[("home/q", window(2))]),
    ]);
    assert_eq!(later.window_from(&id("home/q")).as_deref(), Some("b.ron"));
    assert_eq!(
        catalogue
            .without_shipped(["openai"])
            .window_from(&id("openai/gpt-5")),
        None
    );
}

#[test]
fn a_provider_is_known_by_the_list_or_by_an_entry_of_ones_own() {
    let catalogue =
        Catalogue::with([own("a.ron", &[("home/q", Entry::default())])]).without_shipped(["openai"]);
    let known = ["anthropic", "openai", "home", "nobody"]
        .map(|name| (catalogue.lists(name), catalogue.knows_provider(name)));
    assert_eq!(
        known,
        [(true, true), (false, false), (false, true), (false, false)]
    );
    // What stands in the list and in a file is listed once.
    let both = Catalogue::with([own("a.ron", &[("openai/gpt-5", Entry::default())])]);
    assert_eq!(
        both.ids()
            .iter()
            .filter(|listed| **listed == id("openai/gpt-5"))
            .count(),
        1
    );
}

#[test]
fn every_field_of_an_entry_takes_the_place_of_what_is_known() {
    let tier = |above: u64, input: &str| glasswork_ai::price::Tier {
        above,
        rates: price(input),
    };
    let entry = Entry {
        name: Some("N".into()),
        context_window: Some(1),
        max_output: Some(2),
        price: price("3"),
        long: Some(vec![tier(20, "5"), tier(10, "4")]),
        tools: Some(false),
        images: Some(false),
        structured_output: Some(false),
        thinking: Some(ThinkingSupport::Switch),
        ends: Some("2030-01-01".into()),
    };
    let asked = id("anthropic/claude-sonnet-4-5");
    let before = Catalogue::default().get(&asked).unwrap();
    let model = Catalogue::with([own("a.ron", &[("anthropic/claude-sonnet-4-5", entry)])])
        .get(&asked)
        .unwrap();
    let rates = before.prices.unwrap().rates;
    let expected = Model {
        id: asked,
        name: Some("N".into()),
        context_window: Some(1),
        max_output: Some(2),
        prices: Some(glasswork_ai::price::Prices {
            version: "a.ron over litellm 1.109.1 of 2026-11-21".into(),
            rates: price("3").or(rates),
            // By rising limits, in whatever order they stand.
            tiers: vec![tier(10, "4"), tier(20, "5")],
        }),
        abilities: glasswork_ai::abilities::Abilities {
            thinking: ThinkingSupport::Switch,
            tools: Some(false),
            images: Some(false),
            structured_output: Some(false),
        },
        ends: Some("2030-01-01".into()),
        from: before.from.into_iter().chain(["a.ron".into()]).collect(),
    };
    assert_eq!(model, expected);
}

#[test]
fn a_price_of_ones_own_holds_for_long_requests_too_and_one_for_these_alone_says_nothing_of_others() {
    let listed = "anthropic/claude-sonnet-4-5";
    let tier = glasswork_ai::price::Tier {
        above: 10,
        rates: price("4"),
    };
    let long = Entry {
        long: Some(vec![tier]),
        ..Entry::default()
    };
    let short = Entry {
        price: price("1"),
        ..Entry::default()
    };
    let catalogue = Catalogue::with([
        own("a.ron", &[(listed, long)]),
        own("b.ron", &[(listed, short.clone())]),
    ]);
    let prices = catalogue.get(&id(listed)).unwrap().prices.unwrap();
    assert_eq!(prices.tiers.len(), 1);
    assert_eq!(
        (prices.rates.input, prices.tiers[0].rates.input),
        (price("1").input, price("1").input)
    );
    let alone = Catalogue::with([own(
        "a.ron",
        &[(
            "home/x",
            Entry {
                long: Some(vec![tier]),
                ..Entry::default()
            },
        )],
    )]);
    let prices = alone.get(&id("home/x")).unwrap().prices.unwrap();
    assert_eq!((prices.rates, prices.tiers.len()), (Rates::default(), 1));
}

#[test]
fn a_file_of_ones_own_says_what_a_person_writes() {
    let text = r#"(
        providers: {
            "home": (base_url: "http://localhost:8080/v1", text_calls: qwen_xml),
            "there": (base_url: "http://localhost:8081/v1"),
        },
        models: {
            "home/qwen": (context_window: 32768, price: (input: 0, output: 0.5), tools: true, thinking: levels([off, high])),
        },
    )"#;
    let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
    let own: OwnModels = options.from_str(text).unwrap();
    assert_eq!(own.providers["home"].api, Api::OpenaiChat);
    let read = |name: &str| own.providers[name].server(name).text_calls;
    assert_eq!(read("home"), ReadCalls::As(Dialect::QwenXml));
    assert_eq!(read("there"), ReadCalls::Auto);
    let entry = &own.models[&id("home/qwen")];
    assert_eq!(entry.price.output, Some("0.5".parse().unwrap()));
    assert_eq!(
        entry.thinking,
        Some(ThinkingSupport::Levels(vec![Thinking::Off, Thinking::High]))
    );
    let again: OwnModels = options.from_str(&options.to_string(&own).unwrap()).unwrap();
    assert_eq!(again, own);
    let wrong = options
        .from_str::<OwnModels>(r#"(models: {"home/x": (windw: 1)})"#)
        .unwrap_err();
    assert!(wrong.to_string().contains("windw"), "{wrong}");
}

#[test]
fn models_of_pi_are_taken_and_its_keys_are_not() {
    let text = r#"{ "providers": {
        "relay": {
            "baseUrl": "https://relay.example/v1", "apiKey": "sk-literal-key", "api": "openai-completions",
            "headers": { "x-team": "a" },
            "models": [
                { "id": "big/model", "name": "Big", "reasoning": true, "input": ["text", "image"],
                  "thinkingLevelMap": { "off": null, "low": "low", "high": "max" },
                  "cost": { "input": 0.6, "output": 2.5, "cacheRead": 0.15, "cacheWrite": 0 },
                  "contextWindow": 262144, "maxTokens": 16384, "compat": { "supportsStore": false } },
                { "id": "small", "reasoning": false, "cost": { "input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0 } },
                { "name": "nameless" }
            ]
        },
        "cloud": { "baseUrl": "https://cloud.example", "apiKey": "$CLOUD_API_KEY", "api": "anthropic-messages", "models": [] },
        "odd": { "baseUrl": "https://odd.example", "apiKey": "!pass show odd", "api": "bedrock-converse-stream",
                 "modelOverrides": { "m": { "contextWindow": 1000 } } }
    } }"#;
    let taken = import(text, &|_| true).unwrap();
    let ron = ron::ser::to_string_pretty(&taken.own, ron::ser::PrettyConfig::new().depth_limit(3)).unwrap();
    assert!(
        !ron.contains("sk-literal-key") && !ron.contains("pass show"),
        "{ron}"
    );
    insta::assert_snapshot!(ron, @r#"
    (
        providers: {
            "cloud": (
                base_url: "https://cloud.example",
                api: anthropic_messages,
                key_variable: Some("CLOUD_API_KEY"),
            ),
            "relay": (
                base_url: "https://relay.example/v1",
                api: openai_chat,
            ),
        },
        models: {
            "odd/m": (
                context_window: Some(1000),
            ),
            "relay/big/model": (
                name: Some("Big"),
                context_window: Some(262144),
                max_output: Some(16384),
                price: (input: Some("0.60"), output: Some("2.50"), cache_read: Some("0.15")),
                images: Some(true),
                thinking: Some(levels([low, high])),
            ),
            "relay/small": (
                thinking: Some(never),
            ),
        },
    )
    "#);
    insta::assert_snapshot!(taken.left.join("\n"), @r#"
    odd: its server speaks `bedrock-converse-stream`, which is not spoken here; its models are taken
    relay: `headers` has no counterpart here
    relay: its key is not written down again; put it into a variable, and name that as `key_variable`
    relay/big/model: `compat` has no counterpart here
    relay/small: a price of nothing, which pi has for what is not known; if it costs nothing, say `price: (input: 0, output: 0)`
    relay: a model without an id
    "#);
    let only = import(text, &|name| name == "cloud").unwrap();
    assert_eq!(
        (only.own.providers.len(), only.own.models.len(), only.left.len()),
        (1, 0, 0)
    );
}

/// How a server is spoken to and its variable, what is said of a model, and how many remarks there are.
type OfPi = (Option<(Api, Option<String>)>, Option<Entry>, usize);

/// One provider of pi with one model: what is taken of both.
fn of_pi(provider: &str, model: &str) -> OfPi {
    let text = format!(
        r#"{{ "providers": {{ "p": {{ "baseUrl": "https://p.example", {provider} "models": [{{ "id": "m" {model} }}] }} }} }}"#
    );
    let taken = import(&text, &|name| name == "p").unwrap();
    let server = taken.own.providers.get("p");
    let server = server.map(|server| (server.api, server.key_variable.as_ref().map(ToString::to_string)));
    (
        server,
        taken.own.models.get(&id("p/m")).cloned(),
        taken.left.len(),
    )
}

#[test]
fn keys_and_protocols_of_pi() {
    let variable = |name: &str| Some(name.to_owned());
    let table = [
        (r#""name": "P","#, Api::OpenaiChat, None, 0),
        (r#""apiKey": "$A_KEY","#, Api::OpenaiChat, variable("A_KEY"), 0),
        (r#""apiKey": "${A_KEY}","#, Api::OpenaiChat, variable("A_KEY"), 0),
        (r#""apiKey": "A_KEY_2","#, Api::OpenaiChat, variable("A_KEY_2"), 0),
        // These may well be keys.
        (r#""apiKey": "ABCDEF","#, Api::OpenaiChat, None, 1),
        (r#""apiKey": "Sk_abc","#, Api::OpenaiChat, None, 1),
        (r#""apiKey": "sk_key","#, Api::OpenaiChat, None, 1),
        (r#""apiKey": "!pass","#, Api::OpenaiChat, None, 1),
        // And these are none.
        (r#""apiKey": "not-needed","#, Api::OpenaiChat, None, 0),
        (r#""apiKey": "ollama","#, Api::OpenaiChat, None, 0),
        (r#""api": "openai-responses","#, Api::OpenaiResponses, None, 0),
        (r#""api": "google-generative-ai","#, Api::Gemini, None, 0),
        (r#""api": "anthropic-messages","#, Api::AnthropicMessages, None, 0),
    ];
    for (provider, api, key, remarks) in table {
        let (server, model, left) = of_pi(provider, "");
        assert_eq!((server, left), (Some((api, key)), remarks), "{provider}");
        assert!(model.is_some(), "{provider}");
    }
    let (server, model, left) = of_pi(r#""api": "other","#, "");
    assert_eq!((server, model.is_some(), left), (None, true, 1));
}

#[test]
fn a_price_of_zero_stands_for_none_in_pi_unless_something_has_a_price() {
    let rates = |input: &str, output: &str, cache_read: Option<&str>, cache_write: Option<&str>| {
        let rate = |text: &str| Some(text.parse().unwrap());
        Rates {
            input: rate(input),
            output: rate(output),
            cache_read: cache_read.and_then(rate),
            cache_write: cache_write.and_then(rate),
            cache_write_1h: None,
        }
    };
    let cost = |text: &str| {
        let (_, model, left) = of_pi("", &format!(r#", "cost": {{ {text} }}"#));
        (model.unwrap().price, left)
    };
    assert_eq!(
        cost(r#""input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0"#),
        (Rates::default(), 1)
    );
    assert_eq!(cost(""), (Rates::default(), 0));
    // Free input, and output that costs something, is a price.
    assert_eq!(
        cost(r#""input": 0, "output": 2"#),
        (rates("0", "2", None, None), 0)
    );
    assert_eq!(
        cost(r#""input": 1, "output": 2, "cacheRead": 0, "cacheWrite": 0"#),
        (rates("1", "2", None, None), 0)
    );
    assert_eq!(
        cost(r#""input": 1, "output": 2, "cacheRead": 0.1, "cacheWrite": 1.25"#),
        (rates("1", "2", Some("0.1"), Some("1.25")), 0)
    );
    let (_, model, _) = of_pi("", r#", "input": ["text"], "reasoning": true"#);
    let model = model.unwrap();
    assert_eq!((model.images, model.thinking), (Some(false), None));
    assert_eq!(of_pi("", "").1, Some(Entry::default()));
}

#[test]
fn what_models_dev_says_of_addresses_windows_and_thinking() {
    let taken = |provider: &str, model: &str| {
        let text = format!(
            r#"{{ "p": {{ {provider} "models": {{ "m": {{ {model} }} }} }}, "q": {{ "models": {{}} }} }}"#
        );
        let taken = import(&text, &|name| name == "p").unwrap();
        assert_eq!((taken.format, taken.own.models.len()), ("models.dev", 1));
        (taken.own.providers, taken.own.models[&id("p/m")].clone())
    };
    let servers = |provider: &str| {
        let (providers, _) = taken(provider, "");
        let server = providers.get("p")?;
        Some((server.api, server.key_variable.as_ref().map(ToString::to_string)))
    };
    let compatible = r#""npm": "@ai-sdk/openai-compatible","#;
    assert_eq!(
        servers(&format!(
            r#"{compatible} "api": "https://p.example/${{ACCOUNT}}/v1","#
        )),
        None
    );
    assert_eq!(servers(compatible), None);
    assert_eq!(
        servers(&format!(
            r#"{compatible} "api": "https://p.example/v1", "env": ["A_KEY", "B_KEY"],"#
        )),
        Some((Api::OpenaiChat, Some("A_KEY".to_owned())))
    );
    assert_eq!(
        servers(r#""npm": "@ai-sdk/anthropic", "api": "https://p.example/v1","#),
        Some((Api::AnthropicMessages, None))
    );
    let limits = |text: &str| {
        let model = taken("", &format!(r#""limit": {{ {text} }}"#)).1;
        (model.context_window, model.max_output)
    };
    assert_eq!(limits(r#""context": 0, "output": 0"#), (None, None));
    assert_eq!(
        limits(r#""context": 400, "input": 300, "output": 100"#),
        (Some(300), Some(100))
    );
    assert_eq!(limits(r#""context": 400"#), (Some(400), None));
    let thinking = |text: &str| taken("", text).1.thinking;
    assert_eq!(thinking(r#""reasoning": false"#), Some(ThinkingSupport::Never));
    // That it thinks does not say how it can be made to.
    assert_eq!((thinking(r#""reasoning": true"#), thinking("")), (None, None));
}

#[test]
fn models_of_models_dev_are_taken() {
    let text = r#"{
        "moonshotai": {
            "id": "moonshotai", "env": ["MOONSHOT_API_KEY"], "npm": "@ai-sdk/openai-compatible",
            "api": "https://api.moonshot.ai/v1", "name": "Moonshot AI",
            "models": {
                "kimi-k3": { "id": "kimi-k3", "name": "Kimi K3", "attachment": false, "reasoning": true, "tool_call": true,
                    "structured_output": true, "modalities": { "input": ["text", "image"], "output": ["text"] },
                    "cost": { "input": 0.6, "output": 2.5, "cache_read": 0.15,
                              "context_over_200k": { "input": 1.2, "output": 5 } },
                    "limit": { "context": 262144, "output": 0 } },
                "broken": { "limit": { "context": "many" } }
            }
        },
        "vertex": { "npm": "@ai-sdk/google-vertex", "api": "https://x.example", "models": {
            "plain": { "reasoning": false, "tool_call": false } } }
    }"#;
    // Of a list with hundreds of providers a person wants a few, and hears nothing of the others.
    let one = import(text, &|name| name == "vertex").unwrap();
    let ids: Vec<String> = one.own.models.keys().map(ToString::to_string).collect();
    assert_eq!(
        (one.own.providers.len(), ids),
        (0, vec!["vertex/plain".to_owned()])
    );
    assert!(
        one.left.iter().all(|left| left.contains("vertex")),
        "{:?}",
        one.left
    );

    let taken = import(text, &|_| true).unwrap();
    let ron = ron::ser::to_string_pretty(&taken.own, ron::ser::PrettyConfig::new().depth_limit(3)).unwrap();
    insta::assert_snapshot!(ron, @r#"
    (
        providers: {
            "moonshotai": (
                base_url: "https://api.moonshot.ai/v1",
                api: openai_chat,
                key_variable: Some("MOONSHOT_API_KEY"),
            ),
        },
        models: {
            "moonshotai/kimi-k3": (
                name: Some("Kimi K3"),
                context_window: Some(262144),
                price: (input: Some("0.60"), output: Some("2.50"), cache_read: Some("0.15")),
                long: Some([(above: 200000, rates: (input: Some("1.20"), output: Some("5.00")))]),
                tools: Some(true),
                images: Some(true),
                structured_output: Some(true),
            ),
            "vertex/plain": (
                tools: Some(false),
                thinking: Some(never),
            ),
        },
    )
    "#);
    insta::assert_snapshot!(taken.left.join("\n"), @r#"
    moonshotai/broken: invalid type: string "many", expected u64
    vertex: its server is spoken to by `@ai-sdk/google-vertex`, which is not known here; its models are taken
    "#);
}

#[test]
fn what_is_no_list_is_told_and_remarks_have_a_cap() {
    for text in ["{}", "[]", "{\"a\": 1}", "3", "{\"a\": {\"models\": []}}"] {
        assert_eq!(import(text, &|_| true), Err(ImportError::Other), "{text}");
    }
    assert!(matches!(import("{", &|_| true), Err(ImportError::NotJson(_))));
    let many: Vec<String> = (0..500).map(|_| "{\"name\": \"x\"}".to_owned()).collect();
    let text = format!(
        "{{\"providers\": {{\"p\": {{\"models\": [{}]}}}}}}",
        many.join(",")
    );
    let taken = import(&text, &|_| true).unwrap();
    assert_eq!((taken.left.len(), taken.more_left), (200, 300));
}

proptest! {
    /// Whatever is asked for: an answer is about what was asked for, and everything that is listed is found.
    #[test]
    fn looking_up_finds_what_is_there_and_nothing_else(provider in "[a-z-]{1,12}", model in "[ -~]{1,20}") {
        let catalogue = Catalogue::default();
        let asked = ModelId { provider: provider.as_str().into(), model: model.as_str().into() };
        let listed = catalogue.ids().contains(&asked);
        prop_assert_eq!(catalogue.get(&asked).map(|found| found.id), listed.then_some(asked));
    }

    #[test]
    fn no_text_is_too_strange_to_be_imported(text in "\\PC{0,80}", key in "[a-z]{1,8}", value in "[0-9a-z\"\\[\\]{}:,]{0,40}") {
        let _ = import(&text, &|_| true);
        let _ = import(&format!("{{\"providers\": {{\"{key}\": {{\"models\": [{value}]}}}}}}"), &|_| true);
        let _ = import(&format!("{{\"{key}\": {{\"models\": {{\"{key}\": {{\"limit\": {value}}}}}}}}}"), &|_| true);
    }
}
