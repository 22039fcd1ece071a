//! The device flow (RFC 8628): a code to be typed elsewhere, and asking until somebody has.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use super::tokens::{TokenError, Tokens};

/// How often is asked where the server does not say, and by how much slower when it says so (RFC 8628 section 3.5).
const STEP: Duration = Duration::from_secs(5);
/// A server that is not reached is given up after so many times in a row.
const PATIENCE: u32 = 5;
/// No code is waited for longer than this.
const LONGEST: u64 = 3600;

/// What a server gave for a device.
#[derive(Debug, Clone, Deserialize)]
pub struct Device {
    /// What tokens are asked for with.
    pub device_code: SecretString,
    /// What a person types.
    pub user_code: String,
    /// Where.
    #[serde(alias = "verification_url")]
    pub verification_uri: String,
    /// Where, with the code in it.
    #[serde(default)]
    pub verification_uri_complete: Option<String>,
    /// How long the code holds, in seconds.
    pub expires_in: u64,
    /// How often may be asked, in seconds.
    #[serde(default)]
    pub interval: Option<u64>,
}

/// Asking until there are tokens. Knows no clock: it is told how much time has passed.
#[derive(Debug)]
pub struct Polling {
    interval: Duration,
    until: Duration,
    unreached: u32,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// Ask again after this time.
    Ask(Duration),
    /// There they are.
    Tokens(Box<Tokens>),
}

/// Why there will be no tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSignedIn {
    /// Nobody typed the code in time.
    #[error("the code has run out before anybody typed it: begin again")]
    Expired,
    /// Somebody said no.
    #[error("somebody said no to this: begin again if that was a mistake")]
    Denied,
    /// Another error.
    #[error(transparent)]
    Failed(TokenError),
}

impl Polling {
    /// Begins, now.
    #[must_use]
    pub fn begin(device: &Device) -> Self {
        let interval = device.interval.map_or(STEP, Duration::from_secs);
        Self {
            interval: interval.max(Duration::from_millis(1)),
            until: Duration::from_secs(device.expires_in.min(LONGEST)),
            unreached: 0,
        }
    }

    /// How long to wait before the first question.
    #[must_use]
    pub fn first(&self) -> Duration {
        self.interval
    }

    /// Takes an answer, so long after the beginning.
    ///
    /// # Errors
    /// [`NotSignedIn`].
    pub fn after(
        &mut self,
        answer: Result<Tokens, TokenError>,
        elapsed: Duration,
    ) -> Result<Next, NotSignedIn> {
        let error = match answer {
            Ok(tokens) => return Ok(Next::Tokens(Box::new(tokens))),
            Err(error) => error,
        };
        let code = match &error {
            TokenError::Refused { error, .. } => error.as_str(),
            TokenError::Odd(_) | TokenError::Unreached(_) => "",
        };
        match code {
            "authorization_pending" => self.unreached = 0,
            "slow_down" => {
                self.unreached = 0;
                self.interval += STEP;
            }
            "expired_token" => return Err(NotSignedIn::Expired),
            "access_denied" | "authorization_declined" => return Err(NotSignedIn::Denied),
            // A connection that fails is to be asked for less often (section 3.5).
            "" if self.unreached + 1 < PATIENCE => {
                self.unreached += 1;
                self.interval = self.interval.saturating_mul(2);
            }
            _ => return Err(NotSignedIn::Failed(error)),
        }
        match elapsed + self.interval < self.until {
            true => Ok(Next::Ask(self.interval)),
            false => Err(NotSignedIn::Expired),
        }
    }
}
