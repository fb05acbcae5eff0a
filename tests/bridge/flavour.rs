//! The same test for each crate's traits, on each kind of stream.

use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use mco::net::tls::TlsStream;
use mco_tests::everywhere::everywhere;
use mco_tests::sockets;

use crate::setup;

/// The traits of all crates, under one name. Listed once.
macro_rules! traits {
    ($Name:ident: $first:path $(, $other:path)*) => {
        pub(crate) trait $Name: $first $(+ $other)* {}
        impl<S: $first $(+ $other)*> $Name for S {}
    };
}

traits!(Reads: Read, futures_io::AsyncRead, tokio::io::AsyncRead, hyper::rt::Read, Unpin, Send, Sync);
traits!(
    Writes: Write,
    futures_io::AsyncWrite,
    tokio::io::AsyncWrite,
    hyper::rt::Write,
    Unpin,
    Send,
    Sync
);
traits!(Traits: Reads, Writes);

/// A stream of mco's.
pub(crate) trait Stream: Traits + Sized + 'static {
    /// Its other end.
    type Peer: Peer;
    type Ref<'a>: Traits;

    fn pair() -> (Self, Self::Peer);

    fn by_ref(&self) -> Self::Ref<'_>;
}

/// The other end, which just blocks.
pub(crate) trait Peer: Read + Write + Send + 'static {
    fn end_writing(&self);
}

impl Stream for mco::net::TcpStream {
    type Peer = TcpStream;
    type Ref<'a> = &'a Self;

    fn pair() -> (Self, TcpStream) {
        sockets::mixed_pair()
    }

    fn by_ref(&self) -> &Self {
        self
    }
}

impl Stream for mco::os::unix::net::UnixStream {
    type Peer = UnixStream;
    type Ref<'a> = &'a Self;

    fn pair() -> (Self, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        (near.try_into().unwrap(), far)
    }

    fn by_ref(&self) -> &Self {
        self
    }
}

/// The server's end, to which nothing comes that the test has not sent.
impl Stream for TlsStream {
    type Peer = TlsStream;
    type Ref<'a> = &'a Self;

    fn pair() -> (Self, TlsStream) {
        let (client, server) = setup::pair();
        (server, client)
    }

    fn by_ref(&self) -> &Self {
        self
    }
}

