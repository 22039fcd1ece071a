//! How a model shall answer, as flags.

use clap::Args;
use glasswork_ai::controls::{Temperature, TopP};
use glasswork_app_runtime::settings::Flag;

/// How the model shall answer.
#[derive(Debug, Default, Args)]
pub(crate) struct Answering {
    /// How much work an answer is worth: thinking, and what else the provider counts as effort
    #[arg(long, value_name = "LEVEL", value_parser = ["low", "medium", "high", "xhigh"])]
    pub effort: Option<String>,
    /// How fast an answer shall come, which is a matter of what it costs
    #[arg(long, value_name = "SPEED", value_parser = ["standard", "fast", "economy"])]
    pub speed: Option<String>,
    /// How freely the next token is chosen, from 0 to 2
    #[arg(long, value_name = "NUMBER")]
    pub temperature: Option<Temperature>,
    /// Among which tokens it is chosen: the likeliest that have so much of the probability together, from 0 to 1
    #[arg(long, value_name = "NUMBER")]
    pub top_p: Option<TopP>,
    /// End an answer at this text; may be given several times
    #[arg(long, value_name = "TEXT")]
    pub stop: Vec<String>,
    /// How long the provider is asked to keep the conversation in its cache
    #[arg(long, value_name = "HOW", value_parser = ["off", "short", "long"])]
    pub cache: Option<String>,
}

impl Answering {
    /// The settings that they are.
    pub(crate) fn flags(&self) -> impl Iterator<Item = Flag> {
        // A list of texts is written in RON as it is in Rust.
        let stop = (!self.stop.is_empty()).then(|| format!("{:?}", self.stop));
        let flags = [
            ("effort", "--effort", self.effort.clone()),
            ("speed", "--speed", self.speed.clone()),
            (
                "temperature",
                "--temperature",
                self.temperature.map(|number| number.to_string()),
            ),
            ("top_p", "--top-p", self.top_p.map(|number| number.to_string())),
            ("stop", "--stop", stop),
            ("cache", "--cache", self.cache.clone()),
        ];
        flags.into_iter().filter_map(|(name, flag, value)| {
            Some(Flag {
                name: name.to_owned(),
                value: value?,
                flag: flag.to_owned(),
            })
        })
    }
}
