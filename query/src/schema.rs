//! The runtime describing itself.

use async_graphql::SimpleObject;
use glasswork_app_runtime::projection::invalidation::Projection;
use glasswork_engine::trace::{EffectPhase, Outcome};
use glasswork_engine::{Class, Domain as _, EffectKey, Origin, ScopeId, Stage as EngineStage};
use glasswork_session_state::domain::DeadlineKey;
use glasswork_session_state::effect::Effect;
use glasswork_session_state::settings::Settings;
use glasswork_session_state::state::{AttemptWait, Kind};
use glasswork_session_state::{Event, Fact, Glasswork, permission};
use strum::VariantArray as _;

use crate::chart;
use crate::dispatch::Stage;
use crate::effect::EffectClass;
use crate::error::Code;
use crate::origin::OriginKind;
use crate::setting::Setting;
use crate::shape::{self, Variant};

/// What the runtime is made of, as it says itself.
#[derive(Debug, SimpleObject)]
#[graphql(name = "RuntimeSchema")]
pub(crate) struct RuntimeSchema {
    /// The version of events and facts that this build writes.
    version: u32,
    /// All requests for a change.
    events: Vec<EventKind>,
    /// All that can be decided.
    facts: Vec<FactKind>,
    /// All work in the outside world.
    effects: Vec<EffectKind>,
    /// The stages of the pipeline, in their order.
    stages: Vec<StageKind>,
    /// Names of the charts; `charts` describes them.
    charts: Vec<&'static str>,
    /// What can have a deadline.
    deadlines: Vec<&'static str>,
    /// What an attempt to get an answer can wait for, each with a deadline.
    attempt_deadlines: Vec<&'static str>,
    /// How a dispatch can end.
    outcomes: Vec<&'static str>,
    /// What can happen to an effect.
    effect_phases: Vec<&'static str>,
    /// The settings of a session, each with its value where nobody sets it.
    settings: Vec<SettingKind>,
    /// What clients show of a session, as an update of a subscriber names what it touches.
    projections: Vec<&'static str>,
    /// The codes of errors, as `extensions.code` has them.
    error_codes: Vec<ErrorCode>,
}

/// A kind of event.
#[derive(Debug, SimpleObject)]
pub(crate) struct EventKind {
    /// Its name, as dispatches have it.
    name: String,
    /// Where it stands in a journal's line: family and kind.
    path: Vec<&'static str>,
    /// What it carries.
    fields: Vec<&'static str>,
    /// Whether it passes other events that wait.
    urgent: bool,
    /// Who may send it. A handler may refuse it all the same.
    from: Vec<OriginKind>,
}

/// A setting of a session.
#[derive(Debug, SimpleObject)]
pub(crate) struct SettingKind {
    /// Its name, as settings files have it.
    name: &'static str,
    /// Its value as text where nobody sets it; null where that is none. Durations are in milliseconds.
    default: Option<String>,
}

/// A kind of fact.
#[derive(Debug, SimpleObject)]
pub(crate) struct FactKind {
    /// Its name, as dispatches have it: family and kind.
    name: String,
    /// What it says.
    fields: Vec<&'static str>,
}

/// A kind of effect.
#[derive(Debug, SimpleObject)]
pub(crate) struct EffectKind {
    /// Its name.
    name: String,
    /// What its runner is given.
    fields: Vec<&'static str>,
    /// The classes that it can have.
    classes: Vec<EffectClass>,
}

/// A stage of the pipeline.
#[derive(Debug, SimpleObject)]
pub(crate) struct StageKind {
    /// The stage.
    stage: Stage,
    /// Its stable name.
    name: &'static str,
    /// What it does.
    purpose: &'static str,
}

/// A code of errors.
#[derive(Debug, SimpleObject)]
pub(crate) struct ErrorCode {
    /// The code.
    code: &'static str,
    /// What it means.
    meaning: &'static str,
}

/// The origins that the stage *permission* lets send an event, by asking that stage.
fn senders(event: &Event) -> Vec<OriginKind> {
    let effect = EffectKey { seq: 1, ordinal: 0 };
    // One that tells of itself is named in the event.
    let extension = match permission::server_of(event) {
        Some(server) => format!("{}{server}", permission::SERVER),
        None => "any".to_owned(),
    };
    let origins = [
        Origin::User,
        Origin::Client(1),
        Origin::Extension(extension),
        Origin::Agent("any".into()),
        Origin::Effect(effect),
        Origin::Deadline,
        Origin::Recovery,
    ];
    let vacant = Glasswork::vacant(Kind::Session, ScopeId::from_u128(0));
    let may = |origin: &&Origin| Glasswork::permit(&vacant, event, origin).is_ok();
    origins.iter().filter(may).map(OriginKind::of).collect()
}

