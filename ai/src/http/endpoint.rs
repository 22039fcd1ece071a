//! The address of a provider, and the address that requests go to.

use reqwest::Url;

use crate::wire::Wire;

/// The address of a provider, as a user gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl std::fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is no address of a provider. The text is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// It does not parse.
    #[error("the base URL is no URL ({0}); write it like `https://example.org/v1`")]
    Malformed(String),
    /// It is not HTTP.
    #[error("the base URL begins with `{0}:`; only `https:` and `http:` are spoken")]
    Scheme(String),
    /// It holds a user or a password.
    #[error("the base URL holds a user name or password; give a key in its place")]
    Credentials,
}

impl BaseUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let url = Url::parse(text.trim()).map_err(|error| BaseUrlError::Malformed(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BaseUrlError::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::Credentials);
        }
        Ok(Self(url))
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// Whether it is on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        is_loopback(&self.0)
    }

    /// Where a request goes. By the custom of the providers' own clients the version `/v1` is part of an OpenAI base URL
    /// and not of an Anthropic one, and `/v1beta` is that of Gemini; all are understood with and without, and so is the
    /// whole address.
    pub(super) fn endpoint(&self, wire: Wire, path: &str, query: Option<&str>) -> Url {
        let mut url = self.0.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        let (version, is_versioned) = match wire {
            Wire::OpenAiChat | Wire::OpenAiCompatible | Wire::OpenAiResponses => ("v1", !base.is_empty()),
            Wire::Anthropic => ("v1", base.ends_with("/v1")),
            Wire::Gemini => (
                "v1beta",
                base.rsplit('/').next().is_some_and(|last| {
                    let version = last.strip_prefix('v').unwrap_or_default();
                    version.starts_with(|c: char| c.is_ascii_digit())
                }),
            ),
        };
        let full = if base.ends_with(&format!("/{path}")) {
            base
        } else if is_versioned {
            format!("{base}/{path}")
        } else {
            format!("{base}/{version}/{path}")
        };
        url.set_path(&full);
        if let Some(query) = query {
            let whole = match url.query() {
                Some(own) => format!("{own}&{query}"),
                None => query.to_owned(),
            };
            url.set_query(Some(&whole));
        }
        url
    }

    /// The host, as it stands in the address.
    pub(super) fn host(&self) -> Option<&str> {
        self.0.host_str()
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(wire: Wire) -> &'static str {
        match wire {
            Wire::Gemini => "models/m:streamGenerateContent",
            wire => wire.path(),
        }
    }

    #[test]
    fn requests_go_where_the_base_url_means() {
        let table = [
            (
                Wire::OpenAiChat,
                "https://api.openai.com/v1",
                "https://api.openai.com/v1/chat/completions",
            ),
            (
                Wire::OpenAiChat,
                "https://api.openai.com/v1/",
                "https://api.openai.com/v1/chat/completions",
            ),
            (
                Wire::OpenAiCompatible,
                "http://localhost:8080",
                "http://localhost:8080/v1/chat/completions",
            ),
            (
                Wire::OpenAiCompatible,
                " http://localhost:8080/ ",
                "http://localhost:8080/v1/chat/completions",
            ),
            (
                Wire::OpenAiCompatible,
                "https://x.org/v1beta/openai/",
                "https://x.org/v1beta/openai/chat/completions",
            ),
            (
                Wire::OpenAiCompatible,
                "https://x.org/v1?key=a",
                "https://x.org/v1/chat/completions?key=a",
            ),
            (
                Wire::OpenAiCompatible,
                "https://x.org/v1/chat/completions",
                "https://x.org/v1/chat/completions",
            ),
            (
                Wire::Anthropic,
                "https://api.anthropic.com",
                "https://api.anthropic.com/v1/messages",
            ),
            (
                Wire::Anthropic,
                "https://api.anthropic.com/v1/",
                "https://api.anthropic.com/v1/messages",
            ),
            (
                Wire::Anthropic,
                "https://x.org/anthropic",
                "https://x.org/anthropic/v1/messages",
            ),
            (
                Wire::OpenAiResponses,
                "https://api.openai.com/v1",
                "https://api.openai.com/v1/responses",
            ),
            (
                Wire::Gemini,
                "https://generativelanguage.googleapis.com",
                "https://generativelanguage.googleapis.com/v1beta/models/m:streamGenerateContent?alt=sse",
            ),
            (
                Wire::Gemini,
                "https://x.org/google/v1beta/?key=a",
                "https://x.org/google/v1beta/models/m:streamGenerateContent?key=a&alt=sse",
            ),
            (
                Wire::Gemini,
                "https://x.org/vertex",
                "https://x.org/vertex/v1beta/models/m:streamGenerateContent?alt=sse",
            ),
        ];
        for (wire, base, expected) in table {
            let query = (wire == Wire::Gemini).then_some("alt=sse");
            assert_eq!(
                BaseUrl::parse(base)
                    .unwrap()
                    .endpoint(wire, path(wire), query)
                    .as_str(),
                expected,
                "{base}"
            );
        }
    }

    #[test]
    fn what_is_no_address_is_told_without_repeating_it() {
        let error = |text: &str| BaseUrl::parse(text).unwrap_err();
        assert_eq!(error("https://me:secret@x.org"), BaseUrlError::Credentials);
        assert_eq!(
            error("file:///etc/passwd"),
            BaseUrlError::Scheme("file".to_owned())
        );
        let malformed = error("x.org/secret").to_string();
        assert!(
            malformed.contains("https://example.org/v1") && !malformed.contains("secret"),
            "{malformed}"
        );
    }

    #[test]
    fn the_loopback_is_known_in_all_its_forms() {
        let is = |text: &str| is_loopback(&Url::parse(text).unwrap());
        assert!(is("http://127.0.0.1:1") && is("http://[::1]:1/x") && is("http://localhost"));
        assert!(!is("http://127.0.0.1.example.org") && !is("http://10.0.0.1"));
    }
}
