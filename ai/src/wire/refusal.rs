//! What it means when a server says no, before its answer or in the middle of it.

use serde_json::Value;

use super::throttle::Headers;
use crate::failure::{Failure, FailureClass};

/// What a server said, as far as it can be understood.
#[derive(Debug, Default)]
struct Complaint {
    message: String,
    /// Its `type` and `code`, in lower case.
    kinds: Vec<String>,
    /// The status that it names in the body.
    status: Option<u16>,
    /// How long it asks to wait, in milliseconds.
    retry_after_ms: Option<u64>,
}

/// A response with a status other than 2xx.
pub(super) fn from_response(status: u16, headers: &Headers, body: &[u8]) -> Failure {
    let complaint = match serde_json::from_slice::<Value>(body) {
        Ok(value) => complaint(&value),
        Err(_) => Complaint {
            message: readable(&String::from_utf8_lossy(body)),
            ..Complaint::default()
        },
    };
    let retry_after_ms = complaint.retry_after_ms;
    let mut failure = failure(complaint, Some(status));
    failure.retry_after_ms = headers.retry_after_ms().or(retry_after_ms);
    failure
}

/// An error in a body that began as an answer. `value` is the error itself or what it is wrapped in.
pub(super) fn from_body(value: &Value) -> Failure {
    let complaint = complaint(value);
    let status = complaint.status;
    let retry_after_ms = complaint.retry_after_ms;
    Failure {
        retry_after_ms,
        ..failure(complaint, status)
    }
}

fn complaint(value: &Value) -> Complaint {
    let value = value.as_array().and_then(|items| items.first()).unwrap_or(value);
    let inner = match value.get("error") {
        Some(error) if !error.is_null() => error,
        _ => value,
    };
    if let Some(message) = inner.as_str() {
        return Complaint {
            message: readable(message),
            ..Complaint::default()
        };
    }
    let text = |key: &str| inner.get(key).and_then(Value::as_str);
    let code = inner.get("code");
    Complaint {
        message: text("message")
            .or(text("detail"))
            .map(readable)
            .unwrap_or_default(),
        kinds: [text("type"), text("code"), text("status")]
            .into_iter()
            .flatten()
            .map(str::to_ascii_lowercase)
            .collect(),
        status: code
            .and_then(|code| code.as_u64().or_else(|| code.as_str()?.parse().ok()))
            .and_then(|code| u16::try_from(code).ok())
            .filter(|code| (400..600).contains(code)),
        retry_after_ms: retry_delay(inner),
    }
}

/// The wait that Gemini asks for: `details: [{"@type": "…RetryInfo", "retryDelay": "34.07s"}]`.
fn retry_delay(error: &Value) -> Option<u64> {
    let details = error.get("details")?.as_array()?;
    let delay = details
        .iter()
        .find_map(|detail| detail.get("retryDelay")?.as_str())?;
    let seconds: f64 = delay.strip_suffix('s')?.parse().ok()?;
    let wait = std::time::Duration::try_from_secs_f64(seconds).ok()?;
    u64::try_from(wait.as_millis()).ok()
}

fn failure(complaint: Complaint, status: Option<u16>) -> Failure {
    let class = classify(&complaint, status);
    let (what, advice) = explain(class, status);
    let mut message = what.to_owned();
    if let Some(status) = status {
        message.push_str(&format!(" (HTTP {status})"));
    }
    if !complaint.message.is_empty() {
        message.push_str(": ");
        message.push_str(&complaint.message);
    }
    if !advice.is_empty() {
        message.push_str("; ");
        message.push_str(advice);
    }
    Failure {
        class,
        message: message.into(),
        status,
        retry_after_ms: None,
    }
}

