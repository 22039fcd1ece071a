//! Secrets that are known by their looks: a prefix that their issuer puts before so many random characters.
//!
//! Prefixes and lengths are those that the issuers document, or that their keys have. Where an issuer has checksums
//! (GitHub, npm), a wrong one saves nothing from being masked: a key with a typing error is nearly a key.

use super::entropy::is_random;
use super::kind::Kind;
use super::work;

/// Characters after a prefix.
#[derive(Debug, Clone, Copy)]
enum Body {
    /// Letters and digits.
    Word,
    /// Those, `_` and `-`.
    Dashed,
    /// Those and `.`.
    Dotted,
    /// Hexadecimal digits.
    Hex,
    /// Capitals and the digits 2 to 7.
    Base32,
    /// Capitals and digits.
    Upper,
}

impl Body {
    fn has(self, byte: u8) -> bool {
        let word = byte.is_ascii_alphanumeric();
        match self {
            Self::Word => word,
            Self::Dashed => word || matches!(byte, b'_' | b'-'),
            Self::Dotted => word || matches!(byte, b'_' | b'-' | b'.'),
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Base32 => byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte),
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        }
    }
}

struct Shape {
    prefix: &'static str,
    kind: Kind,
    body: Body,
    least: usize,
    most: usize,
}

const fn shape(prefix: &'static str, kind: Kind, body: Body, least: usize, most: usize) -> Shape {
    Shape {
        prefix,
        kind,
        body,
        least,
        most,
    }
}

const LONG: usize = 4096;

/// No secret is shorter than this, prefix included.
pub(super) const SHORTEST: usize = 20;

