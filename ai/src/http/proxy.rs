//! Proxies: which there are, and which of them a request goes through.

use std::fmt;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::endpoint::is_loopback;
use super::exceptions::Exceptions;

/// The address of a proxy. A user name and a password in it are for nobody but the proxy, and never shown.
#[derive(Clone)]
pub struct ProxyAddress {
    whole: SecretString,
    shown: String,
    credentials: Vec<SecretString>,
}

/// A text that is no address of a proxy. The text is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyAddressError {
    /// It does not parse.
    #[error("the address of the proxy is none ({0}); write it like `http://proxy.example.org:3128`")]
    Malformed(String),
    /// It is no proxy that is known here.
    #[error(
        "the address of the proxy begins with `{0}:`; known are `http:`, `https:`, `socks5:` and `socks5h:`"
    )]
    Scheme(String),
}

impl ProxyAddress {
    /// Reads an address. Without a scheme it is that of an HTTP proxy; `socks:` is `socks5h:`, as desktops write it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ProxyAddressError> {
        let malformed = |what: &str| ProxyAddressError::Malformed(what.to_owned());
        let text = text.trim();
        let parsed = match text.contains("://") {
            true => Url::parse(text),
            false => Url::parse(&format!("http://{text}")),
        };
        let mut url = parsed.map_err(|error| malformed(&error.to_string()))?;
        if url.scheme() == "socks" {
            url.set_scheme("socks5h")
                .map_err(|()| malformed("invalid scheme"))?;
        }
        if !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") {
            return Err(ProxyAddressError::Scheme(url.scheme().to_owned()));
        }
        // reqwest passes over an address that it cannot use, and would ask past the proxy.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        match url.host_str() {
            None | Some("") => return Err(malformed("empty host")),
            Some(host) if !host.chars().all(is_plain) => return Err(malformed("invalid host")),
            Some(_) if url.port() == Some(0) => return Err(malformed("invalid port number")),
            Some(_) => {}
        }
        url.set_path("");
        url.set_query(None);
        url.set_fragment(None);
        let whole = SecretString::from(url.to_string());
        let credentials = credentials(&url);
        let mut shown = url;
        // A proxy's address always has a host, so these cannot fail.
        let _ = (shown.set_username(""), shown.set_password(None));
        Ok(Self {
            whole,
            shown: shown.as_str().trim_end_matches('/').to_owned(),
            credentials,
        })
    }

    /// Texts of it that must not be seen: the password, as it is written and as it is meant.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        self.credentials.iter()
    }

    /// Whether there is a user name or a password in it.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        self.whole.expose_secret().contains('@')
    }

    /// All of it, for the connection.
    pub(super) fn url(&self) -> Option<Url> {
        Url::parse(self.whole.expose_secret()).ok()
    }

    /// Whether the way to the proxy itself is encrypted.
    pub(super) fn is_secured(&self) -> bool {
        self.shown.starts_with("https:")
    }
}

fn credentials(url: &Url) -> Vec<SecretString> {
    let Some(written) = url.password().filter(|password| !password.is_empty()) else {
        return Vec::new();
    };
    let mut all = vec![SecretString::from(written)];
    let meant = decoded(written);
    if meant != written {
        all.push(meant.into());
    }
    all
}

/// A text with its `%41` decoded.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = |byte: &u8| {
            char::from(*byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        rest = match (first, after) {
            (b'%', [high, low, after @ ..]) if hex(high).is_some() && hex(low).is_some() => {
                bytes.push(hex(high).unwrap_or_default() * 16 + hex(low).unwrap_or_default());
                after
            }
            _ => {
                bytes.push(*first);
                after
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Without user name and password.
impl fmt::Display for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyAddress({})", self.shown)
    }
}

impl PartialEq for ProxyAddress {
    fn eq(&self, other: &Self) -> bool {
        self.whole.expose_secret() == other.whole.expose_secret()
    }
}

/// A proxy, and where it stands that requests go through it.
#[derive(Debug, Clone, PartialEq)]
pub struct Proxy {
    /// Its address.
    pub address: ProxyAddress,
    /// The setting or variable, for people.
    pub from: String,
}

/// The proxies of a user.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Proxies {
    /// For addresses that begin with `http:`.
    pub http: Option<Proxy>,
    /// For addresses that begin with `https:`.
    pub https: Option<Proxy>,
    /// Who is reached without.
    pub except: Exceptions,
}

/// The way to an address.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Route<'p> {
    /// There is no proxy for such addresses.
    Straight,
    /// It is on this machine, where no proxy is needed.
    Near,
    /// There is a proxy, but not for this one.
    Excepted {
        /// The entry that says so.
        entry: &'p str,
        /// Where the list with the entry stands.
        from: &'p str,
    },
    /// Through a proxy.
    Through(&'p Proxy),
}

impl Proxies {
    /// The way to an address. Whoever asks, connects or explains, asks this.
    pub(super) fn route(&self, url: &Url) -> Route<'_> {
        let proxy = match url.scheme() {
            "http" => &self.http,
            _ => &self.https,
        };
        let Some(proxy) = proxy else {
            return Route::Straight;
        };
        if let Some(entry) = self.except.of(url) {
            return Route::Excepted {
                entry,
                from: self.except.from(),
            };
        }
        match is_loopback(url) && !self.except.has_loopback_too() {
            true => Route::Near,
            false => Route::Through(proxy),
        }
    }
}

