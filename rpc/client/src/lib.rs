//! The other end of a running Glasswork's socket: finds the hosts that live, attaches to their sessions, hears what happens
//! there, and acts in them.
//!
//! It knows nothing of sessions but what goes over the wire, and builds none of the runtime. `docs/rpc.md` has the protocol,
//! `docs/clients.md` what a client shows.
//!
//! ```no_run
//! use glasswork_client::{Client, ClientError, Directory, wire};
//!
//! /// Says something in a session, and prints what is answered.
//! # #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let run = std::env::var("XDG_RUNTIME_DIR")?;
//!     let directory = Directory::open(format!("{run}/glasswork").as_ref())?;
//!     let hosts = directory.live()?;
//!     let host = hosts.first().ok_or("no host lives; start `glasswork serve`")?;
//!
//!     // What the host tells must be read: while it is not, answers do not come either.
//!     let (client, mut notices) = Client::connect(&directory, host).await?;
//!     let attached = client
//!         .attach(&wire::Attach {
//!             session: "last".to_owned(),
//!             name: "my program".to_owned(),
//!             role: wire::Role::Controller,
//!             history: wire::History::None,
//!             seen: None,
//!         })
//!         .await?;
//!     let attachment = attached.attachment;
//!     client.subscribe(&wire::Attachment { attachment }).await?;
//!     let words = wire::Words {
//!         attachment,
//!         text: "Run the tests".to_owned(),
//!         // Said again with this key, it happens once.
//!         key: Some("7f1c".to_owned()),
//!     };
//!     match client.prompt(&words).await {
//!         Ok(begun) => println!("begun by {}", begun.dispatch),
//!         Err(ClientError::Refused { message, data, .. }) => {
//!             println!("refused ({}): {message}", data["kind"]);
//!             return Ok(());
//!         }
//!         Err(error) => return Err(error.into()),
//!     }
//!     while let Some(notice) = notices.recv().await {
//!         if notice.method != "_glasswork/update" {
//!             continue;
//!         }
//!         let update: wire::Update = serde_json::from_value(notice.params)?;
//!         // Whoever loses the connection attaches with this as `seen`, and hears what follows it, once.
//!         let _seen = wire::Seen { epoch: update.epoch, seq: update.seq };
//!         for happened in &update.updates {
//!             match happened["type"].as_str() {
//!                 Some("text") => print!("{}", happened["text"].as_str().unwrap_or_default()),
//!                 Some("turn_ended") => return Ok(()),
//!                 _ => {}
//!             }
//!         }
//!     }
//!     Ok(())
//! }
//! ```

mod calls;
mod client;
pub mod directory;
pub mod line;
pub mod wire;

use tokio::net::UnixStream;

pub use calls::METHODS;
pub use client::{Client, ClientError, Notice};
pub use directory::{Directory, DirectoryError, Live};

/// Whether the other end of a socket belongs to this user. Nothing is said to anybody else.
#[must_use]
pub fn is_own(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own)
}
