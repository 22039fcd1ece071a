//! By the Secret Service, which GNOME Keyring, KWallet and KeePassXC offer on the bus of a session.
//! <https://specifications.freedesktop.org/secret-service/>

use std::collections::HashMap;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretSlice};
use secret_service::{Collection, EncryptionType, Error, Item, SecretService};
use zbus::connection::Builder;

use super::{Answer, Job, KeyringError, Name};

/// The collection that its user has chosen for what is new.
const CHOSEN: &str = "default";

impl Name {
    fn attributes(&self) -> HashMap<&str, &str> {
        HashMap::from([
            ("application", "glasswork"),
            ("provider", self.provider.as_str()),
            ("file", self.file.as_str()),
        ])
    }
}

impl From<Error> for KeyringError {
    fn from(error: Error) -> Self {
        match error {
            // A prompt that is dismissed, by its user or because there is nobody to show it to.
            Error::Locked | Error::Prompt | Error::PromptDisconnected => Self::Locked,
            Error::NoResult => Self::Gone,
            other => Self::Failed(other.to_string()),
        }
    }
}

/// Does it. The connection ends with it, and so does a prompt that is still shown.
pub(super) fn run(bus: Option<&str>, name: &Name, job: Job, patience: Duration) -> Answer {
    let tasks = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| KeyringError::Failed(error.to_string()))?;
    tasks.block_on(async {
        tokio::time::timeout(patience, done(bus, name, job))
            .await
            .unwrap_or(Err(KeyringError::Deadline(patience)))
    })
}

async fn done(bus: Option<&str>, name: &Name, job: Job) -> Answer {
    let service = connected(bus).await?;
    match job {
        Job::Unlock => drop(chosen(&service).await?),
        Job::Write(secret) => {
            let collection = chosen(&service).await?;
            let label = format!("Glasswork: {}", name.provider);
            let secret = secret.expose_secret().as_bytes();
            let item = collection.create_item(&label, name.attributes(), secret, true, "text/plain");
            item.await?;
        }
        Job::Read => {
            return Ok(match found(&service, name).await? {
                Some(item) => Some(SecretSlice::from(item.get_secret().await?)),
                None => None,
            });
        }
        Job::Remove => {
            while let Some(item) = found(&service, name).await? {
                item.delete().await?;
            }
        }
    }
    Ok(None)
}

async fn connected(bus: Option<&str>) -> Result<SecretService<'static>, KeyringError> {
    let unreachable = |error: &dyn ToString| KeyringError::Unreachable(error.to_string());
    let connection = match bus {
        Some(address) => Builder::address(address),
        None => Builder::session(),
    };
    let connection = connection.map_err(|error| unreachable(&error))?;
    let connection = connection.build().await.map_err(|error| unreachable(&error))?;
    SecretService::connect_with_existing(EncryptionType::Dh, connection)
        .await
        .map_err(|error| unreachable(&error))
}

/// Where new entries go, unlocked. Where its user has chosen none yet, the service asks for a password for one.
async fn chosen<'s>(service: &'s SecretService<'_>) -> Result<Collection<'s>, KeyringError> {
    let collection = match service.get_collection_by_alias(CHOSEN).await {
        Err(Error::NoResult) => service.create_collection("Default keyring", CHOSEN).await?,
        found => found?,
    };
    if collection.is_locked().await? {
        collection.unlock().await?;
        collection.ensure_unlocked().await?;
    }
    Ok(collection)
}

/// The entry, unlocked.
async fn found<'s>(service: &'s SecretService<'_>, name: &Name) -> Result<Option<Item<'s>>, KeyringError> {
    let found = service.search_items(name.attributes()).await?;
    if let Some(item) = found.unlocked.into_iter().next() {
        return Ok(Some(item));
    }
    let Some(item) = found.locked.into_iter().next() else {
        return Ok(None);
    };
    item.unlock().await?;
    item.ensure_unlocked().await?;
    Ok(Some(item))
}
