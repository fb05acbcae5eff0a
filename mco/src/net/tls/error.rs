//! What failed, and with whom.

use std::error::Error;
use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError};

use crate::net::TcpStream;

/// Why TLS failed: what an [`io::Error`] of the kind `InvalidData` holds if it comes from this module.
///
/// # Examples
///
/// ```no_run
/// # fn f(connector: mco::net::tls::TlsConnector, stream: mco::net::TcpStream) {
/// use mco::net::tls::TlsError;
/// use mco::net::tls::rustls::Error;
///
/// let error = connector.connect("example.com".try_into().unwrap(), stream).unwrap_err();
/// if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
///     let untrusted = matches!(tls.cause(), Error::InvalidCertificate(_));
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TlsError {
    /// What was tried, and with whom.
    tried: String,
    cause: rustls::Error,
}

impl TlsError {
    /// What rustls says.
    #[must_use]
    pub fn cause(&self) -> &rustls::Error {
        &self.cause
    }

    pub(super) fn handshake(peer: &Peer, stream: &TcpStream, cause: rustls::Error) -> io::Error {
        TlsError { tried: format!("the TLS handshake with {}", peer.at(stream)), cause }.into()
    }

    pub(super) fn established(peer: &Peer, stream: &TcpStream, cause: rustls::Error) -> io::Error {
        TlsError { tried: format!("the TLS connection with {}", peer.at(stream)), cause }.into()
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TlsError { tried, cause } = self;
        write!(f, "{tried} failed: {cause}{}", remedy(cause))
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

/// What to do about the commonest causes.
fn remedy(cause: &rustls::Error) -> &'static str {
    match cause {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "; no root certificate of the configuration vouches for it"
        }
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "; the peer needs a new certificate, if this machine's clock is right",
        rustls::Error::NoCertificatesPresented => {
            "; the client needs a certificate, `with_client_auth_cert` gives it one"
        }
        rustls::Error::NoApplicationProtocol => {
            "; the client offers none of the configuration's `alpn_protocols`"
        }
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            "; the peer accepts none of the configuration's `alpn_protocols`"
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "; `with_client_auth_cert` gives this client a certificate"
        }
        rustls::Error::InvalidMessage(_) => "; does the peer speak TLS on this port",
        _ => "",
    }
}

/// Who is at the other end.
pub(super) enum Peer {
    Client,
    /// The server of this name.
    Server(String),
}

impl Peer {
    /// With its address, if the connection is still there.
    pub(super) fn at(&self, stream: &TcpStream) -> String {
        let name = match self {
            Peer::Client => "the client",
            Peer::Server(name) => &format!("`{name}`"),
        };
        match stream.peer_addr() {
            Ok(addr) => format!("{name} at {addr}"),
            Err(_) => name.to_owned(),
        }
    }
}