/// In order of their first bytes; longer prefixes first where one begins with another.
const SHAPES: &[Shape] = &[
    shape("AGE-SECRET-KEY-1", Kind::PrivateKey, Body::Upper, 58, 58),
    shape("AIza", Kind::GoogleKey, Body::Dashed, 35, 35),
    shape("ABIA", Kind::AwsAccessKey, Body::Base32, 16, 16),
    shape("ACCA", Kind::AwsAccessKey, Body::Base32, 16, 16),
    shape("AKIA", Kind::AwsAccessKey, Body::Base32, 16, 16),
    shape("ASIA", Kind::AwsAccessKey, Body::Base32, 16, 16),
    shape("ATATT3", Kind::ApiKey, Body::Dashed, 60, LONG),
    shape("GOCSPX-", Kind::GoogleKey, Body::Dashed, 28, 28),
    shape("NRAK-", Kind::ApiKey, Body::Upper, 27, 27),
    shape("SG.", Kind::ApiKey, Body::Dotted, 60, 80),
    shape("dapi", Kind::ApiKey, Body::Hex, 32, 32),
    shape("dckr_pat_", Kind::ApiKey, Body::Dashed, 27, 40),
    shape("dop_v1_", Kind::ApiKey, Body::Hex, 64, 64),
    shape("doo_v1_", Kind::ApiKey, Body::Hex, 64, 64),
    shape("dp.pt.", Kind::ApiKey, Body::Word, 40, 44),
    shape("figd_", Kind::ApiKey, Body::Dashed, 40, 60),
    shape("ghp_", Kind::GithubToken, Body::Word, 36, 255),
    shape("gho_", Kind::GithubToken, Body::Word, 36, 255),
    shape("ghu_", Kind::GithubToken, Body::Word, 36, 255),
    shape("ghs_", Kind::GithubToken, Body::Dotted, 36, LONG),
    shape("ghr_", Kind::GithubToken, Body::Word, 36, 255),
    shape("github_pat_", Kind::GithubToken, Body::Dashed, 60, 255),
    shape("glpat-", Kind::GitlabToken, Body::Dotted, 20, 300),
    shape("glptt-", Kind::GitlabToken, Body::Dashed, 20, 64),
    shape("glrt-", Kind::GitlabToken, Body::Dotted, 20, 300),
    shape("gldt-", Kind::GitlabToken, Body::Dashed, 20, 64),
    shape("glcbt-", Kind::GitlabToken, Body::Dashed, 20, 64),
    shape("glft-", Kind::GitlabToken, Body::Dashed, 20, 64),
    shape("glsoat-", Kind::GitlabToken, Body::Dashed, 20, 64),
    shape("glagent-", Kind::GitlabToken, Body::Dashed, 40, 64),
    shape("gloas-", Kind::GitlabToken, Body::Dashed, 40, 80),
    shape("glsa_", Kind::ApiKey, Body::Dashed, 41, 41),
    shape("gsk_", Kind::ApiKey, Body::Word, 48, 60),
    shape("hf_", Kind::HuggingFaceToken, Body::Word, 30, 60),
    shape("hvs.", Kind::ApiKey, Body::Dashed, 24, 255),
    shape("hvb.", Kind::ApiKey, Body::Dashed, 100, 400),
    shape("lin_api_", Kind::ApiKey, Body::Word, 40, 48),
    shape("npm_", Kind::NpmToken, Body::Word, 36, 36),
    shape("ntn_", Kind::ApiKey, Body::Word, 40, 50),
    shape("pplx-", Kind::ApiKey, Body::Word, 48, 56),
    shape("pypi-AgEIcHlwaS5vcmc", Kind::PypiToken, Body::Dashed, 50, LONG),
    shape(
        "pypi-AgENdGVzdC5weXBpLm9yZw",
        Kind::PypiToken,
        Body::Dashed,
        50,
        LONG,
    ),
    shape("r8_", Kind::ApiKey, Body::Word, 37, 40),
    shape("rk_live_", Kind::StripeKey, Body::Word, 16, 255),
    shape("rk_test_", Kind::StripeKey, Body::Word, 16, 255),
    shape("rubygems_", Kind::ApiKey, Body::Hex, 48, 48),
    shape("sbp_", Kind::ApiKey, Body::Hex, 40, 40),
    shape("shpat_", Kind::ApiKey, Body::Hex, 32, 32),
    shape("shpca_", Kind::ApiKey, Body::Hex, 32, 32),
    shape("shppa_", Kind::ApiKey, Body::Hex, 32, 32),
    shape("shpss_", Kind::ApiKey, Body::Hex, 32, 32),
    shape("sk-ant-", Kind::AnthropicKey, Body::Dashed, 24, 255),
    shape("sk-or-", Kind::ApiKey, Body::Dashed, 32, 128),
    shape("sk-proj-", Kind::OpenaiKey, Body::Dashed, 32, 255),
    shape("sk-svcacct-", Kind::OpenaiKey, Body::Dashed, 32, 255),
    shape("sk-admin-", Kind::OpenaiKey, Body::Dashed, 32, 255),
    shape("sk-", Kind::OpenaiKey, Body::Dashed, 32, 255),
    shape("sk_live_", Kind::StripeKey, Body::Word, 16, 255),
    shape("sk_test_", Kind::StripeKey, Body::Word, 16, 255),
    shape("sntrys_", Kind::ApiKey, Body::Dashed, 60, 400),
    shape("sntryu_", Kind::ApiKey, Body::Hex, 64, 64),
    shape("tskey-", Kind::ApiKey, Body::Dashed, 24, 100),
    shape("whsec_", Kind::StripeKey, Body::Word, 32, 64),
    shape("xai-", Kind::ApiKey, Body::Word, 70, 90),
    shape("xapp-", Kind::SlackToken, Body::Dashed, 40, 255),
    shape("xoxa-", Kind::SlackToken, Body::Dashed, 20, 255),
    shape("xoxb-", Kind::SlackToken, Body::Dashed, 20, 255),
    shape("xoxc-", Kind::SlackToken, Body::Dashed, 20, 255),
    shape("xoxd-", Kind::SlackToken, Body::Dashed, 20, 255),
    shape("xoxe-", Kind::SlackToken, Body::Dashed, 20, 255),
    shape("xoxe.", Kind::SlackToken, Body::Dashed, 20, 255),
    shape("xoxp-", Kind::SlackToken, Body::Dashed, 20, 255),
    shape("xoxr-", Kind::SlackToken, Body::Dashed, 20, 255),
    shape("xoxs-", Kind::SlackToken, Body::Dashed, 20, 255),
    shape("ya29.", Kind::GoogleKey, Body::Dashed, 40, LONG),
];

/// With what a text begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begins {
    /// A secret of so many bytes.
    Secret(usize, Kind),
    /// So many bytes that are too many for a secret, and need not be looked at again.
    Data(usize),
    /// Nothing of note.
    Nothing,
}

/// Characters that look like a secret but are none are looked at again from their second on; not so many of them, though.
const MOST_AGAIN: usize = 256;

