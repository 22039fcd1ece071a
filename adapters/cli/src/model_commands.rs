//! The table of commands about models.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::commands::Json;

/// Arguments of `models`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Models {
    /// What else there is to do
    #[command(subcommand)]
    pub command: Option<ModelsCommand>,
    /// Only models whose name has these words, whether they can be asked or not
    pub filter: Vec<String>,
    /// Also those that cannot be asked, for want of a key or of a provider
    #[arg(long, conflicts_with = "filter")]
    pub all: bool,
    /// Ask the servers on this machine what they have: where Ollama, llama.cpp, LM Studio and vLLM usually listen, and
    /// those of your own
    #[arg(long, conflicts_with_all = ["filter", "all"])]
    pub local: bool,
    #[command(flatten)]
    pub json: Json,
}

/// What there is to do with models beside listing them.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// All that is known of a model, and where that comes from
    Show {
        /// The model: `provider/id`, or a part of it that can be only one
        model: String,
        #[command(flatten)]
        json: Json,
    },
    /// Close the circuit breaker of a provider, so that it is asked again at once
    ///
    /// After too many failures nothing is sent to a provider for a while (`breaker_failures` in the settings says after
    /// how many); `glasswork doctor` names those of which that is so.
    Reset {
        /// The provider; all of them where it is left out
        provider: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Take in what another program knows of models: pi's `models.json`, or `api.json` of models.dev
    ///
    /// Writes one file into the directory `models` beside your settings; what was imported from that program before is
    /// replaced. Keys are never taken. What has no counterpart here is told.
    Import {
        /// The file
        file: PathBuf,
        /// Only what is of this provider; can be said several times
        #[arg(long, value_name = "NAME")]
        provider: Vec<String>,
        /// Write nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        json: Json,
    },
}