/// For people: `no proxy`, or which for what.
impl fmt::Display for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |proxy: &Proxy| format!("{} ({})", proxy.address, proxy.from);
        match (&self.http, &self.https) {
            (None, None) => return f.write_str("no proxy"),
            (Some(http), Some(https)) if http == https => write!(f, "proxy {}", shown(http))?,
            (http, https) => {
                let each = [("http:", http), ("https:", https)].into_iter();
                let each = each.filter_map(|(scheme, proxy)| {
                    Some(format!("proxy for {scheme} {}", shown(proxy.as_ref()?)))
                });
                f.write_str(&each.collect::<Vec<_>>().join(", "))?;
            }
        }
        match self.except.is_empty() {
            true => Ok(()),
            false => write!(f, ", but not for those in {}", self.except.from()),
        }
    }
}

/// As it may stand behind what is done: ` through the proxy http://proxy:3128 (HTTPS_PROXY)`.
impl fmt::Display for Route<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Straight | Self::Near => Ok(()),
            Self::Excepted { entry, from } => write!(f, ", past the proxy (`{entry}` in {from})"),
            Self::Through(proxy) => write!(f, " through the proxy {} ({})", proxy.address, proxy.from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Apart from the addresses, so that none of them looks as if it held one.
    const PASSWORD: &str = "pass%40word";

    #[test]
    fn addresses_are_understood_as_people_write_them() {
        for (text, shown, has_credentials) in [
            ("http://proxy.org:3128", "http://proxy.org:3128", false),
            (" proxy.org:3128/ ", "http://proxy.org:3128", false),
            ("10.0.0.1", "http://10.0.0.1", false),
            ("https://proxy.org/path?query#x", "https://proxy.org", false),
            ("socks5://[::1]:1080", "socks5://[::1]:1080", false),
            ("socks5h://proxy", "socks5h://proxy", false),
            ("socks://proxy:1080/", "socks5h://proxy:1080", false),
            (&format!("http://me:{PASSWORD}@proxy:1"), "http://proxy:1", true),
            ("me:secret@proxy:1", "http://proxy:1", true),
            ("socks5://me@proxy:1", "socks5://proxy:1", true),
        ] {
            let address = ProxyAddress::parse(text).expect(text);
            assert_eq!(
                (address.to_string().as_str(), address.has_credentials()),
                (shown, has_credentials),
                "{text}"
            );
            assert_eq!(format!("{address:?}"), format!("ProxyAddress({shown})"));
            assert!(address.url().is_some());
        }
        for (text, expected) in [
            ("", "empty host"),
            ("http://", "empty host"),
            ("socks5://", "empty host"),
            ("socks5://pr%6fxy", "invalid host"),
            ("http://proxy:0", "invalid port number"),
            ("http://secret:99999", "invalid port number"),
            ("ftp://me:secret@proxy", "begins with `ftp:`"),
            ("socks4://proxy", "begins with `socks4:`"),
        ] {
            let error = ProxyAddress::parse(text).expect_err(text).to_string();
            assert!(
                error.contains(expected) && !error.contains("secret"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn a_password_is_secret_as_it_is_written_and_as_it_is_meant() {
        let secrets = |password: &str| -> Vec<String> {
            let address = ProxyAddress::parse(&format!("http://me{password}@proxy")).expect(password);
            address
                .secrets()
                .map(|secret| secret.expose_secret().to_owned())
                .collect()
        };
        assert_eq!(secrets(":p%40ss%2"), ["p%40ss%2", "p@ss%2"]);
        assert_eq!(secrets(":plain"), ["plain"]);
        assert!(secrets("").is_empty());
    }

    fn proxies(except: &str) -> Proxies {
        let proxy = |text: &str, from: &str| {
            Some(Proxy {
                address: ProxyAddress::parse(text).expect(text),
                from: from.to_owned(),
            })
        };
        Proxies {
            http: proxy("http://plain:1", "HTTP_PROXY"),
            https: proxy("http://me:secret@secured:2", "HTTPS_PROXY"),
            except: Exceptions::parse(except, "NO_PROXY"),
        }
    }

    #[test]
    fn the_way_depends_on_scheme_exceptions_and_nearness() {
        let near = "127.0.0.1 ";
        for (except, url, expected) in [
            (
                "",
                "http://x.org",
                " through the proxy http://plain:1 (HTTP_PROXY)",
            ),
            (
                "",
                "https://x.org",
                " through the proxy http://secured:2 (HTTPS_PROXY)",
            ),
            ("x.org", "https://x.org", ", past the proxy (`x.org` in NO_PROXY)"),
            ("", "http://localhost:8080/v1", ""),
            ("", "https://[::1]:8080/v1", ""),
            (
                "<-loopback>",
                "http://127.0.0.1",
                " through the proxy http://plain:1 (HTTP_PROXY)",
            ),
            (
                &format!("{near}<-loopback>"),
                "http://127.0.0.1",
                ", past the proxy (`127.0.0.1` in NO_PROXY)",
            ),
        ] {
            let proxies = proxies(except);
            let url = Url::parse(url).expect(url);
            assert_eq!(proxies.route(&url).to_string(), expected, "{except:?} {url}");
        }
        let nowhere = Url::parse("https://x.org").expect("an address");
        assert_eq!(Proxies::default().route(&nowhere), Route::Straight);
        assert!(!format!("{:?}", proxies("")).contains("secret"));
        assert_eq!(Proxies::default().to_string(), "no proxy");
        assert_eq!(
            proxies("x.org").to_string(),
            "proxy for http: http://plain:1 (HTTP_PROXY), proxy for https: http://secured:2 (HTTPS_PROXY), but not for \
             those in NO_PROXY"
        );
        let one = Proxies {
            https: None,
            ..proxies("")
        };
        assert_eq!(one.to_string(), "proxy for http: http://plain:1 (HTTP_PROXY)");
    }
}