/// The shapes that begin with each byte.
static BY_FIRST: [(u8, u8); 256] = {
    let mut table = [(0, 0); 256];
    let mut at = 0;
    while at < SHAPES.len() {
        #[allow(
            clippy::indexing_slicing,
            clippy::cast_possible_truncation,
            reason = "evaluated while compiling"
        )]
        {
            let first = SHAPES[at].prefix.as_bytes()[0] as usize;
            if table[first].1 == 0 {
                table[first].0 = at as u8;
            }
            table[first].1 = at as u8 + 1;
        }
        at += 1;
    }
    table
};

fn beginning_with(byte: u8) -> &'static [Shape] {
    let (from, to) = BY_FIRST.get(usize::from(byte)).copied().unwrap_or_default();
    SHAPES.get(usize::from(from)..usize::from(to)).unwrap_or_default()
}

/// The secret with which a text begins. What stands before is not looked at.
pub(super) fn begins(text: &[u8]) -> Begins {
    let mut looked = 0;
    if text.starts_with(b"eyJ") {
        match jwt(text) {
            (len, true) => return Begins::Secret(len, Kind::Jwt),
            (len, false) => looked = len,
        }
        work::count(looked);
    }
    for shape in text.first().map_or(&[][..], |first| beginning_with(*first)) {
        let Some(body) = text.strip_prefix(shape.prefix.as_bytes()) else {
            continue;
        };
        let len = body
            .iter()
            .position(|byte| !shape.body.has(*byte))
            .unwrap_or(body.len());
        looked = looked.max(shape.prefix.len() + len);
        work::count(len);
        let run = body.get(..len).unwrap_or_default();
        // The full stop of a sentence.
        let run = match shape.body {
            Body::Dotted => run.strip_suffix(b".").unwrap_or(run),
            _ => run,
        };
        let follows = body.get(run.len()).is_some_and(u8::is_ascii_alphanumeric);
        let fits = (shape.least..=shape.most).contains(&run.len()) && !follows;
        if fits && is_random(run) {
            return Begins::Secret(shape.prefix.len() + run.len(), shape.kind);
        }
    }
    if looked > MOST_AGAIN {
        Begins::Data(looked)
    } else {
        Begins::Nothing
    }
}

/// Whether a secret can begin with this byte.
pub(super) fn can_begin(byte: u8) -> bool {
    byte == b'e' || !beginning_with(byte).is_empty()
}

/// A JSON Web Token (RFC 7519): base64url of a JSON object, which begins with `eyJ`, and two more such parts; four
/// more where it is encrypted. Says how far it goes, and whether it is one.
fn jwt(text: &[u8]) -> (usize, bool) {
    let base64 = |byte: &u8| Body::Dashed.has(*byte) || *byte == b'=';
    let mut ends = Vec::with_capacity(5);
    let mut end = 0;
    while let Some(rest) = text.get(end..) {
        end += rest.iter().position(|byte| !base64(byte)).unwrap_or(rest.len());
        ends.push(end);
        if ends.len() == 5 || text.get(end) != Some(&b'.') {
            break;
        }
        end += 1;
    }
    if ends.len() == 4 {
        // A signed one, and a full stop.
        ends.pop();
    }
    let (first, last) = match (ends.first(), ends.last()) {
        (Some(first), Some(last)) => (*first, *last),
        _ => return (0, false),
    };
    let payload = text.get(first + 1..).unwrap_or_default();
    let parts = ends.len() == 5 || ends.len() == 3 && payload.starts_with(b"eyJ");
    (last, parts && first >= 10 && last >= 36)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_found_and_not_hidden_by_an_earlier_one() {
        for (at, shape) in SHAPES.iter().enumerate() {
            let first = shape.prefix.as_bytes().first().copied().unwrap_or_default();
            let found = beginning_with(first);
            assert!(
                found
                    .iter()
                    .all(|other| other.prefix.starts_with(char::from(first)))
            );
            assert!(
                found.iter().any(|other| other.prefix == shape.prefix),
                "{}",
                shape.prefix
            );
            assert!(shape.prefix.len() + shape.least >= SHORTEST, "{}", shape.prefix);
            let hidden = SHAPES
                .iter()
                .take(at)
                .any(|earlier| shape.prefix.starts_with(earlier.prefix));
            assert!(!hidden, "{}", shape.prefix);
        }
    }
}
