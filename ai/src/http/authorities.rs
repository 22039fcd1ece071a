//! Whose certificates are believed.

use std::fmt;

use reqwest::Certificate;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Certificates of authorities, and where they are from.
#[derive(Clone)]
pub struct Certificates {
    all: Vec<Certificate>,
    from: String,
}

/// Bytes that are no certificates of authorities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificatesError {
    /// There is none in it.
    #[error(
        "there is no certificate in it; in a file of the form PEM, one begins with `-----BEGIN CERTIFICATE-----`"
    )]
    None,
    /// One of them is none.
    #[error("certificate {number} in it is none ({reason})")]
    Garbled {
        /// Which, from 1.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
}

impl Certificates {
    /// Reads a file of the form PEM with one certificate or many; everything else in it is passed over. `from` is where
    /// it is, for people.
    ///
    /// # Errors
    /// There is none, or one that is none.
    pub fn parse(pem: &[u8], from: impl Into<String>) -> Result<Self, CertificatesError> {
        let mut all = Vec::new();
        for (number, found) in (1..).zip(CertificateDer::pem_slice_iter(pem)) {
            let garbled = |reason: String| CertificatesError::Garbled { number, reason };
            let found = found.map_err(|error| garbled(error.to_string()))?;
            all.push(usable(found).map_err(garbled)?);
        }
        Self::some(all, from)
    }

    /// The same of a list that others keep: what of it cannot be used is passed over.
    ///
    /// # Errors
    /// Nothing of it can be used.
    pub fn parse_list(pem: &[u8], from: impl Into<String>) -> Result<Self, CertificatesError> {
        let found = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
        Self::some(found.filter_map(|found| usable(found).ok()).collect(), from)
    }

    fn some(all: Vec<Certificate>, from: impl Into<String>) -> Result<Self, CertificatesError> {
        match all.is_empty() {
            true => Err(CertificatesError::None),
            false => Ok(Self {
                all,
                from: from.into(),
            }),
        }
    }
}

/// A certificate that can stand at the beginning of a chain.
fn usable(found: CertificateDer<'_>) -> Result<Certificate, String> {
    let certificate = Certificate::from_der(&found).map_err(|error| error.to_string())?;
    RootCertStore::empty()
        .add(found)
        .map_err(|error| error.to_string())?;
    Ok(certificate)
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({} of {})", self.all.len(), self.from)
    }
}

/// Whose certificates are believed: the system's, and those of the user.
#[derive(Debug, Clone, Default)]
pub struct Authorities {
    /// Those that are believed in place of the system's.
    pub in_place: Option<Certificates>,
    /// Those that are believed beside them.
    pub beside: Option<Certificates>,
}

impl Authorities {
    /// Those of the user.
    pub(super) fn own(&self) -> impl Iterator<Item = Certificate> + use<'_> {
        let own = self.in_place.iter().chain(&self.beside);
        own.flat_map(|certificates| certificates.all.iter().cloned())
    }

    /// Whether it is not just the system's.
    #[must_use]
    pub fn has_own(&self) -> bool {
        self.in_place.is_some() || self.beside.is_some()
    }
}

/// For people: `certificates of the system and of /etc/own.pem (settings.ron:2)`.
impl fmt::Display for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.in_place {
            Some(certificates) => write!(f, "certificates of {}", certificates.from)?,
            None => f.write_str("certificates of the system")?,
        }
        match &self.beside {
            Some(certificates) => write!(f, " and of {}", certificates.from),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_told_with_its_number() {
        let parse = |text: &str| {
            Certificates::parse(text.as_bytes(), "x")
                .expect_err(text)
                .to_string()
        };
        for text in [
            "",
            "nothing",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ] {
            assert!(parse(text).contains("-----BEGIN CERTIFICATE-----"), "{text}");
        }
        let section =
            |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        for text in [
            section("AAAA"),
            section("not base64!"),
            "-----BEGIN CERTIFICATE-----\nAAAA\n".to_owned(),
        ] {
            let told = parse(&text);
            assert!(
                told.starts_with("certificate 1 in it is none ("),
                "{text}: {told}"
            );
        }
        let list = Certificates::parse_list(section("AAAA").as_bytes(), "x");
        assert_eq!(list.expect_err("none of it can be used"), CertificatesError::None);
    }
}
