//! The same server over TLS, with one configuration of rustls's for all.

use crate::exchange::Exchange;
use crate::runtimes::{Setup, on_mco, on_tokio};
use crate::side::{ANYWHERE, announce};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::io::{Read, Write};
use std::sync::Arc;

/// With a certificate made on the spot, which no client here looks at.
fn config() -> Arc<ServerConfig> {
    let made =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("no certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("no key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).expect("no TLS 1.3");
    let config = builder.with_no_client_auth().with_single_cert(vec![made.cert.into()], key);
    Arc::new(config.expect("no configuration"))
}

pub(super) fn mco(setup: &Setup) {
    use mco::net::tls::TlsAcceptor;

    fn converse(acceptor: &TlsAcceptor, stream: mco::net::TcpStream) {
        let Ok(mut stream) = acceptor.accept(stream) else {
            return;
        };
        let mut exchange = Exchange::new();
        while let Ok(length @ 1..) = stream.read(exchange.room()) {
            if stream.write_all(exchange.responses(length)).is_err() {
                return;
            }
        }
    }

    let acceptor = TlsAcceptor::new(config());
    on_mco(setup, || {
        let listener = mco::net::TcpListener::bind(ANYWHERE).expect("could not listen");
        announce(listener.local_addr().expect("a listener has an address"));
        loop {
            let (stream, _) = listener.accept().expect("could not accept");
            let acceptor = acceptor.clone();
            mco::coroutine::spawn(move || converse(&acceptor, stream));
        }
    })
}

pub(super) fn tokio(setup: &Setup) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::TlsAcceptor;

    async fn converse(acceptor: TlsAcceptor, stream: tokio::net::TcpStream) {
        let Ok(mut stream) = acceptor.accept(stream).await else {
            return;
        };
        let mut exchange = Exchange::new();
        while let Ok(length @ 1..) = stream.read(exchange.room()).await {
            if stream.write_all(exchange.responses(length)).await.is_err() {
                return;
            }
            // There may be records left otherwise.
            if stream.flush().await.is_err() {
                return;
            }
        }
    }

    let acceptor = TlsAcceptor::from(config());
    on_tokio(setup, async move {
        let listener = tokio::net::TcpListener::bind(ANYWHERE).await.expect("could not listen");
        announce(listener.local_addr().expect("a listener has an address"));
        loop {
            let (stream, _) = listener.accept().await.expect("could not accept");
            tokio::spawn(converse(acceptor.clone(), stream));
        }
    })
}
