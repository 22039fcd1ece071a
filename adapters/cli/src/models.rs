//! `glasswork models`: which there are, what is known of each, and taking in more.

use std::path::Path;

use glasswork_ai::catalogue::Model;
use glasswork_ai::price::Rates;
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::model_import;
use glasswork_app_runtime::model_list::{self, Listed, Which};
use glasswork_app_runtime::models;
use serde_json::json;

use crate::compose::Place;
use crate::console::{Console, Layout};
use crate::escape;
use crate::model_commands::{Models, ModelsCommand};
use crate::problem::Problem;

/// Lists models, shows one, or takes in a list.
pub(crate) fn models(arguments: &Models, console: &Console) -> Result<ExitCode, Problem> {
    let place = Place::find()?;
    match &arguments.command {
        None if arguments.local => local(arguments.json.json, &place, console)?,
        None => list(arguments, &place, console)?,
        Some(ModelsCommand::Show { model, json }) => show(model, json.json, &place, console)?,
        Some(ModelsCommand::Reset { provider, json }) => {
            reset(provider.as_deref(), json.json, &place, console)?;
        }
        Some(ModelsCommand::Import {
            file,
            provider,
            dry_run,
            json,
        }) => import(file, provider, *dry_run, json.json, &place, console)?,
    }
    Ok(ExitCode::Done)
}

fn list(arguments: &Models, place: &Place, console: &Console) -> Result<(), Problem> {
    let providers = place.providers()?;
    let which = match (arguments.filter.as_slice(), arguments.all) {
        ([], false) => Which::Usable,
        ([], true) => Which::All,
        (words, _) => Which::Named(words),
    };
    let listed = model_list::list(&providers.catalogue, &providers.known, which);
    if arguments.json.json {
        return console.json(&listed, Layout::Document);
    }
    if listed.is_empty() {
        console.note(match which {
            Which::Usable => "No model can be asked: no provider has a key. `glasswork models --all` lists those that are known.\n",
            Which::All | Which::Named(_) => "There are no such models.\n",
        });
        return Ok(());
    }
    let widest = listed
        .iter()
        .map(|listed| listed.model.id.to_string().chars().count());
    let width = widest.max().unwrap_or(0).min(64);
    let rows: String = listed.iter().map(|listed| row(listed, width, console)).collect();
    console.data(&rows)
}

fn local(json: bool, place: &Place, console: &Console) -> Result<(), Problem> {
    let found = place.local_servers()?;
    if json {
        return console.json(&found, Layout::Document);
    }
    if found.is_empty() {
        console.note("No server answers on this machine.\n");
    }
    let mut text = String::new();
    for server in &found {
        text.push_str(&format!(
            "{}\n",
            escape::line(&format!("{} at {}", server.kind, server.base_url))
        ));
        for model in &server.models {
            let window = match (model.context_window, model.longest_window) {
                (Some(window), _) => format!("{window} tokens"),
                (None, Some(longest)) => format!("window not known, at most {longest} tokens"),
                (None, None) => "window not known".to_owned(),
            };
            let mut told = vec![window];
            let thinking = &model.thinking;
            told.extend(
                (*thinking != Default::default())
                    .then(|| format!("thinking: {}", model_list::thinking(thinking))),
            );
            told.extend(
                model
                    .tools
                    .map(|can| if can { "tools" } else { "no tools" }.to_owned()),
            );
            told.extend(model.images.filter(|can| *can).map(|_| "images".to_owned()));
            text.push_str(&format!(
                "  {}  {}\n",
                escape::line(&model.id),
                console.out.dim(&told.join(", "))
            ));
        }
    }
    console.data(&text)
}

fn reset(provider: Option<&str>, json: bool, place: &Place, console: &Console) -> Result<(), Problem> {
    let names = place.breakers().reset(provider).map_err(Problem::failed)?;
    if json {
        return console.json(&names, Layout::Document);
    }
    if names.is_empty() {
        console.note(match provider {
            Some(_) => "Its breaker is closed, and no failure is noted: there was nothing to reset.\n",
            None => "All breakers are closed, and no failures are noted: there was nothing to reset.\n",
        });
    }
    let lines = names
        .iter()
        .map(|name| format!("{}: reset\n", escape::line(name)));
    console.data(&lines.collect::<String>())
}

fn row(listed: &Listed, width: usize, console: &Console) -> String {
    let model = &listed.model;
    let id = escape::line(&model.id.to_string()).into_owned();
    let price = model
        .prices
        .as_ref()
        .map_or("price not known".to_owned(), |prices| short(&prices.rates));
    let mut marks = Vec::new();
    let abilities = &model.abilities;
    marks.extend(abilities.images.filter(|can| *can).map(|_| "images"));
    marks.extend(abilities.tools.filter(|can| !can).map(|_| "no tools"));
    marks.extend((!listed.usable).then_some("no key"));
    let told = format!(
        "{:>9} {:>9}  {price:22}  {}",
        tokens(model.context_window),
        tokens(model.max_output),
        marks.join(", ")
    );
    let line = format!("{id:width$} {}", console.out.dim(told.trim_end()));
    format!("{line}\n")
}

