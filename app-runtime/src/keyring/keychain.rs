//! By the Keychain of macOS. The system asks the user by itself where it must.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretSlice};
use security_framework::base::Error;
use security_framework::passwords::{delete_generic_password, get_generic_password, set_generic_password};

use super::{Answer, Job, KeyringError, Name};

/// The name under which the Keychain shows all entries of this program.
const SERVICE: &str = "glasswork";
/// `errSecItemNotFound`.
const NOT_FOUND: i32 = -25300;
/// `errSecUserCanceled`, `errSecAuthFailed` and `errSecInteractionNotAllowed`: it stays locked.
const LOCKED: [i32; 3] = [-128, -25293, -25308];
/// `errSecNotAvailable` and `errSecNoDefaultKeychain`.
const NOT_THERE: [i32; 2] = [-25291, -25307];

impl From<Error> for KeyringError {
    fn from(error: Error) -> Self {
        match error.code() {
            code if LOCKED.contains(&code) => Self::Locked,
            code if NOT_THERE.contains(&code) => Self::Unreachable(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Does it. The system's own prompts have no deadline; whoever waits for this has.
pub(super) fn run(_: Option<&str>, name: &Name, job: Job, _: Duration) -> Answer {
    let account = format!("{} in {}", name.provider, name.file);
    match job {
        // Writing asks for it.
        Job::Unlock => {}
        Job::Write(secret) => set_generic_password(SERVICE, &account, secret.expose_secret().as_bytes())?,
        Job::Read => {
            return match get_generic_password(SERVICE, &account) {
                Ok(secret) => Ok(Some(SecretSlice::from(secret))),
                Err(error) if error.code() == NOT_FOUND => Ok(None),
                Err(error) => Err(error.into()),
            };
        }
        Job::Remove => match delete_generic_password(SERVICE, &account) {
            Err(error) if error.code() != NOT_FOUND => return Err(error.into()),
            _ => {}
        },
    }
    Ok(None)
}