impl Peer for TlsStream {
    fn end_writing(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

impl Peer for TcpStream {
    fn end_writing(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

impl Peer for UnixStream {
    fn end_writing(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

/// The traits of one crate, under one name.
pub(crate) trait Flavour: Send + Sync + 'static {
    fn poll_read<S: Reads>(
        stream: &mut S,
        context: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>>;

    fn poll_write<S: Writes>(
        stream: &mut S,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>>;

    fn poll_write_vectored<S: Writes>(
        stream: &mut S,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    fn poll_flush<S: Writes>(stream: &mut S, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    fn poll_close<S: Writes>(stream: &mut S, context: &mut Context<'_>) -> Poll<io::Result<()>>;
}

pub(crate) struct FuturesIo;
pub(crate) struct TokioIo;
pub(crate) struct Hyper;

macro_rules! writes {
    ($Write:path, $close:ident) => {
        fn poll_write<S: Writes>(
            stream: &mut S,
            context: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            use $Write as Write;
            Write::poll_write(Pin::new(stream), context, buf)
        }

        fn poll_write_vectored<S: Writes>(
            stream: &mut S,
            context: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            use $Write as Write;
            Write::poll_write_vectored(Pin::new(stream), context, bufs)
        }

        fn poll_flush<S: Writes>(
            stream: &mut S,
            context: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            use $Write as Write;
            Write::poll_flush(Pin::new(stream), context)
        }

        fn poll_close<S: Writes>(
            stream: &mut S,
            context: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            use $Write as Write;
            Write::$close(Pin::new(stream), context)
        }
    };
}

impl Flavour for FuturesIo {
    fn poll_read<S: Reads>(
        stream: &mut S,
        context: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        futures_io::AsyncRead::poll_read(Pin::new(stream), context, buf)
    }

    writes!(futures_io::AsyncWrite, poll_close);
}

impl Flavour for TokioIo {
    fn poll_read<S: Reads>(
        stream: &mut S,
        context: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buf = tokio::io::ReadBuf::new(buf);
        let done = tokio::io::AsyncRead::poll_read(Pin::new(stream), context, &mut buf);
        done.map_ok(|()| buf.filled().len())
    }

    writes!(tokio::io::AsyncWrite, poll_shutdown);
}

impl Flavour for Hyper {
    fn poll_read<S: Reads>(
        stream: &mut S,
        context: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buf = hyper::rt::ReadBuf::new(buf);
        let done = hyper::rt::Read::poll_read(Pin::new(stream), context, buf.unfilled());
        done.map_ok(|()| buf.filled().len())
    }

    writes!(hyper::rt::Write, poll_shutdown);
}

pub(crate) async fn read<F: Flavour>(stream: &mut impl Reads, buf: &mut [u8]) -> io::Result<usize> {
    poll_fn(|context| F::poll_read(stream, context, buf)).await
}

pub(crate) async fn read_exact<F: Flavour>(stream: &mut impl Reads, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut done = 0;
    while done < len {
        match read::<F>(stream, &mut bytes[done..]).await.unwrap() {
            0 => panic!("the end after {done} of {len} bytes"),
            n => done += n,
        }
    }
    bytes
}

pub(crate) async fn write<F: Flavour>(stream: &mut impl Writes, buf: &[u8]) -> io::Result<usize> {
    poll_fn(|context| F::poll_write(stream, context, buf)).await
}

pub(crate) async fn write_all<F: Flavour>(
    stream: &mut impl Writes,
    mut buf: &[u8],
) -> io::Result<()> {
    while !buf.is_empty() {
        let done = write::<F>(stream, buf).await?;
        buf = &buf[done..];
    }
    poll_fn(|context| F::poll_flush(stream, context)).await
}

pub(crate) async fn close<F: Flavour>(stream: &mut impl Writes) -> io::Result<()> {
    poll_fn(|context| F::poll_close(stream, context)).await
}

/// Both futures in one task: each is polled whenever one of them is woken.
pub(crate) async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut of_a, mut of_b) = (None, None);
    poll_fn(|context| {
        if of_a.is_none()
            && let Poll::Ready(output) = a.as_mut().poll(context)
        {
            of_a = Some(output);
        }
        if of_b.is_none()
            && let Poll::Ready(output) = b.as_mut().poll(context)
        {
            of_b = Some(output);
        }
        if of_a.is_some() && of_b.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    (of_a.expect("it is ready"), of_b.expect("it is ready"))
}

/// A test that is the same for all.
pub(crate) trait Test: Clone + Send + Sync + 'static {
    fn run<F: Flavour, S: Stream>(&self);
}

/// Runs a test for each crate's traits and each kind of stream, in coroutines and in threads.
#[track_caller]
pub(crate) fn with_all(test: impl Test) {
    everywhere(move || {
        of_flavour::<FuturesIo>(&test);
        of_flavour::<TokioIo>(&test);
        of_flavour::<Hyper>(&test);
    });
}

fn of_flavour<F: Flavour>(test: &impl Test) {
    // Shown only if the test fails.
    eprintln!("{}:", std::any::type_name::<F>());
    test.run::<F, mco::net::TcpStream>();
    test.run::<F, mco::os::unix::net::UnixStream>();
    test.run::<F, TlsStream>();
}

/// Defines a test for [`with_all`].
macro_rules! for_all {
    ($(#[$meta:meta])* fn $name:ident<$F:ident, $S:ident>() $body:block) => {
        $(#[$meta])*
        #[test]
        fn $name() {
            #[derive(Clone)]
            struct This;
            impl crate::flavour::Test for This {
                fn run<$F: crate::flavour::Flavour, $S: crate::flavour::Stream>(&self) $body
            }
            crate::flavour::with_all(This);
        }
    };
}

pub(crate) use for_all;
