//! How servers are reached: proxies and certificates, from the settings and the variables that all programs know.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use glasswork_agent_session::secrets::SecretString;
use glasswork_ai::http::{
    Authorities, Certificates, CertificatesError, ClientSettings, Exceptions, Proxies, Proxy, ProxyAddress,
};
use glasswork_session_state::host_settings::Settings as HostSettings;

use crate::explain::Place;
use crate::homes::Environment;
use crate::proxy_setting::ProxySetting;

/// Variables for addresses that begin with `http:`; as with curl, small letters go before capitals.
const HTTP: [&str; 2] = ["http_proxy", "HTTP_PROXY"];
/// Likewise `https:`.
const HTTPS: [&str; 2] = ["https_proxy", "HTTPS_PROXY"];
/// Where those are not set.
const ALL: [&str; 2] = ["all_proxy", "ALL_PROXY"];
/// Who is reached without.
const NO: [&str; 2] = ["no_proxy", "NO_PROXY"];
/// A file with the certificates of authorities, and directories of such files: as OpenSSL has them, in place of the
/// system's.
const FILE: &str = "SSL_CERT_FILE";
const FOLDERS: &str = "SSL_CERT_DIR";
/// A file longer than this is none of certificates.
const MOST_BYTES: u64 = 16 << 20;

/// What is wrong with the proxies or certificates that are set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct NetworkError {
    /// Where it stands.
    place: String,
    /// What is wrong with it.
    message: String,
}

/// How servers are reached. What is set goes before the environment. Files with certificates are read.
///
/// # Errors
/// [`NetworkError`]; nothing is guessed around it.
pub fn client_settings(
    environment: &Environment,
    host: &HostSettings,
    proxy: &ProxySetting,
) -> Result<ClientSettings, NetworkError> {
    Ok(ClientSettings {
        proxies: proxies(environment, host, proxy)?,
        authorities: authorities(environment, host)?,
    })
}

/// Passwords of proxies, also of one that is not used.
#[must_use]
pub fn secrets(environment: &Environment, proxy: &ProxySetting) -> Vec<SecretString> {
    let variables = HTTP.iter().chain(&HTTPS).chain(&ALL);
    let named = variables.filter_map(|name| ProxyAddress::parse(environment.text(name)?).ok());
    let all = named.chain(proxy.address().cloned());
    all.flat_map(|address| address.secrets().cloned().collect::<Vec<_>>())
        .collect()
}

fn proxies(
    environment: &Environment,
    host: &HostSettings,
    proxy: &ProxySetting,
) -> Result<Proxies, NetworkError> {
    let named = |names: [&'static str; 2]| match variable(environment, names) {
        Some((from, text)) => match ProxyAddress::parse(text) {
            Ok(address) => Ok(Some(Proxy {
                address,
                from: from.to_owned(),
            })),
            Err(error) => Err(NetworkError {
                place: from.to_owned(),
                message: error.to_string(),
            }),
        },
        None => Ok(None),
    };
    let (http, https) = match proxy.address() {
        Some(address) => {
            let proxy = Proxy {
                address: address.clone(),
                from: Place(proxy.from()).to_string(),
            };
            (Some(proxy.clone()), Some(proxy))
        }
        None => {
            let all = named(ALL)?;
            (
                named(HTTP)?.or_else(|| all.clone()),
                named(HTTPS)?.or_else(|| all.clone()),
            )
        }
    };
    let except = match (&host.no_proxy.value, variable(environment, NO)) {
        (Some(list), _) => Exceptions::parse(list, Place(&host.no_proxy.from).to_string()),
        (None, Some((from, list))) => Exceptions::parse(list, from),
        (None, None) => Exceptions::default(),
    };
    Ok(Proxies { http, https, except })
}

fn variable<'e>(environment: &'e Environment, names: [&'static str; 2]) -> Option<(&'static str, &'e str)> {
    let mut found = names.into_iter().filter_map(|name| {
        let text = environment.text(name)?;
        Some((name, text)).filter(|(_, text)| !text.trim().is_empty())
    });
    found.next()
}

fn authorities(environment: &Environment, host: &HostSettings) -> Result<Authorities, NetworkError> {
    let beside = match &host.ca_file.value {
        Some(file) => {
            let place = Place(&host.ca_file.from).to_string();
            let wrong = |message: String| NetworkError {
                place: place.clone(),
                message: format!("`ca_file`: {message}"),
            };
            let path = Path::new(file);
            // A relative one would lie wherever the program is started: in a workspace that nobody trusts.
            if !path.is_absolute() {
                return Err(wrong(format!("{file} is no absolute path")));
            }
            let bytes = read(path).map_err(wrong)?;
            let parsed = Certificates::parse(&bytes, format!("{file} ({place})"));
            Some(parsed.map_err(|error| wrong(format!("{file}: {error}")))?)
        }
        None => None,
    };
    Ok(Authorities {
        in_place: in_place(environment)?,
        beside,
    })
}

fn in_place(environment: &Environment) -> Result<Option<Certificates>, NetworkError> {
    let (mut bytes, mut from) = (Vec::new(), Vec::new());
    let mut place = FILE;
    if let Some(file) = environment.text(FILE) {
        bytes = read(Path::new(file)).map_err(|message| NetworkError {
            place: FILE.to_owned(),
            message,
        })?;
        from.push(format!("{file} ({FILE})"));
    }
    if let Some(folders) = environment.text(FOLDERS) {
        for folder in std::env::split_paths(folders) {
            let entries = fs::read_dir(&folder).map_err(|error| NetworkError {
                place: FOLDERS.to_owned(),
                message: format!("cannot read {}: {error}", folder.display()),
            })?;
            for file in entries
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.is_file())
            {
                bytes.push(b'\n');
                // There are links to nowhere in such directories, and things that are no certificates.
                bytes.extend(read(&file).unwrap_or_default());
            }
        }
        from.push(format!("{folders} ({FOLDERS})"));
        place = if from.len() == 1 { FOLDERS } else { FILE };
    }
    if from.is_empty() {
        return Ok(None);
    }
    let parsed = Certificates::parse_list(&bytes, from.join(" and of "));
    parsed.map(Some).map_err(|error: CertificatesError| NetworkError {
        place: place.to_owned(),
        message: format!("{}: {error}", from.join(", ")),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: &dyn std::fmt::Display| format!("cannot read {}: {error}", path.display());
    let file = File::open(path).map_err(|error| cannot(&error))?;
    match file.metadata() {
        Ok(found) if found.is_file() && found.len() <= MOST_BYTES => {}
        Ok(_) => return Err(cannot(&"it is no file of certificates")),
        Err(error) => return Err(cannot(&error)),
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|error| cannot(&error))?;
    Ok(bytes)
}
