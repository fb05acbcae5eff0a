//! A connection of the load generator. At most one of its requests is under way.

use crate::exchange::{LIGHT_REQUEST, RESPONSE};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Instant;

pub(super) struct Connection {
    stream: TcpStream,
    tls: Option<ClientConnection>,
    /// What it asks for as soon as an answer has come, if it is heavy.
    pub(super) heavy: Option<Arc<[u8]>>,
    /// When the request was due that is under way.
    pub(super) under_way: Option<Instant>,
    /// When those were due that wait for it.
    pub(super) waiting: VecDeque<Instant>,
    /// Bytes that are still to come of the answer.
    missing: usize,
}

impl Connection {
    pub(super) fn new(server: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> io::Result<Self> {
        let mut stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        let tls = tls.map(|config| -> io::Result<_> {
            let name = ServerName::try_from("localhost").expect("this is a name");
            let mut tls =
                ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
            while tls.is_handshaking() {
                tls.complete_io(&mut stream)?;
            }
            Ok(tls)
        });
        let tls = tls.transpose()?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, tls, heavy: None, under_way: None, waiting: VecDeque::new(), missing: 0 })
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    /// Sends the request that was due then.
    pub(super) fn send(&mut self, due: Instant) -> io::Result<()> {
        assert!(self.under_way.is_none(), "a request is under way");
        self.under_way = Some(due);
        self.missing = RESPONSE.len();
        let request = self.heavy.as_deref().unwrap_or(LIGHT_REQUEST);
        // A request is far smaller than the socket's buffer, which is empty, as all before are answered.
        match &mut self.tls {
            None => self.stream.write_all(request),
            Some(tls) => {
                tls.writer().write_all(request)?;
                while tls.wants_write() {
                    tls.write_tls(&mut self.stream)?;
                }
                Ok(())
            }
        }
    }

    /// Takes in what has come; `true` when the answer is complete.
    pub(super) fn receive(&mut self) -> io::Result<bool> {
        let mut room = [0; 4096];
        loop {
            let length = match &mut self.tls {
                None => self.stream.read(&mut room),
                Some(tls) => read_tls(tls, &mut self.stream, &mut room),
            };
            match length {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) if length > self.missing => {
                    return Err(io::Error::other("more was answered than asked"));
                }
                Ok(length) => self.missing -= length,
                Err(fault) if fault.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(fault) if fault.kind() == ErrorKind::Interrupted => continue,
                Err(fault) => return Err(fault),
            }
            if self.missing == 0 {
                return Ok(true);
            }
        }
    }
}

/// Reads what was sent under TLS.
fn read_tls(
    tls: &mut ClientConnection,
    stream: &mut TcpStream,
    room: &mut [u8],
) -> io::Result<usize> {
    loop {
        match tls.reader().read(room) {
            Err(fault) if fault.kind() == ErrorKind::WouldBlock => {}
            other => return other,
        }
        if tls.read_tls(stream)? == 0 {
            return Ok(0);
        }
        tls.process_new_packets().map_err(io::Error::other)?;
    }
}

/// TLS 1.3 with any certificate: the servers make theirs on the spot.
pub(super) fn trusting() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).expect("no TLS 1.3");
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Trust(provider)));
    Arc::new(builder.with_no_client_auth())
}

#[derive(Debug)]
struct Trust(Arc<CryptoProvider>);

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
