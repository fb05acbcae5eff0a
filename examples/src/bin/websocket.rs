//! A WebSocket server: `/echo` sends each message back, `/broadcast` sends it to all who are there.
//!
//! It shows a sync protocol crate (`tungstenite`) over mco's streams, and how reading and writing part
//! although the crate keeps both in one object. Each client has two coroutines: one reads, and whatever
//! is to be sent, by the crate too, goes through an *outbox*, a channel, to the one that writes.
//! So a message for all is encoded once; a client that does not read blocks nobody: when its outbox
//! is full, it misses the broadcast and is dropped. And `select!` over an accept and the wish to stop.
//!
//! What a client can make the server keep is bounded, in bytes: `--message` limits what it sends, and
//! `--outbox` what waits for it. Whoever sends too large a message, or breaks the protocol, is told why it is
//! dropped, by the close code: 1009, 1002 or 1007.
//!
//! Run it, and talk to it with any client, as in the browser's console:
//!
//! ```text
//! $ cargo run --release -p mco-examples --bin websocket -- 127.0.0.1:8081
//! listening on ws://127.0.0.1:8081
//!
//! > s = new WebSocket("ws://127.0.0.1:8081/echo"); s.onmessage = m => console.log(m.data)
//! > s.send("hello")
//! hello
//! ```
//!
//! Ctrl-C (SIGINT) or SIGTERM stops it: each client is told (close code 1001) and gets five seconds to
//! say good-bye. A client that is silent for `--idle-time`, although it is pinged, is dropped.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use clap::Parser;
use mco::coroutine::{self, CoroutineId, sleep};
use mco::net::{TcpListener, TcpStream};
use mco::select;
use mco::std::sync::channel::{Receiver, Sender, unbounded};
use mco::std::sync::{Condvar, Mutex, MutexGuard, SyncFlag, WaitGroup};
use mco::std::time::timeout;
use mco_examples::arguments::{at_least_one, seconds};
use mco_examples::stop;
use tungstenite::error::ProtocolError;
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::StatusCode;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::{WebSocket, WebSocketConfig};
use tungstenite::{Bytes, Error, HandshakeError, Message, accept_hdr_with_config};

/// From the connection to the end of the handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// For a client that is told to go.
const PARTING_TIME: Duration = Duration::from_secs(5);

/// Messages that wait for a client are sent together, up to about so many bytes.
const LARGE_WRITE: usize = 64 * 1024;

/// What `tungstenite` reads into at first, for each client.
const READ_BUFFER: usize = 16 * 1024;

/// Room for the header of a frame and for one of the small ones that the crate sends by itself.
const SMALL_FRAMES: usize = 256;

/// What a message in an outbox takes besides its bytes, about.
const ENTRY: usize = 64;

/// A WebSocket server with `/echo` and `/broadcast`
#[derive(Parser)]
struct Options {
    /// Where to listen; port 0 is any free one
    #[arg(default_value = "127.0.0.1:8081")]
    address: String,
    /// The largest message
    #[arg(long, default_value_t = 1024 * 1024, value_name = "BYTES", value_parser = at_least_one)]
    message: usize,
    /// How much may wait until a client takes it; a single message always may
    #[arg(long, default_value_t = 4 * 1024 * 1024, value_name = "BYTES", value_parser = at_least_one)]
    outbox: usize,
    /// How long a client may be silent; it is pinged twice in that time
    #[arg(long, default_value = "60", value_name = "SECONDS", value_parser = seconds)]
    idle_time: Duration,
}

#[mco::main]
fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("websocket: `{}` cannot be served: {error}", options.address);
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> io::Result<()> {
    let listener = TcpListener::bind(options.address.as_str())?;
    let stop = stop::on_signals()?;
    println!("listening on ws://{}", listener.local_addr()?);
    serve(listener, &stop, options);
    Ok(())
}

fn serve(listener: TcpListener, stop: &SyncFlag, options: &Options) {
    let hub = Hub::default();
    coroutine::scope(|s| {
        let everyone = WaitGroup::new();
        loop {
            select! {
                biased;
                _ = stop.wait() => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, address)) => {
                        let (hub, one) = (&hub, everyone.clone());
                        s.spawn(move || {
                            let _one = one;
                            if let Err(error) = meet(stream, hub, options) {
                                report(address, &error);
                            }
                        });
                    }
                    // Out of descriptors; `accept` has waited for a while before it said so.
                    Err(error) => eprintln!("websocket: {error}"),
                }
            }
        }
        drop(listener);
        hub.send_away();
        select! {
            _ = everyone.wait() => {}
            _ = sleep(PARTING_TIME) => hub.drop_all(),
        }
    });
}

