//! How to sign in to a provider: data, as people write it in their settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// How to sign in to one provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Who asks, as registered with the provider. Public: a program on somebody's machine keeps no secret.
    #[serde(default)]
    pub client_id: Option<Arc<str>>,
    /// Where a person says yes in a browser; absent where there is only the device flow.
    #[serde(default)]
    pub authorize_url: Option<Arc<str>>,
    /// Where codes and refresh tokens become access tokens.
    pub token_url: Arc<str>,
    /// Where a device asks for a code; absent where there is no device flow.
    #[serde(default)]
    pub device_url: Option<Arc<str>>,
    /// What is asked for.
    #[serde(default)]
    pub scopes: Vec<Arc<str>>,
    /// Further parameters of the address that is opened in the browser.
    #[serde(default)]
    pub authorize_parameters: BTreeMap<Arc<str>, Arc<str>>,
    /// The port of this machine to which the browser comes back, where the provider knows only one; otherwise any
    /// that is free.
    #[serde(default)]
    pub redirect_port: Option<u16>,
    /// The path to which the browser comes back.
    #[serde(default = "callback_path")]
    pub redirect_path: Arc<str>,
    /// A page of the provider that shows the code, to be copied from there.
    #[serde(default)]
    pub redirect_page: Option<Arc<str>>,
    /// How requests for tokens are written.
    #[serde(default)]
    pub body: Body,
    /// Further headers of requests to the provider's models.
    #[serde(default)]
    pub headers: BTreeMap<Arc<str>, Arc<str>>,
}

/// How requests for tokens are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// As a form, as the standard has it.
    #[default]
    Form,
    /// As a JSON object.
    Json,
}

fn callback_path() -> Arc<str> {
    "/callback".into()
}

/// What is wrong with a description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    /// An address is no address, or others could listen on the way to it.
    #[error("`{field}` must be an `https:` address (or `http:` on this machine itself)")]
    Address {
        /// Which one.
        field: &'static str,
    },
    /// There is no way to sign in.
    #[error("there must be an `authorize_url` or a `device_url`")]
    NoWay,
    /// The path is none.
    #[error("`redirect_path` must begin with `/`")]
    Path,
}

impl Description {
    /// Whether it can be used at all: tokens must not travel where others can read them.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), DescriptionError> {
        let addresses = [
            ("authorize_url", self.authorize_url.as_deref()),
            ("token_url", Some(&*self.token_url)),
            ("device_url", self.device_url.as_deref()),
            ("redirect_page", self.redirect_page.as_deref()),
        ];
        for (field, address) in addresses {
            if address.is_some_and(|address| !is_safe(address)) {
                return Err(DescriptionError::Address { field });
            }
        }
        if self.authorize_url.is_none() && self.device_url.is_none() {
            return Err(DescriptionError::NoWay);
        }
        if !self.redirect_path.starts_with('/') {
            return Err(DescriptionError::Path);
        }
        Ok(())
    }

    /// The description that comes with the program, by the provider's name.
    #[must_use]
    pub fn included(provider: &str) -> Option<Self> {
        included().remove(provider)
    }
}

fn is_safe(address: &str) -> bool {
    if let Some(rest) = address.strip_prefix("https://") {
        return !rest.is_empty() && !rest.starts_with('/') && !authority(rest).contains('@');
    }
    let Some(rest) = address.strip_prefix("http://") else {
        return false;
    };
    let authority = authority(rest);
    let host = match authority.strip_prefix('[') {
        Some(inside) => inside.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let is_own = host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    is_own && !authority.contains('@')
}

fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// All that come with the program, by the provider's name.
#[must_use]
pub fn included() -> BTreeMap<String, Description> {
    // A test reads it; a file that cannot be read has nothing in it.
    ron::Options::default()
        .with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME)
        .from_str(INCLUDED)
        .unwrap_or_default()
}

const INCLUDED: &str = include_str!("included.ron");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_come_with_the_program_are_sound() {
        let all = included();
        assert_eq!(
            all.keys().collect::<Vec<_>>(),
            ["anthropic", "github-copilot", "openai-codex"]
        );
        for (name, description) in all {
            assert_eq!(description.check(), Ok(()), "{name}");
        }
    }

    /// As the sources beside the entries have them; a maker that moves an address leaves the old one dead.
    #[test]
    fn addresses_are_those_that_the_makers_own_programs_use() {
        let of = |name: &str| {
            let found = Description::included(name).unwrap();
            [
                found.authorize_url,
                Some(found.token_url),
                found.device_url,
                found.redirect_page,
            ]
            .map(|address| address.map_or_else(String::new, |address| address.to_string()))
        };
        assert_eq!(
            of("anthropic"),
            [
                "https://claude.com/cai/oauth/authorize",
                "https://platform.claude.com/v1/oauth/token",
                "",
                "https://platform.claude.com/oauth/code/callback",
            ]
        );
        assert_eq!(
            of("github-copilot"),
            [
                "",
                "https://github.com/login/oauth/access_token",
                "https://github.com/login/device/code",
                "",
            ]
        );
        assert_eq!(
            of("openai-codex"),
            [
                "https://auth.openai.com/oauth/authorize",
                "https://auth.openai.com/oauth/token",
                "",
                "",
            ]
        );
        let codex = Description::included("openai-codex").unwrap();
        assert_eq!(
            (codex.redirect_port, &*codex.redirect_path),
            (Some(1455), "/auth/callback")
        );
    }

    #[test]
    fn tokens_do_not_travel_in_the_open() {
        let check = |token_url: &str, expected: bool| {
            let description = Description {
                token_url: token_url.into(),
                ..Description::included("openai-codex").unwrap()
            };
            assert_eq!(description.check().is_ok(), expected, "{token_url}");
        };
        check("https://x.org/token", true);
        check("http://127.0.0.1:80/token", true);
        check("http://localhost/token", true);
        check("http://[::1]:9/token", true);
        check("http://x.org/token", false);
        check("http://localhost.x.org/token", false);
        check("http://localhost@x.org/token", false);
        check("http://127.0.0.1:9@x.org/token", false);
        check("https://", false);
        check("ftp://x.org", false);
    }
}
