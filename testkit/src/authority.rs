//! An authority that signs certificates, and servers that show them.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// An authority that is known to nobody at first.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// What a server shows, and the key to it.
#[derive(Clone)]
pub struct Identity(Arc<ServerConfig>);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// This system gives no random numbers.
    pub fn new(name: &str) -> io::Result<Self> {
        let mut parameters = CertificateParams::new([]).map_err(io::Error::other)?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        parameters.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let own = parameters.self_signed(&key).map_err(io::Error::other)?;
        Ok(Self {
            pem: own.pem(),
            issuer: Issuer::new(parameters, key),
        })
    }

    /// Its own certificate, as a file has it.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// What a server of this name shows; an address is a name too.
    ///
    /// # Errors
    /// The name is none.
    pub fn identity(&self, name: &str) -> io::Result<Identity> {
        self.signed(name, 4096)
    }

    /// The same; it has expired.
    ///
    /// # Errors
    /// The name is none.
    pub fn expired(&self, name: &str) -> io::Result<Identity> {
        self.signed(name, 2001)
    }

    fn signed(&self, name: &str, until: i32) -> io::Result<Identity> {
        let mut parameters = CertificateParams::new([name.to_owned()]).map_err(io::Error::other)?;
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.not_before = date_time_ymd(2000, 1, 1);
        parameters.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let signed = parameters
            .signed_by(&key, &self.issuer)
            .map_err(io::Error::other)?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut shown = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![signed.der().clone()], key)
            .map_err(io::Error::other)?;
        // Servers that have HTTP/2 offer it; whoever does not speak it takes the other.
        shown.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Identity(Arc::new(shown)))
    }
}

impl Identity {
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.0))
    }
}

/// TLS before a server that has none; it stops when dropped.
#[derive(Debug)]
pub struct TlsDoor {
    address: SocketAddr,
    listening: JoinHandle<()>,
}

impl TlsDoor {
    /// Opens a door on 127.0.0.1 before a server.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn before(server: SocketAddr, identity: &Identity) -> io::Result<Self> {
        let listener = TcpListener::bind((IpAddr::from([127, 0, 0, 1]), 0)).await?;
        let address = listener.local_addr()?;
        let acceptor = identity.acceptor();
        let listening = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                connections.spawn(async move {
                    // An error is the client's not believing, or its going.
                    if let (Ok(mut inner), Ok(mut outer)) =
                        (acceptor.accept(stream).await, TcpStream::connect(server).await)
                    {
                        let _ = copy_bidirectional(&mut inner, &mut outer).await;
                    }
                });
            }
        });
        Ok(Self { address, listening })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https://HOST:PORT`, without a path.
    #[must_use]
    pub fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.address.port())
    }
}

impl Drop for TlsDoor {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