/// A client that ends without good-bye is nothing to report.
fn report(address: SocketAddr, error: &Error) {
    let is_common = match error {
        Error::ConnectionClosed | Error::AlreadyClosed => true,
        Error::Io(error) => matches!(
            error.kind(),
            io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::NotConnected
                | io::ErrorKind::UnexpectedEof
        ),
        Error::Protocol(error) => *error == ProtocolError::ResetWithoutClosingHandshake,
        _ => false,
    };
    if !is_common {
        eprintln!("websocket: {address}: {error}");
    }
}

/// The life of a client.
fn meet(stream: TcpStream, hub: &Hub, options: &Options) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(options.idle_time))?;
    stream.set_write_timeout(Some(options.idle_time))?;
    let stream = Arc::new(stream);
    let (outbox, outlet) = outbox(options.outbox);
    coroutine::scope(|s| {
        let (writes_to, ping_time) = (stream.clone(), options.idle_time / 3);
        let writer = s.spawn(move || write(&writes_to, outlet, ping_time));
        let read = read(&stream, &outbox, hub, options);
        // From here on nobody sends to it, so the writer ends when it has sent what there is.
        hub.leave();
        drop(outbox);
        read.and(writer.join().expect("it does not panic").map_err(Error::Io))
    })
}

/// What the writer is given.
enum Outgoing {
    /// Whole frames.
    Frames(Bytes),
    /// The frame after which there are none.
    Close(Bytes),
}

impl Outgoing {
    fn bytes(&self) -> &Bytes {
        let (Outgoing::Frames(bytes) | Outgoing::Close(bytes)) = self;
        bytes
    }

    /// What it takes of an outbox.
    fn cost(&self) -> usize {
        self.bytes().len() + ENTRY
    }
}

/// What waits for a client: a channel that is bounded by the bytes in it.
fn outbox(limit: usize) -> (Outbox, Outlet) {
    let (sender, receiver) = unbounded();
    let waiting = Mutex::new(Waiting { bytes: 0, is_over: false });
    let quota = Arc::new(Quota { waiting, changed: Condvar::new(), limit });
    (Outbox { sender, quota: quota.clone() }, Outlet { receiver, quota, taken: 0 })
}

#[derive(Clone)]
struct Outbox {
    sender: Sender<Outgoing>,
    quota: Arc<Quota>,
}

impl Outbox {
    /// Waits for room. `false`: nobody writes any more.
    fn send(&self, outgoing: Outgoing) -> bool {
        let cost = outgoing.cost();
        let waiting = self.quota.waiting();
        let full = |waiting: &mut Waiting| !waiting.is_over && !self.quota.has_room(waiting, cost);
        let mut waiting = self.quota.changed.wait_while(waiting, full).expect(UNPOISONED);
        self.put(&mut waiting, outgoing)
    }

    /// `false`: it is full, or nobody writes any more.
    fn try_send(&self, outgoing: Outgoing) -> bool {
        let mut waiting = self.quota.waiting();
        self.quota.has_room(&waiting, outgoing.cost()) && self.put(&mut waiting, outgoing)
    }

    fn put(&self, waiting: &mut Waiting, outgoing: Outgoing) -> bool {
        waiting.bytes += outgoing.cost();
        self.sender.send(outgoing).is_ok()
    }
}

/// The end of an outbox at which its messages come out.
struct Outlet {
    receiver: Receiver<Outgoing>,
    quota: Arc<Quota>,
    /// How much of the quota has come out and not been written.
    taken: usize,
}

impl Outlet {
    fn recv_timeout(&mut self, timeout: Duration) -> Result<Outgoing, RecvTimeoutError> {
        self.receiver.recv_timeout(timeout).inspect(|outgoing| self.taken += outgoing.cost())
    }

    fn try_recv(&mut self) -> Option<Outgoing> {
        self.receiver.try_recv().ok().inspect(|outgoing| self.taken += outgoing.cost())
    }

