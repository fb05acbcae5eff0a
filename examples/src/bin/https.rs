//! The server of the example `http`, over TLS.
//!
//! It shows `mco::net::tls`, which is `rustls` over mco's streams, and that nothing else changes: the
//! protocol in `examples/src/http` is generic over the stream, and its time limits hold here as well,
//! since `timeout` cuts off what blocks, however deep it is.
//!
//! Run it, with a certificate of your own or with one that it makes for itself and that nobody has
//! signed:
//!
//! ```text
//! $ cargo run --release -p mco-examples --bin https -- --write-cert /tmp/cert.pem
//! listening on https://127.0.0.1:8443
//! ```
//!
//! And from another terminal:
//!
//! ```text
//! $ curl --cacert /tmp/cert.pem https://127.0.0.1:8443/
//! hello, world
//! ```
//!
//! The routes, the limits and the way to stop are those of `http`; so is the exit status.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use mco::net::TcpListener;
use mco::net::tls::TlsAcceptor;
use mco_examples::http::{self, Limits, Served, routes};
use mco_examples::stop;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// An HTTP/1.1 server over TLS with `/`, `/echo` and `/sleep?ms=N`
#[derive(Parser)]
struct Options {
    /// Where to listen; port 0 is any free one
    #[arg(default_value = "127.0.0.1:8443")]
    address: String,
    /// The certificate and those that lead to its issuer (PEM); without it, one is made
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Where to write the certificate that is made, for clients to trust
    #[arg(long, value_name = "FILE", conflicts_with = "cert")]
    write_cert: Option<PathBuf>,
    /// Print what goes wrong with connections
    #[arg(long)]
    verbose: bool,
    #[command(flatten)]
    limits: Limits,
}

#[mco::main]
fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(served) => served.report("https"),
        Err(error) => {
            eprintln!("https: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<Served, String> {
    // Files and cryptography hold a thread up: one of the pool's, and no worker.
    let config = mco::blocking(|| server_config(options))?;
    let acceptor = TlsAcceptor::new(Arc::new(config)).handshake_timeout(options.limits.head_time);
    serve(options, &acceptor)
        .map_err(|error| format!("`{}` cannot be served: {error}", options.address))
}

fn server_config(options: &Options) -> Result<ServerConfig, String> {
    let (chain, key) = match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => (read_chain(cert)?, read_key(key)?),
        _ => make_certificate(options.write_cert.as_deref())?,
    };
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.map_err(|error| format!("the certificate cannot be used: {error}"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn serve(options: &Options, acceptor: &TlsAcceptor) -> io::Result<Served> {
    let listener = TcpListener::bind(options.address.as_str())?;
    let stop = stop::on_signals()?;
    println!("listening on https://{}", listener.local_addr()?);
    let report = |addr, error: &io::Error| {
        if options.verbose {
            eprintln!("https: {addr}: {error}");
        }
    };
    let open = |stream| acceptor.accept(stream);
    Ok(http::serve(listener, &options.limits, &stop, open, routes::handle, report))
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// One for this machine only, which its clients have to be told to trust.
fn make_certificate(write_to: Option<&Path>) -> Result<Pair, String> {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names)
        .map_err(|error| format!("no certificate can be made: {error}"))?;
    if let Some(path) = write_to {
        fs::write(path, made.cert.pem())
            .map_err(|error| format!("`{}` cannot be written: {error}", path.display()))?;
    }
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    Ok((vec![made.cert.der().clone()], key))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let complain = |error| format!("`{}` holds no certificates: {error}", path.display());
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<_, _>>)
        .map_err(complain)?;
    match chain.is_empty() {
        true => Err(format!("`{}` holds no certificates: none is in it", path.display())),
        false => Ok(chain),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|error| format!("`{}` holds no private key: {error}", path.display()))
}
