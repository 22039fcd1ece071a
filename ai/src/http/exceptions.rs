//! What is reached without a proxy: lists as `NO_PROXY` has them.

use std::net::IpAddr;

use reqwest::Url;

/// Who is reached without a proxy. The list is read as curl reads `NO_PROXY`, and may have ports as Go's has.
///
/// Entries stand between commas or blanks: `example.org` is that name and all below it, as is `.example.org`;
/// `10.0.0.0/8` is a network; `example.org:8080` is one port; `*` is everything. `<-loopback>`, as browsers know it, has
/// this machine itself asked through the proxy, which otherwise is not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exceptions {
    entries: Vec<Entry>,
    from: String,
    loopback_too: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    text: String,
    who: Who,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    Everybody,
    Network(IpAddr, u32),
    /// In lower case, without dots around it.
    Name(String),
}

impl Exceptions {
    /// Reads a list that stands at `from`. What is no network is a name, so nothing is an error.
    #[must_use]
    pub fn parse(list: &str, from: impl Into<String>) -> Self {
        let mut exceptions = Self {
            from: from.into(),
            ..Self::default()
        };
        for text in list.split(|c: char| c == ',' || c.is_whitespace()) {
            match text {
                "" => {}
                "<-loopback>" => exceptions.loopback_too = true,
                text => exceptions.entries.push(Entry::parse(text)),
            }
        }
        exceptions
    }

    /// Where the list stands.
    #[must_use]
    pub fn from(&self) -> &str {
        &self.from
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether this machine is asked through the proxy like every other.
    #[must_use]
    pub fn has_loopback_too(&self) -> bool {
        self.loopback_too
    }

    /// The entry by which an address is reached without a proxy.
    #[must_use]
    pub fn of(&self, url: &Url) -> Option<&str> {
        let host = url.host_str()?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let port = url.port_or_known_default();
        let found = self.entries.iter().find(|entry| entry.is(&host, port));
        found.map(|entry| entry.text.as_str())
    }
}

impl Entry {
    fn parse(text: &str) -> Self {
        let (host, port) = match text.rsplit_once(':') {
            // An address of version 6 is full of colons; with a port it stands in brackets.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
                Ok(port) => (host, Some(port)),
                Err(_) => (text, None),
            },
            _ => (text, None),
        };
        Self {
            text: text.to_owned(),
            who: Who::parse(host),
            port,
        }
    }

    fn is(&self, host: &str, port: Option<u16>) -> bool {
        self.who.is(host) && (self.port.is_none() || self.port == port)
    }
}

impl Who {
    fn parse(text: &str) -> Self {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        let (address, bits) = match bare.split_once('/') {
            Some((address, bits)) => (address, bits.parse().ok()),
            None => (bare, Some(u32::MAX)),
        };
        match (text, address.parse::<IpAddr>(), bits) {
            ("*", ..) => Self::Everybody,
            (_, Ok(address), Some(bits)) => {
                let most = if address.is_ipv4() { 32 } else { 128 };
                Self::Network(address, bits.min(most))
            }
            _ => Self::Name(
                text.trim_start_matches("*.")
                    .trim_matches('.')
                    .to_ascii_lowercase(),
            ),
        }
    }

    fn is(&self, host: &str) -> bool {
        match self {
            Self::Everybody => true,
            Self::Network(network, bits) => match (network, host.parse()) {
                (IpAddr::V4(network), Ok(IpAddr::V4(address))) => {
                    (network.to_bits() ^ address.to_bits()).leading_zeros() >= *bits
                }
                (IpAddr::V6(network), Ok(IpAddr::V6(address))) => {
                    (network.to_bits() ^ address.to_bits()).leading_zeros() >= *bits
                }
                _ => false,
            },
            Self::Name(name) => match host.strip_suffix(name.as_str()) {
                Some(before) => !name.is_empty() && (before.is_empty() || before.ends_with('.')),
                None => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: &str, url: &str, expected: Option<&str>) {
        let exceptions = Exceptions::parse(list, "NO_PROXY");
        let url = Url::parse(url).expect("an address");
        assert_eq!(exceptions.of(&url), expected, "{list:?} {url}");
    }

    #[test]
    fn names_networks_and_ports_are_told_apart() {
        let list = "a.org, .b.org,*.c.org\tD.org. 10.0.0.0/8 192.0.2.7,2001:db8::/32 [::2] e.org:8080 [2001::1]:99,f,0.0.0.0/0x fd00::7";
        for (url, entry) in [
            ("https://a.org/x", Some("a.org")),
            ("https://A.ORG./x", Some("a.org")),
            ("https://x.y.a.org", Some("a.org")),
            ("https://nota.org", None),
            ("https://a.org.net", None),
            ("https://b.org", Some(".b.org")),
            ("https://x.b.org", Some(".b.org")),
            ("https://c.org", Some("*.c.org")),
            ("https://x.c.org", Some("*.c.org")),
            ("https://d.org", Some("D.org.")),
            ("http://10.255.0.1", Some("10.0.0.0/8")),
            ("http://11.0.0.1", None),
            ("http://192.0.2.7:1", Some("192.0.2.7")),
            ("http://192.0.2.8", None),
            ("http://[2001:db8:ffff::1]/", Some("2001:db8::/32")),
            ("http://[2001:db9::1]/", None),
            ("http://[::2]", Some("[::2]")),
            // Without brackets its last part is no port.
            ("http://[fd00::7]:80/", Some("fd00::7")),
            ("http://e.org:8080", Some("e.org:8080")),
            ("http://e.org", None),
            ("http://[2001::1]:99", Some("[2001::1]:99")),
            ("http://[2001::1]:98", None),
            ("https://f", Some("f")),
            ("https://8.8.8.8", None),
        ] {
            check(list, url, entry);
        }
        check("*", "https://anything", Some("*"));
        check("e.org:443", "https://e.org", Some("e.org:443"));
        check("0.0.0.0/0", "http://9.9.9.9", Some("0.0.0.0/0"));
        check("0.0.0.0/0", "http://[2001::1]", None);
        check("10.0.0.0/99", "http://10.0.0.1", None);
        check("10.0.0.1/99", "http://10.0.0.1", Some("10.0.0.1/99"));
        for empty in ["", " , ,", ".", "*."] {
            check(empty, "https://a.org", None);
        }
    }
}
