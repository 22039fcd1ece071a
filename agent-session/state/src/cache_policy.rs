//! What providers are asked to keep in their caches: a policy of the session, and what becomes of it in a request.

use std::fmt;
use std::sync::Arc;

use glasswork_ai::adjusted::{Adjusted, Control, Why};
use glasswork_ai::controls::{After, Cache, Life};
use glasswork_ai::takes::CacheForm;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, IntoDeserializer as _, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// What providers are asked to keep. In settings `"off"`, `"short"`, `"long"`, or both fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CachePolicy {
    /// Whether, and how long.
    pub keep: Keep,
    /// Where breakpoints are set, for providers that take them: the first come first, and each has as many as it takes.
    pub at: Vec<Place>,
}

/// How long a provider is asked to keep a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Keep {
    /// Not at all, as far as it can be told.
    Off,
    /// As short as it has it.
    #[default]
    Short,
    /// As long as it has it. Writing may cost more.
    Long,
}

/// A place up to which a request is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Place {
    /// The tools.
    Tools,
    /// The system prompt, and the tools before it.
    System,
    /// What the user said at the beginning of the turn.
    User,
    /// The end of the conversation, where it moves with each request: the end of this one, and that of the one before,
    /// since a provider looks back from a breakpoint only so far.
    Tail,
}

impl Default for CachePolicy {
    fn default() -> Self {
        Keep::Short.into()
    }
}

impl From<Keep> for CachePolicy {
    fn from(keep: Keep) -> Self {
        Self { keep, at: places() }
    }
}

fn places() -> Vec<Place> {
    vec![Place::System, Place::Tail]
}

/// A policy that is written in full.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    #[serde(default)]
    keep: Keep,
    #[serde(default = "places")]
    at: Vec<Place>,
}

impl<'de> Deserialize<'de> for CachePolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl<'de> Visitor<'de> for Written {
            type Value = CachePolicy;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "`short`, `long` or `off`, or both fields: (keep: \"long\", at: [\"system\", \"tail\"])",
                )
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<CachePolicy, E> {
                let keep = Keep::deserialize(text.into_deserializer());
                keep.map(CachePolicy::from)
                    .map_err(|_: E| E::invalid_value(Unexpected::Str(text), &self))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CachePolicy, A::Error> {
                let Whole { keep, at } = Whole::deserialize(MapAccessDeserializer::new(map))?;
                Ok(CachePolicy { keep, at })
            }
        }
        deserializer.deserialize_any(Written)
    }
}

/// Where the places of a policy are in a request; `None` where there is no such thing. Parts count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Places {
    /// Whether there are tools.
    pub tools: bool,
    /// Whether there is a system prompt.
    pub system: bool,
    /// The part with what the user said at the beginning of the turn.
    pub user: Option<u64>,
    /// The last part that the request before had.
    pub before: Option<u64>,
    /// The last part.
    pub end: Option<u64>,
}

impl CachePolicy {
    /// What becomes of it in a request. Pure: the same policy and places give the same breakpoints, and whatever is not
    /// asked of the server as the policy has it is among what comes second.
    #[must_use]
    pub fn project(&self, form: CacheForm, places: Places, key: &Arc<str>) -> (Cache, Vec<Adjusted>) {
        let mut cache = Cache::default();
        let mut adjusted = Vec::new();
        let keep: &str = self.keep.into();
        let mut note = |asked: &str, sent: Option<&str>, why| {
            adjusted.push(Adjusted {
                control: Control::Cache,
                asked: asked.into(),
                sent: sent.map(Into::into),
                why,
            });
        };
        match (form, self.keep) {
            (CacheForm::Marks { .. }, Keep::Off) => {}
            (CacheForm::Marks { most, tools }, Keep::Short | Keep::Long) => {
                cache.life = self.life();
                for (place, after) in self.wanted(places) {
                    let refused = match after {
                        after if cache.after.contains(&after) => continue,
                        After::Tools if !tools => Some(Why::NotTaken),
                        _ if cache.after.len() >= usize::from(most) => Some(Why::TooMany { most }),
                        _ => None,
                    };
                    match refused {
                        Some(why) => note(place.into(), None, why),
                        None => cache.after.push(after),
                    }
                }
                cache.after.sort_unstable();
            }
            (CacheForm::Key { .. } | CacheForm::Own, Keep::Off) => note(keep, None, Why::ServerKeeps),
            (CacheForm::Key { long }, Keep::Short | Keep::Long) => {
                cache.key = Some(Arc::clone(key));
                match (self.keep, long) {
                    (Keep::Long, false) => note(keep, Some(Keep::Short.into()), Why::NotTaken),
                    _ => cache.life = self.life(),
                }
            }
            (CacheForm::Own, Keep::Long) => note(keep, None, Why::ServerKeeps),
            (CacheForm::Own, Keep::Short) => {}
        }
        if !matches!(form, CacheForm::Marks { .. }) && self.keep != Keep::Off && self.at != self::places() {
            for place in &self.at {
                note(place.into(), None, Why::ServerKeeps);
            }
        }
        (cache, adjusted)
    }

    fn life(&self) -> Life {
        match self.keep {
            Keep::Off | Keep::Short => Life::Short,
            Keep::Long => Life::Long,
        }
    }

    /// Where breakpoints are wanted, the first come first.
    fn wanted(&self, places: Places) -> impl Iterator<Item = (Place, After)> {
        let tools = places.tools.then_some(After::Tools);
        let part = |part: Option<u64>| part.map(After::Message);
        self.at.iter().flat_map(move |place| {
            let found = match place {
                Place::Tools => [tools, None],
                Place::System => [places.system.then_some(After::System).or(tools), None],
                Place::User => [part(places.user), None],
                Place::Tail => [part(places.end), part(places.before)],
            };
            found.into_iter().flatten().map(|after| (*place, after))
        })
    }
}
