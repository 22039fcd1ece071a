//! What a server's headers say about when to try again.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::rate_limit::{MOST, RateLimit};

/// Headers of a response, by name in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        Self(
            headers
                .into_iter()
                .map(|(name, value)| (name.into().to_ascii_lowercase(), value.into()))
                .collect(),
        )
    }
}

impl Headers {
    /// The first header of this name, which is in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(other, _)| other == name)?;
        Some(value.trim())
    }

    /// How long the server asks to wait, in milliseconds. Dates count from the response's own `Date`, so that no
    /// clock is needed and a wrong one does no harm.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u64> {
        let explicit = self
            .get("retry-after-ms")
            .and_then(|value| millis(value, 1.0))
            .or_else(|| {
                self.get("retry-after")
                    .and_then(|value| self.seconds_or_date(value))
            });
        explicit.or_else(|| self.longest_reset())
    }

    /// [RFC 9110, section 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3).
    fn seconds_or_date(&self, value: &str) -> Option<u64> {
        millis(value, 1000.0).or_else(|| self.until(httpdate::parse_http_date(value).ok()?))
    }

    /// The latest reset among the limits that are used up: OpenAI's `x-ratelimit-reset-…` are durations, Anthropic's
    /// `anthropic-ratelimit-…-reset` are dates.
    fn longest_reset(&self) -> Option<u64> {
        let used_up = |name: &str| self.get(name) == Some("0");
        self.0
            .iter()
            .filter_map(|(name, value)| {
                if let Some(limit) = name.strip_prefix("x-ratelimit-reset-") {
                    used_up(&format!("x-ratelimit-remaining-{limit}"))
                        .then(|| go_duration_ms(value.trim()))?
                } else {
                    let limit = name
                        .strip_prefix("anthropic-ratelimit-")?
                        .strip_suffix("-reset")?;
                    used_up(&format!("anthropic-ratelimit-{limit}-remaining"))
                        .then(|| self.until(rfc3339(value.trim())?))?
                }
            })
            .max()
    }

    /// What the server allows within a time, by name: OpenAI's `x-ratelimit-{what}-{name}`, Anthropic's
    /// `anthropic-ratelimit-{name}-{what}`, and the `ratelimit-{what}` and `x-ratelimit-{what}` of others, with seconds
    /// for the reset. What says nothing that can be read is left out.
    #[must_use]
    pub fn rate_limits(&self) -> Vec<RateLimit> {
        let mut found: BTreeMap<&str, RateLimit> = BTreeMap::new();
        for (header, value) in &self.0 {
            let Some((name, what)) = limited(header) else {
                continue;
            };
            if found.len() >= MOST && !found.contains_key(name) {
                continue;
            }
            let limit = found.entry(name).or_insert_with(|| RateLimit {
                name: name.into(),
                limit: None,
                remaining: None,
                reset_ms: None,
            });
            let value = value.trim();
            match what {
                What::Limit => limit.limit = value.parse().ok(),
                What::Remaining => limit.remaining = value.parse().ok(),
                What::Reset => limit.reset_ms = self.reset(value),
            }
        }
        found
            .into_values()
            .filter(|found| found.limit.is_some() || found.remaining.is_some() || found.reset_ms.is_some())
            .collect()
    }

    fn reset(&self, value: &str) -> Option<u64> {
        if let Some(then) = rfc3339(value) {
            return self.until(then);
        }
        let Some(ms) = millis(value, 1000.0) else {
            return go_duration_ms(value);
        };
        // A number this large is a moment, in seconds or in milliseconds, and not a time to wait.
        match ms {
            1_000_000_000_000_000.. => {
                self.until(SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms / 1000))?)
            }
            1_000_000_000_000.. => self.until(SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms))?),
            _ => Some(ms),
        }
    }

    fn until(&self, then: SystemTime) -> Option<u64> {
        let now = httpdate::parse_http_date(self.get("date")?).ok()?;
        let wait = then.duration_since(now).unwrap_or_default();
        u64::try_from(wait.as_millis()).ok()
    }
}