/// A count of tokens as people read it.
fn tokens(count: Option<u64>) -> String {
    match count {
        None => "?".to_owned(),
        Some(count) if count >= 10_000 => format!("{}k", count / 1000),
        Some(count) => count.to_string(),
    }
}

fn short(rates: &Rates) -> String {
    let shown = |rate: Option<_>| {
        rate.map_or("?".to_owned(), |rate: glasswork_ai::decimal::PerMillion| {
            format!("${rate}")
        })
    };
    format!("{} in, {} out", shown(rates.input), shown(rates.output))
}

fn show(name: &str, json: bool, place: &Place, console: &Console) -> Result<(), Problem> {
    let providers = place.providers()?;
    let choice = model_list::chosen(name, &providers.catalogue, &providers.known).map_err(Problem::usage)?;
    let known = providers.catalogue.get(&choice.model);
    let model = known.ok_or_else(|| {
        let id = &choice.model;
        Problem::usage(match models::check(id, &providers.known) {
            Ok(()) => format!(
                "nothing is known of `{id}`; it may be asked all the same. `glasswork models {}` lists what is known",
                id.provider
            ),
            Err(unusable) => format!("nothing is known of `{id}`, and {unusable}"),
        })
    })?;
    let provider = providers
        .known
        .iter()
        .find(|provider| *provider.name == *model.id.provider);
    let listed = Listed {
        usable: provider.is_some_and(|provider| provider.has_key),
        model,
    };
    match json {
        true => console.json(&listed, Layout::Document),
        false => console.data(&whole(&listed)),
    }
}

fn whole(listed: &Listed) -> String {
    let Model {
        id,
        name,
        context_window,
        max_output,
        prices,
        abilities,
        ends,
        from,
    } = &listed.model;
    let number = |count: &Option<u64>| count.map_or("not known".to_owned(), |count| count.to_string());
    let said = |can: Option<bool>| match can {
        None => "not known",
        Some(true) => "yes",
        Some(false) => "no",
    };
    let mut lines = vec![
        ("model", id.to_string()),
        (
            "can be asked",
            if listed.usable { "yes" } else { "no" }.to_owned(),
        ),
        ("context window", number(context_window)),
        ("longest answer", number(max_output)),
    ];
    lines.extend(name.iter().map(|name| ("name", name.to_string())));
    match prices {
        None => lines.push(("price", "not known".to_owned())),
        Some(prices) => {
            lines.push(("price", of_million(&prices.rates)));
            for tier in &prices.tiers {
                let text = format!(
                    "{}, with more than {} tokens of input",
                    of_million(&tier.rates),
                    tier.above
                );
                lines.push(("", text));
            }
            lines.push(("price from", prices.version.to_string()));
        }
    }
    lines.extend([
        ("tools", said(abilities.tools).to_owned()),
        ("images", said(abilities.images).to_owned()),
        ("structured output", said(abilities.structured_output).to_owned()),
        ("thinking", model_list::thinking(&abilities.thinking)),
    ]);
    lines.extend(ends.iter().map(|ends| ("served until", ends.to_string())));
    lines.push(("known from", from.join(", ")));
    let line = |(what, text): (&str, String)| format!("{what:18} {}\n", escape::line(&text));
    lines.into_iter().map(line).collect()
}

fn of_million(rates: &Rates) -> String {
    let parts = [
        ("input", rates.input),
        ("output", rates.output),
        ("cache read", rates.cache_read),
        ("cache write", rates.cache_write),
        ("for an hour", rates.cache_write_1h),
    ];
    let known = parts
        .into_iter()
        .filter_map(|(what, rate)| Some(format!("{what} ${}", rate?)));
    format!("{} for a million tokens", known.collect::<Vec<_>>().join(", "))
}

fn import(
    file: &Path,
    providers: &[String],
    dry_run: bool,
    json: bool,
    place: &Place,
    console: &Console,
) -> Result<(), Problem> {
    let imported = model_import::import(&place.homes, file, providers, dry_run).map_err(Problem::usage)?;
    let taken = &imported.taken;
    if json {
        let document = json!({
            "format": taken.format,
            "file": imported.file,
            "providers": taken.own.providers.keys().collect::<Vec<_>>(),
            "models": taken.own.models.len(),
            "left": taken.left,
            "more_left": taken.more_left,
        });
        return console.json(&document, Layout::Document);
    }
    for left in &taken.left {
        console.note(&format!("not taken: {}\n", escape::line(left)));
    }
    if taken.more_left > 0 {
        console.note(&format!("and {} more\n", taken.more_left));
    }
    let what = format!(
        "{} models and {} servers from {}",
        taken.own.models.len(),
        taken.own.providers.len(),
        taken.format
    );
    console.data(&match &imported.file {
        Some(file) => format!("{what}, written to {}\n", escape::line(&file.to_string_lossy())),
        None => format!("{what}; nothing was written\n"),
    })
}
