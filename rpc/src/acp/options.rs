//! What a client can choose of a session: how much may be done without asking, the model, how much it shall think.

use agent_client_protocol::Error;
use agent_client_protocol::v1::schema::{
    SessionConfigOption, SessionConfigOptionCategory, SessionConfigOptionValue, SessionConfigSelectOption,
    SessionMode, SessionModeState,
};
use glasswork_ai::abilities::Thinking;
use glasswork_ai::model::ModelId;
use glasswork_session_state::settings::{Layer, Mode, Setting, Settings, Sourced};
use strum::VariantArray as _;

use super::opening::ModelChoice;

/// The option that is the model.
const MODEL: &str = "model";
/// The option that is how much it shall think.
const THINKING: &str = "thinking";

const THOUGHTS: [(Thinking, &str, &str); 7] = [
    (Thinking::Default, "default", "As the model does by itself"),
    (Thinking::Off, "off", "Off"),
    (Thinking::Minimal, "minimal", "Minimal"),
    (Thinking::Low, "low", "Low"),
    (Thinking::Medium, "medium", "Medium"),
    (Thinking::High, "high", "High"),
    (Thinking::Xhigh, "xhigh", "As much as it can"),
];

/// The modes, and the one that is set.
pub(super) fn modes(settings: &Settings) -> SessionModeState {
    let modes = Mode::VARIANTS.iter().map(|mode| {
        let (name, description) = of_mode(*mode);
        SessionMode::new(id_of(*mode), name).description(description.to_owned())
    });
    SessionModeState::new(id_of(settings.mode.value), modes.collect())
}

/// The name of a mode in the protocol, and in the settings.
pub(super) fn id_of(mode: Mode) -> &'static str {
    mode.into()
}

fn of_mode(mode: Mode) -> (&'static str, &'static str) {
    match mode {
        Mode::Plan => ("Plan", "Look, change nothing"),
        Mode::Ask => ("Ask", "Ask before anything is changed or run"),
        Mode::AcceptEdits => (
            "Accept edits",
            "Change files in the workspace, ask before commands",
        ),
        Mode::Auto => ("Auto", "Like accept edits, as long as there is no sandbox"),
        Mode::Yolo => ("Yolo", "Never ask"),
    }
}

/// The setting that a mode of the protocol means.
///
/// # Errors
/// Where there is no such mode.
pub(super) fn mode(id: &str) -> Result<Setting, Error> {
    let mode = Mode::VARIANTS.iter().copied().find(|mode| id_of(*mode) == id);
    let unknown = || {
        let names: Vec<_> = Mode::VARIANTS.iter().map(|mode| id_of(*mode)).collect();
        Error::invalid_params().data(format!(
            "there is no mode `{id}`; there are: {}",
            names.join(", ")
        ))
    };
    Ok(Setting::Mode(chosen(mode.ok_or_else(unknown)?)))
}

/// What can be chosen besides the mode, and what is chosen.
pub(super) fn options(settings: &Settings, models: &[ModelChoice]) -> Vec<SessionConfigOption> {
    let current = settings.model.value.as_ref();
    let mut choices: Vec<_> = models
        .iter()
        .map(|model| SessionConfigSelectOption::new(model.id.to_string(), model.name.clone()))
        .collect();
    // One that is listed nowhere can be asked all the same.
    if let Some(current) = current.filter(|current| !models.iter().any(|model| model.id == **current)) {
        choices.insert(
            0,
            SessionConfigSelectOption::new(current.to_string(), current.to_string()),
        );
    }
    let model = current.map(|current| {
        SessionConfigOption::select(MODEL, "Model", current.to_string(), choices)
            .category(SessionConfigOptionCategory::Model)
    });
    let thoughts: Vec<_> = THOUGHTS
        .iter()
        .map(|(_, id, name)| SessionConfigSelectOption::new(*id, *name))
        .collect();
    let thinks = THOUGHTS
        .iter()
        .find(|(level, ..)| *level == settings.thinking.value)
        .map_or("default", |(_, id, _)| *id);
    let thinking = SessionConfigOption::select(THINKING, "Thinking", thinks, thoughts)
        .category(SessionConfigOptionCategory::ThoughtLevel);
    model.into_iter().chain([thinking]).collect()
}

/// The setting that a choice means.
///
/// # Errors
/// Where there is no such option, or no such choice.
pub(super) fn option(
    id: &str,
    value: &SessionConfigOptionValue,
    settings: &Settings,
    models: &[ModelChoice],
) -> Result<Setting, Error> {
    let wrong = |text: String| Error::invalid_params().data(text);
    let value = value.as_value_id().map(|value| &*value.0).unwrap_or_default();
    match id {
        MODEL => {
            let is_listed = models.iter().any(|model| model.id.to_string() == value)
                || settings
                    .model
                    .value
                    .as_ref()
                    .is_some_and(|model| model.to_string() == value);
            let model: Option<ModelId> = value.parse().ok().filter(|_| is_listed);
            match model {
                Some(model) => Ok(Setting::Model(chosen(Some(model)))),
                None => Err(wrong(format!(
                    "`{value}` is none of the models that can be asked"
                ))),
            }
        }
        THINKING => {
            let level = THOUGHTS.iter().find(|(_, id, _)| *id == value);
            match level {
                Some((level, ..)) => Ok(Setting::Thinking(chosen(*level))),
                None => Err(wrong(format!("`{value}` is no level of thinking"))),
            }
        }
        _ => Err(wrong(format!(
            "there is no option `{id}`; there are: {MODEL}, {THINKING}"
        ))),
    }
}

fn chosen<T>(value: T) -> Sourced<T> {
    Sourced::from_layer(value, Layer::Session)
}
