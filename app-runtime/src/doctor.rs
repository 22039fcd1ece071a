//! Is everything in place? Each finding says what was looked at and what to do.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Serialize;

use glasswork_agent_session::store::{CHECKPOINTS_KEPT, HOSTS_KEPT, ROTATE_AT};
use glasswork_ai::decimal::{Decimal, Money};
use glasswork_ai::http::ClientSettings;
use glasswork_engine::{Clock as _, SystemClock};
use glasswork_session_state::breaker::State;
use glasswork_session_state::budget::{Budget, day_of};

use crate::archive::{Archive, ArchivedSession};
use crate::breakers::Breakers;
use crate::files::FileArchive;
use crate::homes::{Environment, Homes};
use crate::models::{self, Provider};
use crate::network::NetworkError;
use crate::own_models::OwnFiles;
use crate::settings::{Resolved, SettingsError};
use crate::sign_in::{SignIns, Standing};

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub what: Cow<'static, str>,
    /// How it is.
    pub health: Health,
    /// What was found, and what to do.
    pub text: String,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Good,
    /// It works, but not everything does.
    Limited,
    /// It does not work.
    Broken,
}

fn finding(what: impl Into<Cow<'static, str>>, health: Health, text: impl Into<String>) -> Finding {
    Finding {
        what: what.into(),
        health,
        text: text.into(),
    }
}

/// Looks at everything.
#[must_use]
#[allow(
    clippy::too_many_arguments,
    reason = "each is a part of the place that is looked at, and only this looks at all"
)]
pub fn examine(
    homes: &Homes,
    environment: &Environment,
    settings: Result<Resolved, SettingsError>,
    network: Result<ClientSettings, NetworkError>,
    providers: &[Provider],
    breakers: &Breakers,
    archive: Result<&dyn Archive, String>,
    sign_ins: &SignIns,
) -> Vec<Finding> {
    let mut findings = vec![finding("version", Health::Good, env!("CARGO_PKG_VERSION"))];
    let mut masks = None;
    let mut budget = None;
    findings.push(match settings {
        Ok(resolved) => {
            let file = homes.settings_file();
            let read = if file.exists() {
                "read"
            } else {
                "not there; every setting has its default"
            };
            let mut text = format!("{}: {read}", file.display());
            for left_out in &resolved.not_read {
                text.push_str(&format!(
                    "; {} is not read: {}",
                    left_out.file.display(),
                    left_out.reason
                ));
            }
            masks = Some(resolved.settings.mask_secrets.value);
            budget = Some(resolved.settings.budget.value);
            finding("settings", Health::Good, text)
        }
        Err(error) => finding("settings", Health::Broken, error.to_string()),
    });
    findings.extend(archive.as_ref().ok().map(|archive| checkpoints(*archive)));
    let has_records = archive.is_ok();
    let spent = budget
        .zip(archive.as_ref().ok())
        .map(|(budget, archive)| spending(budget, *archive));
    findings.push(sessions(homes, archive));
    if has_records {
        findings.push(disk(homes));
    }
    findings.extend(masks.map(secrets));
    findings.extend(spent);
    findings.push(reached(network));
    let mut usable = false;
    for provider in providers {
        usable |= provider.has_key;
        findings.push(match provider.has_key {
            true => finding(
                provider.name.clone(),
                Health::Good,
                match &provider.key_from {
                    Some(place) => format!("can be asked ({place}){}", provider.way),
                    None => format!("can be asked, without a key{}", provider.way),
                },
            ),
            false => finding(
                provider.name.clone(),
                Health::Limited,
                models::Unusable::NoKey {
                    provider: provider.name.to_string(),
                    variable: provider.key_variable.as_deref().unwrap_or_default().to_owned(),
                }
                .to_string(),
            ),
        });
    }
    findings.push(of_breakers(breakers));
    findings.push(known_models(homes));
    if !usable {
        let text = "no provider can be asked; `glasswork demo` and scripts work without";
        findings.push(finding("models", Health::Limited, text));
    }
    findings.push(signed_in(sign_ins));
    findings.push(match shell(environment) {
        Some(path) => finding("shell", Health::Good, path),
        None => finding(
            "shell",
            Health::Limited,
            "there is no `bash` in PATH; commands of the agent run with `sh`",
        ),
    });
    findings.push(finding(
        "sandbox",
        Health::Limited,
        "there is none yet: what a tool may do is decided by the mode alone (`glasswork settings`)",
    ));
    findings
}

/// How much may be spent, and what of it was today.
fn spending(budget: Budget, archive: &dyn Archive) -> Finding {
    if budget.is_unlimited() {
        let text = "no budget is set: `budget: (turn: 0.50, session: 5.00, day: 20.00)` sets some";
        return finding("budget", Health::Good, text);
    }
    let limits = [
        ("turn", budget.turn),
        ("session", budget.session),
        ("day", budget.day),
    ];
    let limits = limits
        .into_iter()
        .filter_map(|(span, limit)| Some(format!("${} for a {span}", limit?)));
    let limits = limits.collect::<Vec<_>>().join(", ");
    match archive.spent_on(day_of(SystemClock::default().wall()), &BTreeSet::new()) {
        Ok(spent) => {
            let spent: Money = Decimal(spent);
            finding(
                "budget",
                Health::Good,
                format!("{limits}; ${spent} is spent today (UTC)"),
            )
        }
        Err(error) => finding("budget", Health::Limited, format!("{limits}; {error}")),
    }
}