/// What a header tells of a limit.
#[derive(Clone, Copy)]
enum What {
    Limit,
    Remaining,
    Reset,
}

impl What {
    fn of(word: &str) -> Option<Self> {
        match word {
            "limit" => Some(Self::Limit),
            "remaining" => Some(Self::Remaining),
            "reset" => Some(Self::Reset),
            _ => None,
        }
    }
}

/// Which limit a header is of, and what it tells of it.
fn limited(header: &str) -> Option<(&str, What)> {
    if let Some(rest) = header.strip_prefix("anthropic-ratelimit-") {
        let (name, what) = rest.rsplit_once('-')?;
        return Some((name, What::of(what)?));
    }
    let rest = header
        .strip_prefix("x-")
        .unwrap_or(header)
        .strip_prefix("ratelimit-")?;
    let (what, name) = rest.split_once('-').unwrap_or((rest, "requests"));
    Some((name, What::of(what)?))
}

/// A number of units, as milliseconds.
fn millis(value: &str, unit_ms: f64) -> Option<u64> {
    let number: f64 = value.parse().ok()?;
    // A cast saturates; what is no number, or lies in the past, is no wish.
    (number.is_finite() && number >= 0.0).then(|| (number * unit_ms).ceil() as u64)
}

/// `1h2m3.5s`, `6m0s`, `20ms`.
fn go_duration_ms(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let unit_ms = match unit {
            "d" => 86_400_000.0,
            "h" => 3_600_000.0,
            "m" => 60_000.0,
            "s" => 1000.0,
            "ms" => 1.0,
            _ => return None,
        };
        total = total.saturating_add(millis(number, unit_ms)?);
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

/// `2026-01-31T12:00:00Z`, whole seconds in UTC: [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339) as far as it is
/// used here.
fn rfc3339(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, separator| -> Option<[u64; 3]> {
        let numbers: Result<Vec<u64>, _> = text.split(separator).map(str::parse).collect();
        numbers.ok()?.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time.split('.').next()?, ':')?;
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Years that begin in March put the leap day last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400 + hour * 3600 + minute * 60 + second))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case<'a> = (&'a [(&'a str, &'a str)], Option<u64>);

    #[test]
    fn the_wait_is_read_from_every_form_of_header() {
        const DATE: (&str, &str) = ("Date", "Sat, 31 Jan 2026 11:59:30 GMT");
        let table: &[Case<'_>] = &[
            (&[], None),
            (&[("Retry-After", "3")], Some(3000)),
            (&[("retry-after", " 1.5 ")], Some(1500)),
            (&[("retry-after", "0")], Some(0)),
            (
                &[
                    ("x-ratelimit-remaining-tokens", "0"),
                    ("x-ratelimit-reset-tokens", "1d1s"),
                ],
                Some(86_401_000),
            ),
            (&[("retry-after", "0.0001")], Some(1)),
            (&[("retry-after", "-1")], None),
            (&[("retry-after", "NaN")], None),
            (&[("retry-after", "inf")], None),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "1e300")], Some(u64::MAX)),
            (&[("retry-after", "9"), ("retry-after-ms", "250")], Some(250)),
            (
                &[DATE, ("retry-after", "Sat, 31 Jan 2026 12:00:00 GMT")],
                Some(30_000),
            ),
            (&[DATE, ("retry-after", "Sat, 31 Jan 2026 11:00:00 GMT")], Some(0)),
            // Without the server's own date a date says nothing.
            (&[("retry-after", "Sat, 31 Jan 2026 12:00:00 GMT")], None),
            (
                &[
                    ("x-ratelimit-remaining-requests", "0"),
                    ("x-ratelimit-reset-requests", "1h6m0.5s"),
                    ("x-ratelimit-remaining-tokens", "149984"),
                    ("x-ratelimit-reset-tokens", "5h"),
                ],
                Some(3_960_500),
            ),
            (
                &[
                    ("x-ratelimit-remaining-tokens", "0"),
                    ("x-ratelimit-reset-tokens", "20ms"),
                ],
                Some(20),
            ),
            (
                &[
                    ("x-ratelimit-remaining-tokens", "0"),
                    ("x-ratelimit-reset-tokens", "5y"),
                ],
                None,
            ),
            (
                &[
                    DATE,
                    ("anthropic-ratelimit-requests-remaining", "0"),
                    ("anthropic-ratelimit-requests-reset", "2026-01-31T12:00:10Z"),
                    ("anthropic-ratelimit-tokens-remaining", "0"),
                    ("anthropic-ratelimit-tokens-reset", "2026-02-01T11:59:30Z"),
                ],
                Some(86_400_000),
            ),
        ];
        for (headers, expected) in table {
            let headers: Headers = headers.iter().copied().collect();
            assert_eq!(headers.retry_after_ms(), *expected, "{headers:?}");
        }
    }

    #[test]
    fn limits_are_read_from_the_headers_of_each_provider() {
        let told = |headers: &[(&str, &str)]| -> Vec<String> {
            let headers: Headers = headers.iter().copied().collect();
            let limits = headers.rate_limits();
            limits
                .iter()
                .map(|limit| {
                    let number =
                        |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
                    let (of, left, reset) = (
                        number(limit.limit),
                        number(limit.remaining),
                        number(limit.reset_ms),
                    );
                    format!("{} {left} of {of} for {reset}", limit.name)
                })
                .collect()
        };
        let openai = [
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-limit-tokens", "150000"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ];
        assert_eq!(
            told(&openai),
            ["requests 59 of 60 for 1000", "tokens 149984 of 150000 for 360000"]
        );
        let anthropic = [
            ("Date", "Sat, 31 Jan 2026 11:59:30 GMT"),
            ("anthropic-ratelimit-input-tokens-limit", "40000"),
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
            ("anthropic-ratelimit-input-tokens-reset", "2026-01-31T12:00:00Z"),
            ("anthropic-ratelimit-unified-status", "allowed"),
        ];
        assert_eq!(told(&anthropic), ["input-tokens 0 of 40000 for 30000"]);
        let others = [
            ("RateLimit-Limit", "10"),
            ("RateLimit-Remaining", "3"),
            ("ratelimit-reset", "50"),
        ];
        assert_eq!(told(&others), ["requests 3 of 10 for 50000"]);
        for moment in ["1769860820", "1769860820000"] {
            let date = ("date", "Sat, 31 Jan 2026 12:00:00 GMT");
            assert_eq!(
                told(&[date, ("x-ratelimit-reset", moment)]),
                ["requests - of - for 20000"]
            );
            assert!(told(&[("x-ratelimit-reset", moment)]).is_empty());
        }
        assert!(told(&[("x-ratelimit-limit-tokens", "many"), ("x-ratelimit", "1")]).is_empty());
        let many: Vec<(String, String)> = (0..99)
            .map(|n| (format!("x-ratelimit-limit-{n}"), "1".into()))
            .collect();
        // What else is said of those that are kept is kept too.
        let more = [("x-ratelimit-limit-99", "1"), ("x-ratelimit-remaining-0", "7")];
        let more = more.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let kept = many.into_iter().chain(more).collect::<Headers>().rate_limits();
        assert_eq!(kept.len(), MOST);
        assert_eq!(kept.first().and_then(|limit| limit.remaining), Some(7));
    }

    #[test]
    fn dates_count_leap_days() {
        let seconds =
            |text| rfc3339(text).map(|time| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs());
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2000-02-29T00:00:00Z"), Some(951_782_400));
        assert_eq!(seconds("2026-03-01T00:00:01.250Z"), Some(1_772_323_201));
        assert_eq!(seconds("2026-13-01T00:00:00Z"), None);
        assert_eq!(seconds("2026-03-01 00:00:00"), None);
    }
}
