//! Signing in to a provider with OAuth 2.0: what a provider's doors are, what is said at them, and what comes back.
//!
//! [`description`] is data and is always here. What needs randomness, a digest, a clock or a network comes with the
//! feature `http`: the authorization code flow with PKCE ([RFC 6749](https://www.rfc-editor.org/rfc/rfc6749) section
//! 4.1, [RFC 7636](https://www.rfc-editor.org/rfc/rfc7636), [RFC 8252](https://www.rfc-editor.org/rfc/rfc8252)) and the
//! device flow ([RFC 8628](https://www.rfc-editor.org/rfc/rfc8628)). Of these, all but [`callback`] and [`client`] is
//! without I/O.

#[cfg(feature = "http")]
pub mod authorization;
#[cfg(feature = "http")]
pub mod callback;
#[cfg(feature = "http")]
pub mod client;
pub mod description;
#[cfg(feature = "http")]
pub mod device;
#[cfg(feature = "http")]
pub mod tokens;

#[cfg(feature = "http")]
pub use secrecy::SecretString as Secret;