fn classify(complaint: &Complaint, status: Option<u16>) -> FailureClass {
    let message = complaint.message.to_ascii_lowercase();
    let kind = |words: &[&str]| {
        complaint
            .kinds
            .iter()
            .any(|kind| words.iter().any(|word| kind.contains(word)))
    };
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));

    let about_length = kind(&[
        "context_length",
        "context_size",
        "context_window",
        "request_too_large",
    ]) || says(&[
        "prompt is too long",
        "input is too long",
        "maximum context length",
        "context length",
        "context size",
        "context window",
        // Input and `max_tokens` together.
        "exceed context limit",
        // Gemini.
        "input token count",
    ]);
    if status == Some(413) || (about_length && status != Some(429)) {
        return FailureClass::ContextOverflow;
    }
    if status == Some(402)
        || kind(&[
            "insufficient_quota",
            "billing",
            "insufficient_balance",
            "insufficient_credits",
        ])
        || says(&[
            "credit balance is too low",
            "insufficient balance",
            "insufficient credits",
        ])
    {
        return FailureClass::Quota;
    }
    if kind(&["content_filter", "content_policy", "responsibleai"]) || says(&["content management policy"]) {
        return FailureClass::Refusal;
    }
    match status {
        Some(401 | 403) => FailureClass::Auth,
        // Gemini says so of a key that is wrong.
        Some(400) if says(&["api key not valid", "api key expired"]) => FailureClass::Auth,
        Some(408 | 504 | 524) => FailureClass::Timeout,
        // Both providers' own clients repeat a conflict: it is about a lock, not about the request.
        Some(409) => FailureClass::Unavailable,
        Some(429) => FailureClass::RateLimit,
        Some(529) => FailureClass::Overloaded,
        Some(500..) if kind(&["overloaded"]) || says(&["overloaded"]) => FailureClass::Overloaded,
        Some(500..) => FailureClass::Unavailable,
        Some(_) => FailureClass::Invalid,
        None if kind(&["authentication", "permission", "api_key"]) => FailureClass::Auth,
        None if kind(&["rate_limit"]) => FailureClass::RateLimit,
        None if kind(&["overloaded", "slow_down"]) || says(&["overloaded"]) => FailureClass::Overloaded,
        None if kind(&["timeout"]) => FailureClass::Timeout,
        None if kind(&["invalid", "not_found"]) => FailureClass::Invalid,
        None => FailureClass::Unavailable,
    }
}

fn explain(class: FailureClass, status: Option<u16>) -> (&'static str, &'static str) {
    match class {
        FailureClass::Auth => (
            "the server does not accept the key",
            "check the key and what it is allowed to do",
        ),
        FailureClass::RateLimit => ("too many requests", ""),
        FailureClass::Overloaded => ("the server is overloaded", ""),
        FailureClass::Unavailable => ("the server failed", ""),
        FailureClass::Timeout => ("the server took too long", ""),
        FailureClass::Transport => ("the connection failed", ""),
        FailureClass::Invalid if status == Some(404) => (
            "the server knows no such model or address",
            "check the model's name and the base URL of the provider",
        ),
        FailureClass::Invalid if status.is_some_and(|status| status < 400) => (
            "the server answers from another address",
            "set the base URL of the provider to that address",
        ),
        FailureClass::Invalid => ("the server does not accept the request", ""),
        FailureClass::ContextOverflow => (
            "the conversation is too long for the model",
            "compact it, or choose a model with a larger context",
        ),
        FailureClass::Quota => (
            "quota or credit is used up",
            "add credit, or choose another provider",
        ),
        FailureClass::Refusal => (
            "the provider's filter refuses the conversation",
            "say it in other words, or choose another provider",
        ),
        FailureClass::Protocol => (
            "the server does not speak this protocol",
            "check the base URL of the provider",
        ),
        // No server says so.
        FailureClass::BreakerOpen => ("nothing was sent", "wait for its breaker"),
    }
}