fn event(variant: Variant<Event>) -> EventKind {
    let name = variant.sample.as_ref().map(Glasswork::event_name);
    EventKind {
        name: name.map_or_else(|| variant.path.join("."), str::to_owned),
        from: variant.sample.as_ref().map_or_else(Vec::new, senders),
        urgent: variant.sample.as_ref().is_some_and(Glasswork::is_urgent),
        path: variant.path,
        fields: variant.fields,
    }
}

/// The classes of an effect over all values of its fields that decide about it.
fn classes(name: &str) -> Vec<EffectClass> {
    let mut classes: Vec<Class> = effects_named(name)
        .map(|effect| Glasswork::class(&effect))
        .collect();
    classes.dedup();
    classes.into_iter().map(EffectClass::from).collect()
}

fn effects_named(name: &str) -> impl Iterator<Item = Effect> {
    let samples = shape::variants::<Effect>(1)
        .into_iter()
        .filter(move |variant| variant.path == [name]);
    samples
        .filter_map(|variant| variant.sample)
        .flat_map(|sample| match sample {
            Effect::RunTool { call, path, .. } => {
                let each = glasswork_session_state::evidence::Access::VARIANTS.iter();
                each.map(|access| Effect::RunTool {
                    call,
                    access: *access,
                    path: path.clone(),
                })
                .collect()
            }
            other => vec![other],
        })
}

fn names<T: serde::de::DeserializeOwned>() -> Vec<&'static str> {
    shape::variants::<T>(1)
        .into_iter()
        .filter_map(|variant| variant.path.first().copied())
        .collect()
}

impl RuntimeSchema {
    pub(crate) fn describe() -> Self {
        let facts = shape::variants::<Fact>(2);
        let effects = shape::variants::<Effect>(1);
        let stage = |stage: &EngineStage| StageKind {
            stage: (*stage).into(),
            name: stage.name(),
            purpose: stage.purpose(),
        };
        Self {
            version: Glasswork::SCHEMA,
            events: shape::variants(2).into_iter().map(event).collect(),
            facts: facts
                .into_iter()
                .map(|variant| FactKind {
                    name: variant.path.join("."),
                    fields: variant.fields,
                })
                .collect(),
            effects: effects
                .into_iter()
                .map(|variant| {
                    let name = variant.path.join(".");
                    EffectKind {
                        classes: classes(&name),
                        name,
                        fields: variant.fields,
                    }
                })
                .collect(),
            stages: EngineStage::ALL.iter().map(stage).collect(),
            charts: chart::all().iter().map(|chart| chart.name).collect(),
            deadlines: names::<DeadlineKey>(),
            attempt_deadlines: names::<AttemptWait>(),
            outcomes: names::<Outcome>(),
            effect_phases: names::<EffectPhase>(),
            settings: Settings::default()
                .all()
                .iter()
                .map(Setting::from)
                .map(|setting| SettingKind {
                    name: setting.name,
                    default: setting.value,
                })
                .collect(),
            projections: Projection::VARIANTS.iter().map(Into::into).collect(),
            error_codes: Code::VARIANTS
                .iter()
                .map(|code| ErrorCode {
                    code: code.name(),
                    meaning: code.meaning(),
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Were a value not to be made up, the event would be listed under a name that no dispatch has.
    #[test]
    fn every_event_fact_and_effect_can_be_made_up() {
        let events = shape::variants::<Event>(2)
            .into_iter()
            .map(|variant| (variant.path, variant.sample.is_some()));
        let facts = shape::variants::<Fact>(2)
            .into_iter()
            .map(|variant| (variant.path, variant.sample.is_some()));
        let effects = shape::variants::<Effect>(1)
            .into_iter()
            .map(|variant| (variant.path, variant.sample.is_some()));
        let failed: Vec<_> = events
            .chain(facts)
            .chain(effects)
            .filter(|(_, made)| !made)
            .collect();
        assert_eq!(failed, []);
    }

    /// Whoever may send nothing at all is in none of the lists.
    #[test]
    fn each_event_says_who_may_send_it() {
        let events = RuntimeSchema::describe().events;
        let from = |name: &str| {
            let event = events
                .iter()
                .find(|event| event.path == name.split('.').collect::<Vec<_>>());
            event.map(|event| event.from.clone())
        };
        assert_eq!(
            from("prompt.prompted"),
            Some(vec![OriginKind::User, OriginKind::Client])
        );
        assert_eq!(from("model.connected"), Some(vec![OriginKind::Effect]));
        assert!(events.iter().all(|event| !event.from.is_empty()));
        let extensions: Vec<_> = events
            .iter()
            .filter(|event| event.from.contains(&OriginKind::Extension))
            .map(|event| event.path.join("."))
            .collect();
        assert_eq!(extensions, ["mcp.listed", "mcp.ended"]);
        assert!(!events.iter().any(|event| event.from.contains(&OriginKind::Agent)));
    }

    #[test]
    fn no_two_events_share_a_name() {
        let mut names: Vec<_> = RuntimeSchema::describe()
            .events
            .into_iter()
            .map(|event| event.name)
            .collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
