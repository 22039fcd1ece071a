//! Putting values back where placeholders stand, only where they came from.

use std::borrow::Cow;

use glasswork_session_state::secrets::find;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::masking::Masking;
use super::vault::{Look, Origin};

/// Why a placeholder stays a placeholder. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotPutBack {
    /// Its secret is of another place.
    #[error(
        "{placeholder} stands for a secret that did not come from here, so it is not put here. A secret only goes back \
         into the file that it was read from; have the user put it elsewhere"
    )]
    Elsewhere {
        /// The placeholder.
        placeholder: String,
    },
    /// Nobody knows its secret any more.
    #[error(
        "{placeholder} stands for a secret that is not known any more: such values are only kept in memory while the \
         session is open. Read the file again to get a placeholder that can be put back"
    )]
    Lost {
        /// The placeholder.
        placeholder: String,
    },
    /// Commands and patterns do not get secrets.
    #[error(
        "{placeholder} stands for a secret, and those are not put into commands or patterns. Have the command take the \
         value from the file or the variable in which it stands, without printing it"
    )]
    Command {
        /// The placeholder.
        placeholder: String,
    },
    /// An edit would cut a placeholder.
    #[error(
        "edits[{index}].old_text begins or ends inside a placeholder of a secret; take it in whole, or leave it out"
    )]
    Cut {
        /// Which edit.
        index: usize,
    },
}

impl Masking {
    /// A text with the values of its placeholders, if all of them may go to one of these places. `standing` is what
    /// stands there: what looks like a placeholder and stands there as it is, stays as it is.
    ///
    /// # Errors
    /// For the first placeholder that is not put back.
    pub fn put_back<'t>(
        &self,
        text: &'t str,
        to: &[Origin],
        standing: &[u8],
    ) -> Result<Cow<'t, str>, NotPutBack> {
        let mut out = String::new();
        let mut done = 0;
        for (at, placeholder) in find(text) {
            let value = match self.vault().look(&placeholder, to) {
                Look::Value(value) => value,
                Look::Elsewhere => {
                    return Err(NotPutBack::Elsewhere {
                        placeholder: placeholder.to_string(),
                    });
                }
                Look::Unknown => {
                    let placeholder = placeholder.to_string();
                    if memchr::memmem::find(standing, placeholder.as_bytes()).is_some() {
                        continue;
                    }
                    return Err(NotPutBack::Lost { placeholder });
                }
            };
            out.push_str(text.get(done..at.start).unwrap_or_default());
            out.push_str(value.expose_secret());
            done = at.end;
        }
        if done == 0 {
            return Ok(Cow::Borrowed(text));
        }
        out.push_str(text.get(done..).unwrap_or_default());
        Ok(Cow::Owned(out))
    }

    /// A command or a pattern, with the values that the model itself wrote in it.
    ///
    /// # Errors
    /// For the first placeholder that stands for something else.
    pub fn put_back_own<'t>(&self, text: &'t str, own: &[Origin]) -> Result<Cow<'t, str>, NotPutBack> {
        self.put_back(text, own, &[]).map_err(|error| match error {
            NotPutBack::Elsewhere { placeholder } | NotPutBack::Lost { placeholder } => {
                NotPutBack::Command { placeholder }
            }
            other => other,
        })
    }
}
