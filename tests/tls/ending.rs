//! How connections end.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mco::coroutine;
use mco::net::tls::TlsConnector;
use mco_tests::everywhere::everywhere;
use mco_tests::peer::with_both_kinds;
use mco_tests::quiet::ON_PURPOSE;
use mco_tests::sockets::{self, pattern};
use rustls::client::{
    ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, Error, NamedGroup};

use crate::setup::{Wired, acceptor, cause, client_config, name, pair, record};

#[test]
fn dropping_a_stream_tells_the_peer() {
    everywhere(|| {
        let (client, mut server) = pair();
        drop(client);
        for _ in 0..2 {
            assert_eq!(server.read(&mut [0]).unwrap(), 0);
        }
        let (mut client, server) = pair();
        drop(server);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn dropping_both_halves_tells_the_peer() {
    everywhere(|| {
        let (client, mut server) = pair();
        let (reader, writer) = client.split();
        drop(writer);
        // The connection is still there.
        server.write_all(b"x").unwrap();
        (&reader).read_exact(&mut [0]).unwrap();
        drop(reader);
        assert_eq!(server.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn a_direction_is_shut_down_by_itself() {
    everywhere(|| {
        let (mut client, mut server) = pair();
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut question = String::new();
        server.read_to_string(&mut question).unwrap();
        assert_eq!(question, "question");

        let answer = pattern(1 << 20);
        let sent = answer.clone();
        let writes = coroutine::spawn(move || server.write_all(&sent));
        let mut received = Vec::new();
        client.read_to_end(&mut received).unwrap();
        assert!(received == answer);
        writes.join().unwrap().unwrap();

        let error = client.write(b"more").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert!(error.to_string().contains("has been shut down"), "{error}");
        // Once more is no error.
        client.shutdown(Shutdown::Write).unwrap();
    });
}

#[test]
fn an_end_without_close_notify_is_an_error() {
    everywhere(|| {
        let (mut client, mut server) = pair();
        server.write_all(b"hello").unwrap();
        server.get_ref().shutdown(Shutdown::Write).unwrap();
        let mut text = Vec::new();
        let error = client.read_to_end(&mut text).unwrap_err();
        // What came whole is there.
        assert_eq!(text, b"hello");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert!(error.to_string().contains("without a close_notify"), "{error}");
        let again = client.read(&mut [0]).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn an_end_inside_a_record_is_an_error() {
    everywhere(|| {
        let Wired { mut client, mut server, mut client_wire, server_wire } = Wired::new();
        client.write_all(b"hello").unwrap();
        let record = record(&mut client_wire);
        (&server_wire).write_all(&record[..record.len() - 1]).unwrap();
        drop(server_wire);
        let error = server.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
    });
}

#[test]
fn a_record_that_was_changed_on_the_way_is_an_error() {
    everywhere(|| {
        let Wired { mut client, mut server, mut client_wire, mut server_wire } = Wired::new();
        client.write_all(b"hello").unwrap();
        let mut record = record(&mut client_wire);
        *record.last_mut().unwrap() ^= 1;
        server_wire.write_all(&record).unwrap();
        for _ in 0..2 {
            let error = server.read(&mut [0; 8]).unwrap_err();
            assert_eq!(*cause(&error), Error::DecryptError);
            let text = error.to_string();
            assert!(text.starts_with("the TLS connection with the client at 127.0.0.1:"), "{text}");
        }
        assert_eq!(*cause(&server.write(b"x").unwrap_err()), Error::DecryptError);
        // The peer has been told.
        client_wire.write_all(&crate::setup::record(&mut server_wire)).unwrap();
        let error = client.read(&mut [0]).unwrap_err();
        assert_eq!(*cause(&error), Error::AlertReceived(AlertDescription::BadRecordMac));
    });
}

#[test]
fn a_reset_is_an_error() {
    everywhere(|| {
        let Wired { mut client, client_wire, .. } = Wired::new();
        let wire = mco::net::TcpStream::try_from(client_wire).unwrap();
        wire.set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(wire);
        assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        let error = client.write(b"x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{error}");
    });
}

#[test]
fn shutting_down_ends_a_read_that_waits() {
    for how in [Shutdown::Read, Shutdown::Both] {
        with_both_kinds(move |runtime, kind| {
            let (client, _server) = runtime.run(pair);
            let client = Arc::new(client);
            let reader = client.clone();
            let reads = kind.start_blocked(runtime, move || (&*reader).read(&mut [0]));
            client.shutdown(how).unwrap();
            assert_eq!(reads.join().unwrap().unwrap(), 0);
            assert_eq!((&*client).read(&mut [0]).unwrap(), 0);
        });
    }
}

#[test]
fn shutting_down_ends_a_write_that_waits() {
    with_both_kinds(|runtime, kind| {
        let (client, _server) = runtime.run(pair);
        let client = Arc::new(client);
        let writer = client.clone();
        let writes = kind.start_blocked(runtime, move || (&*writer).write_all(&pattern(64 << 20)));
        client.shutdown(Shutdown::Both).unwrap();
        assert_eq!(writes.join().unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn what_has_come_is_read_after_the_reading_side_is_shut_down() {
    everywhere(|| {
        let (mut client, mut server) = pair();
        server.write_all(b"hello").unwrap();
        client.read_exact(&mut [0]).unwrap();
        client.shutdown(Shutdown::Read).unwrap();
        let mut rest = String::new();
        client.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "ello");
        // The other side goes on.
        client.write_all(b"x").unwrap();
        server.read_exact(&mut [0]).unwrap();
    });
}

#[test]
fn dropping_a_stream_does_not_wait() {
    everywhere(|| {
        let (client, server) = pair();
        client.get_ref().set_nonblocking(true).unwrap();
        let text = pattern(1 << 20);
        while (&client).write(&text).is_ok() {}
        drop(client);
        drop(server);
    });
}

/// The client never reads, and so never sees the server's session tickets: were they still there when
/// its socket is closed, that would reset the connection, and destroy what has not been received.
#[test]
fn one_that_only_writes_loses_nothing_at_its_end() {
    everywhere(|| {
        let (mut client, mut server) = pair();
        let text = pattern(4 << 20);
        let sent = text.clone();
        let writes = coroutine::spawn(move || {
            client.write_all(&sent).unwrap();
            drop(client);
        });
        let mut received = Vec::new();
        server.read_to_end(&mut received).unwrap();
        assert!(received == text);
        writes.join().unwrap();
    });
}

/// A store of sessions that panics.
struct Careless(AtomicBool);

impl fmt::Debug for Careless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Careless")
    }
}

impl ClientSessionStore for Careless {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {
        self.0.store(true, Ordering::SeqCst);
        panic!("{ON_PURPOSE}: the store is full");
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

#[test]
fn a_panic_in_the_configuration_breaks_the_stream_and_hangs_nobody() {
    everywhere(|| {
        let store = Arc::new(Careless(AtomicBool::new(false)));
        let mut config = client_config();
        config.resumption = Resumption::store(store.clone());
        let (client, server) = sockets::pair();
        let accepts = coroutine::spawn(move || acceptor().accept(server));
        let client = TlsConnector::new(Arc::new(config)).connect(name(), client).unwrap();
        let client = Arc::new(client);
        let reader = client.clone();
        let reads = coroutine::spawn(move || (&*reader).read(&mut [0]));
        assert!(reads.join().is_err(), "the panic does not get through");
        assert!(store.0.load(Ordering::SeqCst));
        for error in [
            (&*client).read(&mut [0]).unwrap_err(),
            (&*client).write(b"x").unwrap_err(),
            client.refresh_traffic_keys().unwrap_err(),
        ] {
            assert!(error.to_string().contains("has panicked"), "{error}");
        }
        // As far as it goes.
        client.shutdown(Shutdown::Both).unwrap();
        drop(client);
        let mut server = accepts.join().unwrap().unwrap();
        assert!(server.read(&mut [0]).is_err(), "without a close_notify");
    });
}
