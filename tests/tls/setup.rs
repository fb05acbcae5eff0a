//! Certificates, configurations and connections.

use std::io::{Read, Write};
use std::net;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;

use mco::coroutine;
use mco::net::tls::{ServerName, TlsAcceptor, TlsConnector, TlsError, TlsStream};
use mco::net::{TcpListener, TcpStream};
use mco::runtime::Runtime;
use mco_tests::sockets;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

/// What the server's certificate says.
pub(crate) const NAME: &str = "server.test";

pub(crate) const BOTH_VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// The authority that the configurations here trust.
pub(crate) static TRUSTED: LazyLock<Authority> = LazyLock::new(Authority::new);
static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));
static SERVER: LazyLock<Identity> = LazyLock::new(|| TRUSTED.certify(NAME, |_| ()));

/// Who signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) certificate_pem: String,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        // Each with a name of its own, as authorities have.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("authority {number}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn certify(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity { certificate: certificate.der().clone(), certificate_pem: certificate.pem(), key }
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        Arc::new(roots)
    }
}

impl Identity {
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone()]
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }
}

pub(crate) fn server_identity() -> &'static Identity {
    &SERVER
}

pub(crate) fn server_config_of(
    identity: &Identity,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(PROVIDER.clone());
    let builder = builder.with_protocol_versions(versions).unwrap().with_no_client_auth();
    builder.with_single_cert(identity.chain(), identity.key()).unwrap()
}

pub(crate) fn server_config() -> ServerConfig {
    server_config_of(&SERVER, &BOTH_VERSIONS)
}

/// Of a server that asks for a certificate which the authority has signed.
pub(crate) fn demanding_server_config(
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(PROVIDER.clone());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(TRUSTED.roots(), PROVIDER.clone()).build();
    let builder = builder.with_protocol_versions(versions).unwrap();
    let builder = builder.with_client_cert_verifier(verifier.unwrap());
    builder.with_single_cert(SERVER.chain(), SERVER.key()).unwrap()
}

/// Of a client that trusts an authority, and has a certificate or has not.
pub(crate) fn client_config_of(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
    identity: Option<&Identity>,
) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(PROVIDER.clone());
    let builder = builder.with_protocol_versions(versions).unwrap();
    let builder = builder.with_root_certificates(authority.roots());
    match identity {
        None => builder.with_no_client_auth(),
        Some(one) => builder.with_client_auth_cert(one.chain(), one.key()).unwrap(),
    }
}

pub(crate) fn client_config() -> ClientConfig {
    client_config_of(&TRUSTED, &BOTH_VERSIONS, None)
}

pub(crate) fn acceptor() -> TlsAcceptor {
    static CONFIG: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| Arc::new(server_config()));
    TlsAcceptor::new(CONFIG.clone())
}

/// With one configuration each, since a second connection of the same one resumes the first.
pub(crate) fn connector() -> TlsConnector {
    TlsConnector::new(Arc::new(client_config()))
}

pub(crate) fn name() -> ServerName<'static> {
    NAME.try_into().unwrap()
}

/// Does both handshakes at once; what they come to at the client's and at the server's end.
pub(crate) fn shake(
    connector: &TlsConnector,
    acceptor: &TlsAcceptor,
) -> (std::io::Result<TlsStream>, std::io::Result<TlsStream>) {
    let (client, server) = sockets::pair();
    shake_on(connector, client, acceptor, server)
}

pub(crate) fn shake_on(
    connector: &TlsConnector,
    client: TcpStream,
    acceptor: &TlsAcceptor,
    server: TcpStream,
) -> (std::io::Result<TlsStream>, std::io::Result<TlsStream>) {
    let acceptor = acceptor.clone();
    let server = coroutine::spawn(move || acceptor.accept(server));
    let client = connector.connect(name(), client);
    (client, server.join().unwrap())
}

/// The client's and the server's end of a connection.
pub(crate) fn pair() -> (TlsStream, TlsStream) {
    pair_of(&connector(), &acceptor())
}

pub(crate) fn pair_of(connector: &TlsConnector, acceptor: &TlsAcceptor) -> (TlsStream, TlsStream) {
    let (client, server) = shake(connector, acceptor);
    (client.unwrap(), server.unwrap())
}

/// The two ends of a connection whose bytes the test carries itself: what an end writes comes out of its
/// wire, and what is written into its wire comes in.
pub(crate) struct Wired {
    pub(crate) client: TlsStream,
    pub(crate) server: TlsStream,
    pub(crate) client_wire: net::TcpStream,
    pub(crate) server_wire: net::TcpStream,
}

impl Wired {
    pub(crate) fn new() -> Wired {
        let (client, client_wire) = sockets::mixed_pair();
        let (server, server_wire) = sockets::mixed_pair();
        // A session ticket would come out at any time later.
        let mut config = server_config();
        config.send_tls13_tickets = 0;
        let acceptor = TlsAcceptor::new(Arc::new(config));
        let ends = coroutine::spawn(move || shake_on(&connector(), client, &acceptor, server));
        let (mut up, mut down) = (&client_wire, &server_wire);
        // hello, answer, the client's finished: each comes as one.
        carry(&mut up, &mut down);
        carry(&mut down, &mut up);
        carry(&mut up, &mut down);
        let (client, server) = ends.join().unwrap();
        let (client, server) = (client.unwrap(), server.unwrap());
        Wired { client, server, client_wire, server_wire }
    }
}

/// Carries what comes next. Records that were written at once come as one on this machine.
fn carry(from: &mut impl Read, to: &mut impl Write) {
    let mut buffer = [0; 64 * 1024];
    let count = from.read(&mut buffer).unwrap();
    assert!(count > 0, "the handshake has ended early");
    to.write_all(&buffer[..count]).unwrap();
}

/// The next record that comes out of a wire, with its head.
pub(crate) fn record(wire: &mut impl Read) -> Vec<u8> {
    let mut record = vec![0; 5];
    wire.read_exact(&mut record).unwrap();
    let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
    record.resize(5 + length, 0);
    wire.read_exact(&mut record[5..]).unwrap();
    record
}

/// What rustls has to say about an error.
#[track_caller]
pub(crate) fn cause(error: &std::io::Error) -> &rustls::Error {
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "{error}");
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    inner.unwrap_or_else(|| panic!("it is no error of TLS: {error}")).cause()
}

/// A server that sends back what it receives.
pub(crate) fn echo_server(runtime: &Runtime, acceptor: TlsAcceptor) -> net::SocketAddr {
    let (listener, addr) = sockets::listener();
    runtime.spawn(move || serve(&listener, &acceptor));
    addr
}

fn serve(listener: &TcpListener, acceptor: &TlsAcceptor) {
    for stream in listener.incoming() {
        let (stream, acceptor) = (stream.unwrap(), acceptor.clone());
        coroutine::spawn(move || sockets::echo(acceptor.accept(stream).unwrap()));
    }
}

/// Carries everything from one socket to another, `step` bytes at a time, and then the end.
pub(crate) fn relay(from: &net::TcpStream, to: &net::TcpStream, step: usize) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    to.set_nodelay(true).unwrap();
    thread::spawn(move || {
        let mut buffer = vec![0; step];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..count]).is_err() {
                return;
            }
        }
        let _ = to.shutdown(net::Shutdown::Write);
    });
}
