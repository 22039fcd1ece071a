//! `glasswork login`, `logout` and `auth status`

use std::io::{self, IsTerminal as _};

use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::sign_in::{Keep, SignInError, SignIns, Standing};

use crate::commands::{Json, Login};
use crate::compose::{self, Model, Place};
use crate::console::{Console, Layout};
use crate::escape;
use crate::hidden_line;
use crate::problem::Problem;

/// A way to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Key,
    Device,
    Paste,
    Browser,
}

fn way(arguments: &Login, sign_ins: &SignIns) -> Way {
    let provider = &arguments.provider;
    match (arguments.key, arguments.device, arguments.paste) {
        (true, ..) => Way::Key,
        (_, true, _) => Way::Device,
        (.., true) => Way::Paste,
        _ if !sign_ins.has_way(provider) => Way::Key,
        _ if sign_ins.has_browser(provider) => Way::Browser,
        _ => Way::Device,
    }
}

/// Signs in.
pub(crate) fn login(arguments: &Login, console: &Console) -> Result<ExitCode, Problem> {
    let place = Place::find()?;
    let provider = arguments.provider.as_str();
    if provider.is_empty()
        || !provider
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    {
        return Err(Problem::usage(
            "a provider's name has letters, digits, `-`, `_` and `.`",
        ));
    }
    let way = way(arguments, &place.sign_ins()?);
    let key = match way {
        Way::Key => match secret(console, &format!("Key for {provider} (not shown): "))? {
            Some(key) => Some(key),
            None => return Ok(ExitCode::Interrupted),
        },
        _ => None,
    };
    let keep = match (arguments.keyring, arguments.file) {
        (true, _) => Keep::Keyring,
        (_, true) => Keep::File,
        _ => Keep::AsBefore,
    };
    let standing = recorded(&place, async |sign_ins| match (way, key) {
        (Way::Key, Some(key)) => sign_ins.with_key(provider, keep, &key).await,
        (Way::Device, _) => {
            let tell = |device: &_| console.note(&device_told(device));
            sign_ins.with_device(provider, keep, tell).await
        }
        (Way::Paste, _) => {
            let ask = |address: &str| {
                console.note(&format!(
                    "Open this address in a browser, and say yes there:\n\n  {address}\n\n"
                ));
                secret(
                    console,
                    "Then paste the code, or the address that it ends with (not shown): ",
                )
                .ok()
                .flatten()
            };
            sign_ins.with_paste(provider, keep, ask).await
        }
        (Way::Browser | Way::Key, _) => {
            let tell = |address: &str| {
                console.note(&format!(
                    "Open this address in a browser on this machine, and say yes there:\n\n  {address}\n\nWaiting. Where \
                     the browser is on another machine, `--paste` helps.\n"
                ));
            };
            sign_ins.with_browser(provider, keep, tell).await
        }
    })?;
    console.data(&format!("{}\n", escape::line(&standing.to_string())))?;
    console.warn(before(&place, provider)?);
    Ok(ExitCode::Done)
}

fn device_told(device: &glasswork_ai::sign_in::device::Device) -> String {
    let [address, code] = [&device.verification_uri, &device.user_code].map(|text| escape::line(text));
    format!("Open {address} on any device, and type this code there:\n\n  {code}\n\nWaiting.\n")
}

fn before(place: &Place, provider: &str) -> Result<Option<String>, Problem> {
    let key = place.key_before(provider)?;
    Ok(key.map(|key| format!("the key in {key} goes before this one, as long as it is there")))
}

/// Signs out.
pub(crate) fn logout(provider: &str, console: &Console) -> Result<ExitCode, Problem> {
    let place = Place::find()?;
    let was = recorded(&place, async |sign_ins| sign_ins.sign_out(provider).await)?;
    let provider = escape::line(provider);
    if !was {
        return Err(Problem::usage(format!(
            "nobody is signed in at `{provider}`; `glasswork auth status` says where somebody is"
        )));
    }
    console.data(&format!("{provider}: signed out; what was stored here is gone\n"))?;
    console.warn(before(&place, &provider)?);
    Ok(ExitCode::Done)
}

/// Says where somebody is signed in.
pub(crate) fn status(format: Json, console: &Console) -> Result<ExitCode, Problem> {
    let place = Place::find()?;
    let standings = place.sign_ins()?.standing().map_err(Problem::usage)?;
    match format.json {
        true => console.json(&standings, Layout::Document)?,
        false if standings.is_empty() => {
            console.data("nobody is signed in anywhere; `glasswork login PROVIDER` changes that\n")?;
        }
        false => {
            let line = |standing: &Standing| format!("{}\n", escape::line(&standing.to_string()));
            console.data(&standings.iter().map(line).collect::<String>())?;
        }
    }
    for standing in &standings {
        let key = place.key_before(&standing.provider)?;
        console.warn(key.map(|key| format!("{}: the key in {key} goes before this", standing.provider)));
    }
    Ok(ExitCode::Done)
}

/// Does something to sign-ins while a host is there to record it.
fn recorded<T>(
    place: &Place,
    work: impl AsyncFnOnce(&SignIns) -> Result<T, SignInError>,
) -> Result<T, Problem> {
    let (sessions, providers) = (place.sessions()?, place.providers()?);
    let sign_ins = std::sync::Arc::clone(&providers.sign_ins);
    let tasks = compose::tasks()?;
    let done: Result<_, Problem> = tasks.block_on(async {
        let runtime = sessions.start(providers, &Model::none()).await?;
        let done = work(&sign_ins).await;
        runtime.stop().await;
        Ok(done)
    });
    compose::end(tasks);
    done?.map_err(|error| match error {
        SignInError::Unknown { .. }
        | SignInError::Description { .. }
        | SignInError::CannotBegin(_)
        | SignInError::Key
        | SignInError::Credentials(_) => Problem::usage(error),
        _ => Problem::failed(error),
    })
}

fn secret(console: &Console, prompt: &str) -> Result<Option<glasswork_ai::sign_in::Secret>, Problem> {
    if !io::stdin().is_terminal() {
        return hidden_line::from_pipe().map(Some).map_err(Problem::failed);
    }
    console.note(prompt);
    let line = hidden_line::from_terminal().map_err(Problem::failed);
    console.note("\n");
    line
}