    /// What has come out does not wait any more.
    fn is_written(&mut self) {
        self.quota.waiting().bytes -= std::mem::take(&mut self.taken);
        self.quota.changed.notify_all();
    }

    /// Until there is nobody any more who could put something in.
    fn discard_rest(&mut self) {
        while let Ok(outgoing) = self.receiver.recv() {
            self.taken += outgoing.cost();
            self.is_written();
        }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.quota.waiting().is_over = true;
        self.quota.changed.notify_all();
    }
}

struct Quota {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    limit: usize,
}

struct Waiting {
    bytes: usize,
    /// Nobody writes any more.
    is_over: bool,
}

const UNPOISONED: &str = "nothing panics under this lock";

impl Quota {
    /// One that comes alone is let in, however large.
    fn has_room(&self, waiting: &Waiting, cost: usize) -> bool {
        waiting.bytes == 0 || waiting.bytes + cost <= self.limit
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect(UNPOISONED)
    }
}

/// The stream as `tungstenite` sees it: it reads from the socket and writes to the outbox.
struct Duplex<'a> {
    stream: &'a TcpStream,
    outbox: Outbox,
}

impl Read for Duplex<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Duplex<'_> {
    /// Takes all, so that frames stay whole although others send, too. Waits if the outbox is full: who
    /// does not read is not read from.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let frames = Outgoing::Frames(Bytes::copy_from_slice(bytes));
        if self.outbox.send(frames) {
            Ok(bytes.len())
        } else {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Receives messages until the client has closed.
fn read(
    stream: &Arc<TcpStream>,
    outbox: &Outbox,
    hub: &Hub,
    options: &Options,
) -> Result<(), Error> {
    let duplex = Duplex { stream, outbox: outbox.clone() };
    let shaken = timeout(HANDSHAKE_TIME, || shake_hands(duplex, options.message));
    let (mut socket, room) = shaken.map_err(io::Error::from)??;
    hub.enter(Client { room, outbox: outbox.clone(), stream: stream.clone() });
    loop {
        match socket.read() {
            Ok(message) if message.is_text() || message.is_binary() => match room {
                Room::Echo => socket.send(message)?,
                Room::Broadcast => hub.broadcast(message),
            },
            // Pings and the close are answered by the crate, with the next read.
            Ok(_) => {}
            Err(Error::ConnectionClosed) => return Ok(()),
            Err(error) => {
                if let Some(code) = close_code(&error) {
                    hub.leave();
                    outbox.send(close(code, &error.to_string()));
                    // If the connection were closed with bytes unread, that would reset it, and the client
                    // might never learn why.
                    let (mut stream, mut rest) = (&**stream, [0; 4096]);
                    let _ = timeout(PARTING_TIME, || while let Ok(1..) = stream.read(&mut rest) {});
                }
                return Err(error);
            }
        }
    }
}

/// What a client is told that has made this error, if it has.
fn close_code(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Capacity(_) => Some(CloseCode::Size),
        // The client is gone.
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(CloseCode::Protocol),
        Error::Utf8(_) => Some(CloseCode::Invalid),
        _ => None,
    }
}

fn shake_hands(duplex: Duplex<'_>, largest: usize) -> Result<(WebSocket<Duplex<'_>>, Room), Error> {
    let mut room = None;
    #[expect(clippy::result_large_err, reason = "the crate says what it is")]
    let choose = |request: &Request, response: Response| {
        room = match request.uri().path() {
            "/echo" => Some(Room::Echo),
            "/broadcast" => Some(Room::Broadcast),
            _ => {
                let mut none =
                    ErrorResponse::new(Some("there are `/echo` and `/broadcast`\n".to_owned()));
                *none.status_mut() = StatusCode::NOT_FOUND;
                return Err(none);
            }
        };
        Ok(response)
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(largest))
        .max_frame_size(Some(largest))
        .read_buffer_size(READ_BUFFER)
        // All is given to the stream at once, which takes it. So this holds one frame.
        .write_buffer_size(0)
        .max_write_buffer_size(largest.saturating_add(SMALL_FRAMES));
    match accept_hdr_with_config(duplex, choose, Some(config)) {
        Ok(socket) => Ok((socket, room.expect("else it would have been refused"))),
        Err(HandshakeError::Failure(error)) => Err(error),
        Err(HandshakeError::Interrupted(_)) => unreachable!("the stream blocks"),
    }
}

