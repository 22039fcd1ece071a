//! What a server's headers say about when to try again.

use std::time::{Duration, SystemTime};

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

    fn until(&self, then: SystemTime) -> Option<u64> {
        let now = httpdate::parse_http_date(self.get("date")?).ok()?;
        let wait = then.duration_since(now).unwrap_or_default();
        u64::try_from(wait.as_millis()).ok()
    }
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
