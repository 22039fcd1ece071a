use glasswork_ai::takes::{CacheForm, Sampling, Takes};
use glasswork_session_state::settings::{Layer, Mode, Setting, Sourced};
use insta::assert_json_snapshot;

use crate::world::{S, World};

const CARRIED: &str = "{ recorded controls { temperature topP stop effort speed
    cache { life key breakpoints { after message } } } adjusted { control asked sent why text } }";

#[test]
fn what_would_be_carried_is_shown_before_it_is_sent_and_what_was_stays() {
    let world = World::new(Mode::Ask);
    let model = world.state().settings.model.value.clone().unwrap();
    let takes = Takes {
        sampling: Sampling::Never,
        cache: CacheForm::Marks { most: 4, tools: true },
        ..Takes::default()
    };
    for setting in [
        Setting::Takes(Sourced::from_layer(
            [(model, takes)].into_iter().collect(),
            Layer::Default,
        )),
        Setting::Temperature(Sourced::from_layer("0.7".parse().ok(), Layer::Session)),
        Setting::Stop(Sourced::from_layer(vec!["END".into()], Layer::Session)),
    ] {
        world.set(setting);
    }
    let next = world.ask(&format!("{{ nextRequest(session: \"{S}\") {CARRIED} }}"))["nextRequest"].clone();
    assert_json_snapshot!(next, @r#"
    {
      "adjusted": [
        {
          "asked": "0.70",
          "control": "TEMPERATURE",
          "sent": null,
          "text": "temperature 0.70 is not sent: the model or its server does not take it",
          "why": "NOT_TAKEN"
        }
      ],
      "controls": {
        "cache": {
          "breakpoints": [
            {
              "after": "SYSTEM",
              "message": null
            }
          ],
          "key": null,
          "life": "SHORT"
        },
        "effort": null,
        "speed": null,
        "stop": [
          "END"
        ],
        "temperature": null,
        "topP": null
      },
      "recorded": false
    }
    "#);
    world.turn();
    let sent = world.ask(&format!("{{ request(session: \"{S}\", step: 2) {CARRIED} }}"))["request"].clone();
    assert_json_snapshot!(sent["controls"]["cache"], @r#"
    {
      "breakpoints": [
        {
          "after": "SYSTEM",
          "message": null
        },
        {
          "after": "MESSAGE",
          "message": 0
        },
        {
          "after": "MESSAGE",
          "message": 2
        }
      ],
      "key": null,
      "life": "SHORT"
    }
    "#);
    assert_eq!(
        (&sent["adjusted"], &sent["recorded"]),
        (&next["adjusted"], &true.into())
    );
}