/// Sends what comes out of the outbox until nobody puts anything in. A ping when there is nothing.
fn write(mut stream: &TcpStream, mut outgoing: Outlet, ping_time: Duration) -> io::Result<()> {
    let mut buffer = Vec::new();
    let mut is_last = false;
    let written = loop {
        match outgoing.recv_timeout(ping_time) {
            Ok(next) => is_last = next.append_to(&mut buffer),
            Err(RecvTimeoutError::Timeout) => encode(Frame::ping(Bytes::new()), &mut buffer),
            Err(RecvTimeoutError::Disconnected) => break Ok(()),
        }
        // What has gathered meanwhile leaves with it.
        while !is_last && buffer.len() < LARGE_WRITE {
            let Some(next) = outgoing.try_recv() else { break };
            is_last = next.append_to(&mut buffer);
        }
        if let Err(error) = stream.write_all(&buffer) {
            break Err(error);
        }
        outgoing.is_written();
        buffer.clear();
        buffer.shrink_to(LARGE_WRITE);
        if is_last {
            break Ok(());
        }
    };
    // So that the reader, too, sees that it is over.
    let end = if written.is_ok() { Shutdown::Write } else { Shutdown::Both };
    // It fails if the client was quicker.
    let _ = stream.shutdown(end);
    if is_last {
        // The client's answer is awaited by the reader.
        outgoing.discard_rest();
    }
    written
}

impl Outgoing {
    /// `true`: that was the last.
    fn append_to(self, buffer: &mut Vec<u8>) -> bool {
        buffer.extend_from_slice(self.bytes());
        matches!(self, Outgoing::Close(_))
    }
}

fn encode(frame: Frame, buffer: &mut Vec<u8>) {
    frame.format(buffer).expect("a vector takes all");
}

/// A close frame. Of the reason it has as much as fits.
fn close(code: CloseCode, reason: &str) -> Outgoing {
    let reason = &reason[..reason.floor_char_boundary(123)];
    let mut frame = Vec::new();
    encode(Frame::close(Some(CloseFrame { code, reason: reason.into() })), &mut frame);
    Outgoing::Close(frame.into())
}

#[derive(Clone, Copy, PartialEq)]
enum Room {
    Echo,
    Broadcast,
}

/// All clients.
#[derive(Default)]
struct Hub {
    clients: Mutex<HashMap<CoroutineId, Client>>,
    /// Changed under that lock: nobody enters any more.
    stops: AtomicBool,
}

struct Client {
    room: Room,
    outbox: Outbox,
    stream: Arc<TcpStream>,
}

impl Hub {
    /// The calling coroutine serves this client.
    fn enter(&self, client: Client) {
        let mut clients = self.clients();
        if self.stops.load(Ordering::Relaxed) {
            client.cut_off();
        } else {
            clients.insert(coroutine::current().id(), client);
        }
    }

    fn leave(&self) {
        self.clients().remove(&coroutine::current().id());
    }

    /// Sends a message to all who are in that room, the sender among them.
    fn broadcast(&self, message: Message) {
        let kind = if message.is_text() { Data::Text } else { Data::Binary };
        let mut frame = Vec::new();
        encode(Frame::message(message.into_data(), OpCode::Data(kind), true), &mut frame);
        let frame = Bytes::from(frame);
        self.clients().retain(|_, client| {
            client.room != Room::Broadcast || client.try_send(Outgoing::Frames(frame.clone()))
        });
    }

    /// Tells all that the server stops.
    fn send_away(&self) {
        let mut clients = self.clients();
        self.stops.store(true, Ordering::Relaxed);
        clients.retain(|_, client| client.try_send(close(CloseCode::Away, "the server stops")));
    }

    fn drop_all(&self) {
        self.clients().values().for_each(Client::cut_off);
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<CoroutineId, Client>> {
        self.clients.lock().expect(UNPOISONED)
    }
}

impl Client {
    /// `false`: it does not take what it is sent, and is cut off.
    fn try_send(&self, outgoing: Outgoing) -> bool {
        let sent = self.outbox.try_send(outgoing);
        if !sent {
            self.cut_off();
        }
        sent
    }

    /// Its coroutines see the end of the stream.
    fn cut_off(&self) {
        // It fails if that has happened already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
