//! The requests themselves.

use std::fmt;
use std::time::Duration;

use reqwest::{Client, Response};
use secrecy::SecretString;

use super::authorization::{CannotBegin, Randomness};
use super::description::Description;
use super::device::Device;
use super::tokens::{self, TokenError, TokenRequest, Tokens};
use crate::http::{BaseUrl, Clients, causes};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most that is read of an answer.
const ANSWER: usize = 256 << 10;

/// Speaks with the doors of one provider.
pub struct Door<'d> {
    description: &'d Description,
    patience: Duration,
    clients: Clients,
}

impl fmt::Debug for Door<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Door").field(&self.description.token_url).finish()
    }
}

impl<'d> Door<'d> {
    /// The doors that this describes.
    #[must_use]
    pub fn of(description: &'d Description) -> Self {
        Self {
            description,
            patience: PATIENCE,
            clients: Clients::default(),
        }
    }

    /// By way of these clients; without them they are reached straight.
    #[must_use]
    pub fn through(self, clients: &Clients) -> Self {
        Self {
            clients: clients.clone(),
            ..self
        }
    }

    /// With another patience than half a minute.
    #[must_use]
    pub fn within(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Asks for tokens. `now` gives seconds since 1970, and is asked when the answer is there.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn tokens(
        &self,
        request: &TokenRequest,
        now: impl FnOnce() -> u64,
    ) -> Result<Tokens, TokenError> {
        let (kind, body) = request.body(self.description.body);
        let (status, answer) = self.ask(&self.description.token_url, kind, body).await?;
        tokens::answer(request, status, &answer, now())
    }

    /// Asks for tokens with a refresh token.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn refresh(
        &self,
        token: &SecretString,
        now: impl FnOnce() -> u64,
    ) -> Result<Tokens, TokenError> {
        let client = self.description.client_id.as_deref().unwrap_or_default();
        self.tokens(&TokenRequest::refresh(client, token), now).await
    }

    /// Asks for a code for a device.
    ///
    /// # Errors
    /// As a [`TokenError`]; where there is no such flow, [`CannotBegin`].
    pub async fn device(&self) -> Result<Result<Device, TokenError>, CannotBegin> {
        let client = self
            .description
            .client_id
            .as_deref()
            .ok_or(CannotBegin::NoClient)?;
        let address = self
            .description
            .device_url
            .as_deref()
            .ok_or(CannotBegin::NoWay("with a code for a device"))?;
        let scope = self.description.scopes.join(" ");
        let body = tokens::form([("client_id", client), ("scope", &scope)]);
        let asked = self.ask(address, "application/x-www-form-urlencoded", body).await;
        Ok(asked.and_then(|(status, answer)| tokens::device(status, &answer)))
    }

    async fn ask(
        &self,
        address: &str,
        kind: &'static str,
        body: String,
    ) -> Result<(u16, Vec<u8>), TokenError> {
        let asked = tokio::time::timeout(self.patience, async {
            let address = BaseUrl::parse(address)
                .map_err(|_| TokenError::Unreached("the address in its description is none".to_owned()))?;
            let client = self.clients.client(address.url());
            let client = client.map_err(|failure| TokenError::Unreached(failure.message.to_string()))?;
            let response = client_post(&client, address.url().clone(), kind, body)
                .send()
                .await;
            let way = self.clients.route(&address);
            let response = response.map_err(|error| unreached(&way.to_string(), error))?;
            let status = response.status().as_u16();
            Ok((status, whole(response).await?))
        });
        asked.await.unwrap_or_else(|_| {
            let text = format!("the server was silent for {} s", self.patience.as_secs());
            Err(TokenError::Unreached(text))
        })
    }
}

fn client_post(
    client: &Client,
    address: reqwest::Url,
    kind: &'static str,
    body: String,
) -> reqwest::RequestBuilder {
    client
        .post(address)
        .header("content-type", kind)
        .header("accept", "application/json")
        .body(body)
}

async fn whole(mut response: Response) -> Result<Vec<u8>, TokenError> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| unreached("", error))? {
        body.extend_from_slice(&piece);
        if body.len() > ANSWER {
            return Err(TokenError::Odd("more than any token is long".to_owned()));
        }
    }
    Ok(body)
}

fn unreached(way: &str, error: reqwest::Error) -> TokenError {
    TokenError::Unreached(format!("the server was not reached{way}: {}", causes(error)))
}

impl Randomness {
    /// Drawn from the system.
    ///
    /// # Errors
    /// The system has none; nothing is made up in its place.
    pub fn draw() -> Result<Self, CannotBegin> {
        use ring::rand::SecureRandom as _;
        let mut bytes = [0; 64];
        ring::rand::SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| CannotBegin::NoWay("safely: this system gives no random numbers"))?;
        Ok(Self(bytes))
    }
}
