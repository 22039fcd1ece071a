//! Why no connection came about, and what to do.

use std::error::Error;
use std::io;

use rustls::{CertificateError, InvalidMessage};

use crate::failure::FailureClass;

/// What is wrong, for people, and how it counts.
pub(super) struct Trouble {
    pub(super) class: FailureClass,
    pub(super) text: String,
}

/// What is wrong with a connection, where it is something that somebody can mend. Trying again would not help.
pub(super) fn of(error: &(dyn Error + 'static)) -> Option<Trouble> {
    let protocol = |text: String| Trouble {
        class: FailureClass::Protocol,
        text,
    };
    if let Some(found) = tls(error) {
        return of_tls(found).map(protocol);
    }
    let said = said(error);
    // The types of these are private to their libraries.
    let of_proxies = [
        "proxy authorization required",
        "SOCKS error: credentials not accepted",
        "SOCKS error: server does not support user/pass authentication",
        "SOCKS error: server implements authentication incorrectly",
    ];
    if of_proxies.iter().any(|known| said.contains(known)) {
        return Some(refused_by_proxy());
    }
    if said.contains("invalid HTTP version parsed") {
        return Some(protocol(
            "it does not answer in HTTP; if it wants TLS, its address begins with `https:`".to_owned(),
        ));
    }
    None
}

/// The proxy wants to know who asks.
pub(super) fn refused_by_proxy() -> Trouble {
    Trouble {
        class: FailureClass::Auth,
        text: "the proxy wants another user name and password; they stand in its address: \
               `http://NAME:PASSWORD@proxy.example.org:3128`"
            .to_owned(),
    }
}

fn said(error: &(dyn Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        said.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    said
}

fn tls<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An error of the system passes over what it wraps when it is asked for its source.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

fn of_tls(error: &rustls::Error) -> Option<String> {
    let certificate = match error {
        rustls::Error::InvalidCertificate(error) => error,
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            return Some(
                "it does not speak TLS at this port; if it speaks plain HTTP, its address begins with `http:`".to_owned(),
            );
        }
        rustls::Error::General(text) if text.contains("No CA certificates") => {
            return Some(
                "this system has no certificates of authorities: install them (often the package `ca-certificates`), or \
                 name a file with some in `ca_file`"
                    .to_owned(),
            );
        }
        _ => return None,
    };
    let what = match certificate {
        CertificateError::UnknownIssuer => {
            "its certificate is signed by nobody who is known here; if it shall be believed, as that of a company's proxy, \
             name a file with the certificate of whoever signs there in `ca_file`"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired, or the clock of this machine is wrong"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate does not hold yet, or the clock of this machine is wrong"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name: the address is wrong, or somebody else answers there"
        }
        _ => "its certificate is not believed",
    };
    Some(format!("{what} ({error})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_can_mend_is_told() {
        let none = rustls::Error::General("No CA certificates were loaded from the system".to_owned());
        // As the libraries wrap it.
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, none));
        let found = of(&wrapped).expect("it is known");
        assert!(found.text.contains("`ca-certificates`"), "{}", found.text);
        assert!(!found.class.is_retryable());
        assert!(of(&io::Error::other("connection reset")).is_none());
    }
}