/// Which providers are not asked for now, because they failed too often.
fn of_breakers(breakers: &Breakers) -> Finding {
    let all = match breakers.now() {
        Ok(all) => all,
        Err(error) => {
            let text = format!("{error}; the next failure moves it aside");
            return finding("breakers", Health::Limited, text);
        }
    };
    let open: Vec<String> = all
        .iter()
        .filter(|(_, breaker)| breaker.state != State::Closed)
        .map(|(name, breaker)| {
            let next = match breakers.left(breaker) {
                Some(left) => format!(
                    "the next try is let through in {} s",
                    left.as_millis().div_ceil(1000)
                ),
                None => "the next request is let through as a try".to_owned(),
            };
            let failures = breaker.failures.len();
            format!("requests to {name} failed {failures} times; {next} (`glasswork models reset {name}`)")
        })
        .collect();
    match open.is_empty() {
        true => finding(
            "breakers",
            Health::Good,
            "all are closed: every provider is asked",
        ),
        false => finding("breakers", Health::Limited, open.join("; ")),
    }
}

/// What is known of models, and of which day that is.
fn known_models(homes: &Homes) -> Finding {
    let source = glasswork_ai::catalogue::source();
    let list = format!("{} ({}) of {}", source.package, source.licence, source.date);
    match OwnFiles::read(homes) {
        Ok(own) => {
            let known = own.catalogue([]).ids().len();
            let files = match own.len() {
                0 => String::new(),
                count => format!(", and {count} files of your own"),
            };
            finding(
                "catalogue",
                Health::Good,
                format!("{known} models are known: {list}{files}"),
            )
        }
        Err(error) => finding("catalogue", Health::Broken, error.to_string()),
    }
}

/// Through what servers are reached, and by what they are known.
fn reached(network: Result<ClientSettings, NetworkError>) -> Finding {
    match network {
        Ok(network) => finding(
            "network",
            Health::Good,
            format!("{}; {}", network.proxies, network.authorities),
        ),
        Err(error) => finding("network", Health::Broken, error.to_string()),
    }
}

fn signed_in(sign_ins: &SignIns) -> Finding {
    let standings = match sign_ins.standing() {
        Ok(standings) => standings,
        Err(error) => return finding("sign-in", Health::Broken, error.to_string()),
    };
    let health = match standings.iter().any(|standing| standing.refused.is_some()) {
        true => Health::Limited,
        false => Health::Good,
    };
    let each: Vec<String> = standings.iter().map(Standing::to_string).collect();
    match each.is_empty() {
        true => finding("sign-in", health, "nobody is signed in anywhere"),
        false => finding("sign-in", health, each.join("; ")),
    }
}

fn secrets(masked: bool) -> Finding {
    if masked {
        let text = "what looks like a secret is masked before it is recorded or sent";
        return finding("secrets", Health::Good, text);
    }
    let text = "they are recorded and sent to models as they are: `mask_secrets` is turned off";
    finding("secrets", Health::Limited, text)
}

/// What everything takes, and what keeps it from growing.
fn disk(homes: &Homes) -> Finding {
    let sizes = match FileArchive::open(&homes.data).and_then(|archive| archive.sizes()) {
        Ok(sizes) => sizes,
        Err(error) => return finding("disk", Health::Limited, error.to_string()),
    };
    let traces = (2 * ROTATE_AT) >> 20;
    finding(
        "disk",
        Health::Good,
        format!(
            "{} journals {}, {} packed ones {}, blobs {}; traces {} (at most {traces} MiB a session), checkpoints {} (at \
             most {CHECKPOINTS_KEPT} a session), records of processes {} (at most {HOSTS_KEPT}), moved aside {}, trash {}, \
             index {}, all else {}",
            sizes.journal_count,
            size(sizes.journals),
            sizes.packed_count,
            size(sizes.packed),
            size(sizes.blobs),
            size(sizes.traces),
            size(sizes.checkpoints),
            size(sizes.hosts),
            size(sizes.aside),
            size(sizes.trash),
            size(sizes.index),
            size(sizes.other),
        ),
    )
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes.div_ceil(1 << 10)),
        _ => format!("{} MiB", bytes >> 20),
    }
}

fn sessions(homes: &Homes, archive: Result<&dyn Archive, String>) -> Finding {
    let rows = archive.and_then(|archive| archive.list().map_err(|error| error.to_string()));
    match rows {
        Err(error) => finding("sessions", Health::Broken, error),
        Ok(rows) => {
            let damaged = rows.iter().filter(|row| row.damage.is_some()).count();
            // What a fork has from its parent is counted there.
            let used: u64 = rows.iter().map(ArchivedSession::own_tokens).sum();
            let text = format!("{} in {}, with {used} tokens", rows.len(), homes.data.display());
            match damaged {
                0 => finding("sessions", Health::Good, text),
                _ => finding(
                    "sessions",
                    Health::Limited,
                    format!("{text}; {damaged} damaged (`glasswork sessions list` names them)"),
                ),
            }
        }
    }
}

/// Checkpoints only make opening quicker, so one that cannot be used is nothing to be mended.
fn checkpoints(archive: &dyn Archive) -> Finding {
    let unusable = archive.unusable_checkpoints();
    match unusable.first() {
        None => finding("checkpoints", Health::Good, "all can be used"),
        Some(first) => finding(
            "checkpoints",
            Health::Limited,
            format!(
                "{} cannot be used ({first}); the journal has all that they have, and each is removed when its \
                 session is opened next",
                unusable.len()
            ),
        ),
    }
}

fn shell(environment: &Environment) -> Option<String> {
    let folders = environment.text("PATH")?;
    let mut candidates = std::env::split_paths(folders).map(|folder| folder.join("bash"));
    candidates
        .find(|path| path.is_file())
        .map(|path| path.display().to_string())
}
