//! PostgreSQL through tokio-postgres, on coroutines.
//!
//! It shows the feature `tokio-io` of mco: an mco stream is what tokio-postgres talks over
//! (`connect_raw`), a coroutine drives each connection ([`drive`]), and any number of others wait for
//! their queries with `mco::block_on`. No tokio runtime is started, nor compiled.
//!
//! Run it against a server, which is told as for `psql`; it makes temporary tables only:
//!
//! ```text
//! $ cargo run --release -p mco-examples --bin postgres 'host=127.0.0.1 user=postgres'
//! connected to PostgreSQL 15.18 (Debian 15.18-0+deb12u1)
//! 1000 queries of 100 coroutines over 4 connections: every answer is right
//! a transfer is committed: 70 and 80
//! another one is rolled back: 70 and 80
//! notified on `news` by another connection: it works
//! an error of the server: 22012, division by zero
//! and the connection goes on: 42
//! ```

use std::error::Error;
use std::future::poll_fn;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use mco::net::TcpStream;
use mco::std::sync::Receiver;
use mco::{block_on, chan, coroutine, go};
use tokio_postgres::config::Host;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Notification};

/// What comes from the server unasked.
type Message = std::result::Result<AsyncMessage, tokio_postgres::Error>;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const COROUTINES: i32 = 100;
const QUERIES: i32 = 10;
const CONNECTIONS: usize = 4;

#[mco::main]
fn main() -> ExitCode {
    let server = std::env::args().nth(1);
    let server = server.as_deref().unwrap_or("host=127.0.0.1 user=postgres");
    match run(server) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("postgres: with `{server}`: {}", with_sources(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run(server: &str) -> Result<()> {
    let config: Config = server.parse()?;
    let (mut client, notifications) = connect(&config)?;
    let version: String = block_on(client.query_one("SHOW server_version", &[]))?.get(0);
    println!("connected to PostgreSQL {version}");
    query_at_once(&config)?;
    transfer(&mut client)?;
    notify(&config, &client, &notifications)?;
    fail(&client)
}

/// Connects to the first host of the configuration. Returns what the server sends unasked, too.
fn connect(config: &Config) -> Result<(Client, Receiver<Notification>)> {
    let port = config.get_ports().first().copied().unwrap_or(5432);
    match config.get_hosts().first() {
        Some(Host::Tcp(host)) => {
            let stream = TcpStream::connect((host.as_str(), port))?;
            stream.set_nodelay(true)?;
            let (client, mut connection) = block_on(config.connect_raw(stream, NoTls))?;
            Ok((client, drive(move |context| connection.poll_message(context))))
        }
        #[cfg(unix)]
        Some(Host::Unix(folder)) => {
            let path = folder.join(format!(".s.PGSQL.{port}"));
            let stream = mco::os::unix::net::UnixStream::connect(path)?;
            let (client, mut connection) = block_on(config.connect_raw(stream, NoTls))?;
            Ok((client, drive(move |context| connection.poll_message(context))))
        }
        _ => Err("no host: say `host=NAME`, or `host=/FOLDER` for a Unix socket".into()),
    }
}

/// Starts the coroutine that moves the bytes of a connection, until its client is dropped.
fn drive<F>(mut poll_message: F) -> Receiver<Notification>
where
    F: FnMut(&mut Context<'_>) -> Poll<Option<Message>> + Send + 'static,
{
    let (sender, notifications) = chan!();
    go!("connection", move || {
        while let Some(message) = block_on(poll_fn(&mut poll_message)) {
            match message {
                // Nobody may be interested.
                Ok(AsyncMessage::Notification(notification)) => drop(sender.send(notification)),
                Ok(_) => {}
                Err(error) => return eprintln!("postgres: {}", with_sources(&error)),
            }
        }
    });
    notifications
}

/// Many coroutines ask at once; those that share a connection do not wait for each other's answers.
fn query_at_once(config: &Config) -> Result<()> {
    let connect = |_| connect(config).map(|(client, _)| Arc::new(client));
    let clients = (0..CONNECTIONS).map(connect).collect::<Result<Vec<_>>>()?;
    let answers = coroutine::scope(|s| {
        let ask = |(number, client): (i32, &Arc<Client>)| {
            let client = client.clone();
            s.spawn(move || -> Result<i32> {
                let square = block_on(client.prepare("SELECT $1::INT4 * $1"))?;
                let mut right = 0;
                for n in (0..QUERIES).map(|n| number * QUERIES + n) {
                    let row = block_on(client.query_one(&square, &[&n]))?;
                    right += i32::from(row.get::<_, i32>(0) == n * n);
                }
                Ok(right)
            })
        };
        let asking: Vec<_> = (0..COROUTINES).zip(clients.iter().cycle()).map(ask).collect();
        let answers = asking.into_iter().map(|one| one.join().expect("it does not panic"));
        answers.sum::<Result<i32>>()
    })?;
    let asked = COROUTINES * QUERIES;
    if answers < asked {
        return Err(format!("{} of {asked} answers are wrong", asked - answers).into());
    }
    println!(
        "{asked} queries of {COROUTINES} coroutines over {CONNECTIONS} connections: every answer is \
         right"
    );
    Ok(())
}

/// A transaction that is committed, and one that is not.
fn transfer(client: &mut Client) -> Result<()> {
    block_on(client.batch_execute(
        "CREATE TEMPORARY TABLE account (name TEXT PRIMARY KEY, amount INT4 NOT NULL);
         INSERT INTO account VALUES ('mine', 100), ('yours', 50)",
    ))?;
    let amounts = "SELECT amount FROM account ORDER BY name";
    for (amount, commits) in [(30, true), (10, false)] {
        // An `async` block reads as well, where several things wait for each other.
        block_on(async {
            let transaction = client.transaction().await?;
            let change = "UPDATE account SET amount = amount + $1 WHERE name = $2";
            transaction.execute(change, &[&-amount, &"mine"]).await?;
            transaction.execute(change, &[&amount, &"yours"]).await?;
            if commits { transaction.commit().await } else { transaction.rollback().await }
        })?;
        let rows = block_on(client.query(amounts, &[]))?;
        let (mine, yours): (i32, i32) = (rows[0].get(0), rows[1].get(0));
        match commits {
            true => println!("a transfer is committed: {mine} and {yours}"),
            false => println!("another one is rolled back: {mine} and {yours}"),
        }
    }
    Ok(())
}

/// What another connection says to all who listen comes in at a channel.
fn notify(config: &Config, client: &Client, notifications: &Receiver<Notification>) -> Result<()> {
    block_on(client.batch_execute("LISTEN news"))?;
    let (other, _) = connect(config)?;
    block_on(other.execute("SELECT pg_notify('news', $1)", &[&"it works"]))?;
    let news = notifications.recv_timeout(Duration::from_secs(30))?;
    println!("notified on `{}` by another connection: {}", news.channel(), news.payload());
    Ok(())
}

/// The server refuses one query, and answers the next.
fn fail(client: &Client) -> Result<()> {
    let refused = block_on(client.query_one("SELECT 1 / $1::INT4", &[&0]));
    match refused.as_ref().map_err(|error| error.as_db_error()) {
        Err(Some(error)) => {
            println!("an error of the server: {}, {}", error.code().code(), error.message());
        }
        _ => return Err(format!("an error of the server was expected: {refused:?}").into()),
    }
    let row = block_on(client.query_one("SELECT 6 * $1::INT4", &[&7]))?;
    println!("and the connection goes on: {}", row.get::<_, i32>(0));
    Ok(())
}

/// An error and what caused it.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