/// A text that a server sent, short and on one line; nothing of a web page.
pub(super) fn readable(text: &str) -> String {
    const MOST: usize = 400;
    let text = text.trim();
    if text.starts_with('<') {
        return "a web page, not an answer".to_owned();
    }
    let mut line: String = text
        .chars()
        .take(MOST)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(MOST).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_classed_by_what_is_to_be_done() {
        use FailureClass as C;
        let table: &[(u16, &str, C)] = &[
            (
                401,
                r#"{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","code":"invalid_api_key"}}"#,
                C::Auth,
            ),
            (403, "<html><body>no</body></html>", C::Auth),
            (
                429,
                r#"{"error":{"message":"Rate limit reached for tokens: the context window of your tier","type":"tokens","code":"rate_limit_exceeded"}}"#,
                C::RateLimit,
            ),
            (
                429,
                r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
                C::Quota,
            ),
            (
                400,
                r#"{"error":{"message":"This model's maximum context length is 8192 tokens","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
                C::ContextOverflow,
            ),
            (
                400,
                r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}"#,
                C::ContextOverflow,
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 213462 tokens > 200000 maximum"}}"#,
                C::ContextOverflow,
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length or `max_tokens` and try again"}}"#,
                C::ContextOverflow,
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the API"}}"#,
                C::Quota,
            ),
            (
                400,
                r#"{"object":"error","message":"bad role","type":"BadRequestError","code":400}"#,
                C::Invalid,
            ),
            (
                404,
                r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-0"}}"#,
                C::Invalid,
            ),
            (
                413,
                r#"{"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}"#,
                C::ContextOverflow,
            ),
            (
                400,
                r#"{"error":{"message":"The response was filtered due to the prompt triggering our content management policy","type":null,"code":"content_filter"}}"#,
                C::Refusal,
            ),
            (
                400,
                r#"{"error":{"message":"Your request was rejected","type":"invalid_request_error","code":"content_policy_violation"}}"#,
                C::Refusal,
            ),
            (422, r#"{"detail":"field required"}"#, C::Invalid),
            (408, "", C::Timeout),
            (409, "", C::Unavailable),
            (
                500,
                r#"{"type":"error","error":{"type":"api_error","message":"Internal server error"}}"#,
                C::Unavailable,
            ),
            (502, "<html>Bad gateway</html>", C::Unavailable),
            (
                503,
                r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
                C::Unavailable,
            ),
            (
                503,
                r#"{"error":{"message":"The engine is currently overloaded"}}"#,
                C::Overloaded,
            ),
            (504, "", C::Timeout),
            (
                529,
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                C::Overloaded,
            ),
            (302, "", C::Invalid),
            // Of the network before the server.
            (524, "", C::Timeout),
            // Gemini's and Bedrock's words for a conversation that is too long, and a code of others.
            (
                400,
                r#"{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}"#,
                C::ContextOverflow,
            ),
            (
                400,
                r#"{"message":"Input is too long for requested model."}"#,
                C::ContextOverflow,
            ),
            (
                400,
                r#"{"error":{"message":"no","code":"context_window_exceeded"}}"#,
                C::ContextOverflow,
            ),
            (
                400,
                r#"{"error":{"code":400,"message":"API key expired. Please renew the API key.","status":"INVALID_ARGUMENT"}}"#,
                C::Auth,
            ),
            // Azure's name for its filter.
            (
                400,
                r#"{"error":{"message":"no","code":"ResponsibleAIPolicyViolation"}}"#,
                C::Refusal,
            ),
            // Money, whatever the status, under all its names.
            (
                429,
                r#"{"error":{"message":"no","type":"billing_error"}}"#,
                C::Quota,
            ),
            (
                403,
                r#"{"error":{"message":"no","code":"insufficient_balance"}}"#,
                C::Quota,
            ),
            (
                403,
                r#"{"error":{"message":"no","code":"insufficient_credits"}}"#,
                C::Quota,
            ),
            (429, r#"{"error":{"message":"Insufficient balance"}}"#, C::Quota),
            (
                400,
                r#"{"error":{"message":"Insufficient credits. Add more."}}"#,
                C::Quota,
            ),
        ];
        for (status, body, class) in table {
            let failure = from_response(*status, &Headers::default(), body.as_bytes());
            assert_eq!(
                (failure.class, failure.status),
                (*class, Some(*status)),
                "{status} {body}"
            );
        }
    }

    #[test]
    fn a_status_says_what_a_body_does_not() {
        use FailureClass as C;
        for (status, body, class) in [
            (402, "", C::Quota),
            (413, "", C::ContextOverflow),
            (529, "", C::Overloaded),
            (503, r#"{"error":{"type":"overloaded_error"}}"#, C::Overloaded),
            (
                400,
                r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}"#,
                C::Auth,
            ),
            (
                400,
                r#"{"error":{"message":"no","type":"rate_limit_error"}}"#,
                C::Invalid,
            ),
        ] {
            let failure = from_response(status, &Headers::default(), body.as_bytes());
            assert_eq!(failure.class, class, "{status} {body}");
        }
    }

    #[test]
    fn an_error_in_a_body_is_classed_by_its_status_there_or_its_words() {
        use FailureClass as C;
        for (body, class, status) in [
            (r#"{"type":"authentication_error"}"#, C::Auth, None),
            (r#"{"type":"permission_error"}"#, C::Auth, None),
            (r#"{"code":"invalid_api_key"}"#, C::Auth, None),
            (r#"{"type":"rate_limit_error"}"#, C::RateLimit, None),
            (r#"{"type":"overloaded_error"}"#, C::Overloaded, None),
            (r#"{"code":"slow_down"}"#, C::Overloaded, None),
            (r#"{"message":"the model is overloaded"}"#, C::Overloaded, None),
            (r#"{"type":"timeout_error"}"#, C::Timeout, None),
            (r#"{"type":"invalid_request_error"}"#, C::Invalid, None),
            (r#"{"type":"not_found_error"}"#, C::Invalid, None),
            (r#"{"type":"api_error"}"#, C::Unavailable, None),
            (r#"{"code":429}"#, C::RateLimit, Some(429)),
            (r#"{"code":"504"}"#, C::Timeout, Some(504)),
            // A number that is no status of a refusal says nothing.
            (r#"{"code":7,"type":"rate_limit_error"}"#, C::RateLimit, None),
            (r#"{"code":200}"#, C::Unavailable, None),
        ] {
            let failure = from_body(&serde_json::from_str(body).unwrap());
            assert_eq!((failure.class, failure.status), (class, status), "{body}");
        }
    }

    #[test]
    fn the_wait_in_the_body_counts_where_no_header_names_one() {
        let body = r#"{"error":{"code":429,"details":[{"retryDelay":"1.5s"}]}}"#;
        let wait = |headers: Headers| from_response(429, &headers, body.as_bytes()).retry_after_ms;
        assert_eq!(wait(Headers::default()), Some(1500));
        assert_eq!(wait([("retry-after", "9")].into_iter().collect()), Some(9000));
    }

    #[test]
    fn people_are_told_what_happened_and_what_to_do() {
        let told = |status, body: &str| from_response(status, &Headers::default(), body.as_bytes()).message;
        insta::assert_snapshot!(told(401, r#"{"error":{"message":"Incorrect API key"}}"#), @r##"the server does not accept the key (HTTP 401): Incorrect API key; check the key and what it is allowed to do"##);
        insta::assert_snapshot!(told(404, r#"[{"error":"no model x"}]"#), @r##"the server knows no such model or address (HTTP 404): no model x; check the model's name and the base URL of the provider"##);
        insta::assert_snapshot!(told(502, "<html>\n<h1>Bad gateway</h1>"), @r##"the server failed (HTTP 502): a web page, not an answer"##);
        insta::assert_snapshot!(told(500, "line one\n\u{1b}[31mline two"), @r##"the server failed (HTTP 500): line one  [31mline two"##);
        insta::assert_snapshot!(told(302, ""), @"the server answers from another address (HTTP 302); set the base URL of the provider to that address");
        insta::assert_snapshot!(told(422, r#"{"detail":"field required"}"#), @"the server does not accept the request (HTTP 422): field required");
        let cut = told(500, &"é".repeat(9000));
        assert!(cut.chars().count() < 500 && cut.ends_with("éé…"), "{cut}");
        assert!(!told(500, &"é".repeat(400)).contains('…'));
    }
}
