//! Handshakes that come about, and those that do not.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mco::net::TcpStream;
use mco::net::tls::{TlsAcceptor, TlsConnector};
use mco_tests::everywhere::everywhere;
use mco_tests::{sockets, with_runtimes};
use rcgen::date_time_ymd;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, CertificateError, Error, HandshakeKind, ProtocolVersion};

use crate::setup::{
    Authority, BOTH_VERSIONS, NAME, TRUSTED, acceptor, cause, client_config, client_config_of,
    connector, demanding_server_config, echo_server, name, pair, pair_of, relay, server_config,
    server_config_of, server_identity, shake, shake_on,
};

#[test]
fn both_ends_know_what_was_agreed_on() {
    everywhere(|| {
        for (version, is) in
            [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)]
        {
            let connector = client_config_of(&TRUSTED, &[version], None);
            let (client, server) = pair_of(&TlsConnector::new(Arc::new(connector)), &acceptor());
            for end in [&client, &server] {
                assert_eq!(end.protocol_version(), Some(is));
                assert_eq!(end.cipher_suite(), client.cipher_suite());
                assert!(end.cipher_suite().is_some());
                assert_eq!(end.handshake_kind(), Some(HandshakeKind::Full));
                assert_eq!(end.server_name(), Some(NAME));
                assert_eq!(end.alpn_protocol(), None);
            }
            assert_eq!(client.peer_certificates(), Some(&server_identity().chain()[..]));
            assert_eq!(server.peer_certificates(), None);
            assert_eq!(client.peer_addr().unwrap(), server.local_addr().unwrap());
            assert_eq!(client.local_addr().unwrap(), server.peer_addr().unwrap());
            let secrets = [&client, &server]
                .map(|end| end.export_keying_material([0; 32], b"a label", None).unwrap());
            assert_eq!(secrets[0], secrets[1]);
            assert_ne!(secrets[0], [0; 32]);
            let text = format!("{client:?}");
            assert!(text.contains("TLSv1") && text.contains("TcpStream"), "{text}");
        }
    });
}

#[test]
fn the_servers_favourite_protocol_is_agreed_on() {
    everywhere(|| {
        let (mut client, mut server) = (client_config(), server_config());
        client.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
        server.alpn_protocols = vec![b"h3".to_vec(), b"h2".to_vec(), b"http/1.1".to_vec()];
        let (client, server) =
            pair_of(&TlsConnector::new(Arc::new(client)), &TlsAcceptor::new(Arc::new(server)));
        assert_eq!(client.alpn_protocol(), Some(&b"h2"[..]));
        assert_eq!(server.alpn_protocol(), Some(&b"h2"[..]));
    });
}

#[test]
fn ends_without_a_common_protocol_refuse_each_other() {
    everywhere(|| {
        let (mut client, mut server) = (client_config(), server_config());
        client.alpn_protocols = vec![b"mine".to_vec()];
        server.alpn_protocols = vec![b"yours".to_vec()];
        let (client, server) =
            shake(&TlsConnector::new(Arc::new(client)), &TlsAcceptor::new(Arc::new(server)));
        let (client, server) = (client.unwrap_err(), server.unwrap_err());
        assert_eq!(*cause(&server), Error::NoApplicationProtocol);
        let alert = AlertDescription::NoApplicationProtocol;
        assert_eq!(*cause(&client), Error::AlertReceived(alert));
        let text = server.to_string();
        assert!(text.starts_with("the TLS handshake with the client at 127.0.0.1:"), "{text}");
        assert!(text.contains("`alpn_protocols`"), "{text}");
    });
}

#[test]
fn ends_without_a_common_version_refuse_each_other() {
    everywhere(|| {
        let client = client_config_of(&TRUSTED, &[&TLS12], None);
        let server = server_config_of(server_identity(), &[&TLS13]);
        let (client, server) =
            shake(&TlsConnector::new(Arc::new(client)), &TlsAcceptor::new(Arc::new(server)));
        assert!(matches!(cause(&server.unwrap_err()), Error::PeerIncompatible(_)));
        let alert = AlertDescription::ProtocolVersion;
        assert_eq!(*cause(&client.unwrap_err()), Error::AlertReceived(alert));
    });
}

#[test]
fn a_clients_certificate_is_known_to_the_server() {
    everywhere(|| {
        for version in BOTH_VERSIONS {
            let me = TRUSTED.certify("client.test", |_| ());
            let client = client_config_of(&TRUSTED, &[version], Some(&me));
            let server = demanding_server_config(&[version]);
            let (mut client, mut server) =
                pair_of(&TlsConnector::new(Arc::new(client)), &TlsAcceptor::new(Arc::new(server)));
            assert_eq!(server.peer_certificates(), Some(&me.chain()[..]));
            client.write_all(b"hello").unwrap();
            server.read_exact(&mut [0; 5]).unwrap();
        }
    });
}

#[test]
fn a_client_without_the_certificate_asked_for_is_refused() {
    everywhere(|| {
        let server = demanding_server_config(&[&TLS13]);
        let (client, server) = shake(&connector(), &TlsAcceptor::new(Arc::new(server)));
        let server = server.unwrap_err();
        assert_eq!(*cause(&server), Error::NoCertificatesPresented);
        assert!(server.to_string().contains("`with_client_auth_cert`"), "{server}");
        // It has done its part before the server looks, and reads why there is no more.
        let client = client.unwrap().read(&mut [0; 8]).unwrap_err();
        let alert = AlertDescription::CertificateRequired;
        assert_eq!(*cause(&client), Error::AlertReceived(alert));
        assert!(
            client.to_string().starts_with("the TLS connection with `server.test`"),
            "{client}"
        );

        // In TLS 1.2 the server has the last word.
        let client = client_config_of(&TRUSTED, &[&TLS12], None);
        let server = demanding_server_config(&[&TLS12]);
        let (client, server) =
            shake(&TlsConnector::new(Arc::new(client)), &TlsAcceptor::new(Arc::new(server)));
        assert_eq!(*cause(&server.unwrap_err()), Error::NoCertificatesPresented);
        assert!(matches!(cause(&client.unwrap_err()), Error::AlertReceived(_)));
    });
}

#[test]
fn a_client_with_a_certificate_of_somebody_elses_is_refused() {
    everywhere(|| {
        let me = Authority::new().certify("client.test", |_| ());
        let client = client_config_of(&TRUSTED, &BOTH_VERSIONS, Some(&me));
        let server = demanding_server_config(&BOTH_VERSIONS);
        let (client, server) =
            shake(&TlsConnector::new(Arc::new(client)), &TlsAcceptor::new(Arc::new(server)));
        assert_eq!(
            *cause(&server.unwrap_err()),
            Error::InvalidCertificate(CertificateError::UnknownIssuer)
        );
        let client = client.unwrap().read(&mut [0; 8]).unwrap_err();
        assert!(matches!(cause(&client), Error::AlertReceived(_)));
    });
}

/// Expects the client to refuse the server, and the server to be told.
#[track_caller]
fn assert_refused(
    connector: &TlsConnector,
    acceptor: &TlsAcceptor,
    right: impl Fn(&CertificateError) -> bool,
    text: &str,
) {
    let (client, server) = shake(connector, acceptor);
    let (client, server) = (client.unwrap_err(), server.unwrap_err());
    match cause(&client) {
        Error::InvalidCertificate(error) if right(error) => {}
        other => panic!("the client says something else: {other}"),
    }
    assert!(client.to_string().starts_with("the TLS handshake with `server.test` at "), "{client}");
    assert!(client.to_string().contains(text), "{client}");
    assert!(matches!(cause(&server), Error::AlertReceived(_)), "{server}");
}

#[test]
fn a_server_with_another_name_is_refused() {
    everywhere(|| {
        let other = TRUSTED.certify("other.test", |_| ());
        let server = TlsAcceptor::new(Arc::new(server_config_of(&other, &BOTH_VERSIONS)));
        let right = |error: &CertificateError| {
            matches!(error, CertificateError::NotValidForNameContext { .. })
        };
        assert_refused(&connector(), &server, right, "other.test");
    });
}

#[test]
fn a_server_whose_certificate_has_expired_is_refused() {
    everywhere(|| {
        let old = TRUSTED.certify(NAME, |params| {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        });
        let server = TlsAcceptor::new(Arc::new(server_config_of(&old, &BOTH_VERSIONS)));
        let right =
            |error: &CertificateError| matches!(error, CertificateError::ExpiredContext { .. });
        assert_refused(&connector(), &server, right, "needs a new certificate");
    });
}

#[test]
fn a_server_that_nobody_vouches_for_is_refused() {
    everywhere(|| {
        let other = Arc::new(client_config_of(&Authority::new(), &BOTH_VERSIONS, None));
        let right = |error: &CertificateError| *error == CertificateError::UnknownIssuer;
        assert_refused(&TlsConnector::new(other), &acceptor(), right, "no root certificate");
    });
}

#[test]
fn a_second_connection_resumes_the_first() {
    everywhere(|| {
        let connector = connector();
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let (mut client, mut server) = pair_of(&connector, &acceptor());
            assert_eq!(client.handshake_kind(), Some(kind));
            assert_eq!(server.handshake_kind(), Some(kind));
            // The tickets come with the first bytes.
            server.write_all(b"x").unwrap();
            client.read_exact(&mut [0]).unwrap();
        }
    });
}

#[test]
fn what_was_sent_ahead_is_read_first() {
    everywhere(|| {
        let mut server = server_config();
        server.max_early_data_size = 1024;
        let acceptor = TlsAcceptor::new(Arc::new(server));
        let mut client = client_config();
        client.enable_early_data = true;
        let client = Arc::new(client);
        let (mut first, mut server) = pair_of(&TlsConnector::new(client.clone()), &acceptor);
        server.write_all(b"x").unwrap();
        first.read_exact(&mut [0]).unwrap();

        let (end, mut peer) = sockets::mixed_pair();
        let thread = thread::spawn(move || {
            let mut connection = rustls::ClientConnection::new(client, name()).unwrap();
            connection.early_data().expect("the ticket allows it").write_all(b"early ").unwrap();
            connection.writer().write_all(b"bird").unwrap();
            while connection.is_handshaking() || connection.wants_write() {
                connection.complete_io(&mut peer).unwrap();
            }
            assert!(connection.is_early_data_accepted());
            peer
        });
        let mut server = acceptor.accept(end).unwrap();
        let mut text = [0; 10];
        // In small steps, so that one of them ends inside.
        text.chunks_mut(4).for_each(|piece| server.read_exact(piece).unwrap());
        assert_eq!(&text, b"early bird");
        drop(thread.join().unwrap());
    });
}

// Peers that misbehave.

#[test]
fn a_silent_peer_is_given_up() {
    everywhere(|| {
        let limit = Duration::from_millis(30);
        let (end, _peer) = sockets::mixed_pair();
        let error = acceptor().handshake_timeout(limit).accept(end).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let text = error.to_string();
        assert!(text.contains("within 30ms; `handshake_timeout` sets the limit"), "{text}");

        let (end, _peer) = sockets::mixed_pair();
        let error = connector().handshake_timeout(limit).connect(name(), end).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(error.to_string().contains("`server.test` at 127.0.0.1:"), "{error}");
    });
}

#[test]
fn a_peer_that_drips_is_given_up_too() {
    everywhere(|| {
        let (end, peer) = sockets::mixed_pair();
        let mut writer = peer.try_clone().unwrap();
        let dripping = thread::spawn(move || {
            // The head of a long record, then its bytes one after the other, until nobody is there.
            writer.write_all(&[22, 3, 1, 0x20, 0, 1, 0, 0x1f, 0xfc]).unwrap();
            while writer.write_all(&[3]).is_ok() {
                thread::sleep(Duration::from_millis(1));
            }
        });
        let limit = Duration::from_millis(50);
        let error = acceptor().handshake_timeout(limit).accept(end).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        drop(peer);
        dripping.join().unwrap();
    });
}

#[test]
fn the_sockets_own_timeout_holds_too() {
    everywhere(|| {
        let (end, _peer) = sockets::mixed_pair();
        end.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let error = acceptor().handshake_timeout(None).accept(end).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(error.to_string().contains("`set_read_timeout`"), "{error}");
    });
}

#[test]
fn garbage_is_answered_with_an_alert() {
    everywhere(|| {
        let (end, mut peer) = sockets::mixed_pair();
        peer.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
        let error = acceptor().accept(end).unwrap_err();
        assert!(matches!(cause(&error), Error::InvalidMessage(_)), "{error}");
        assert!(error.to_string().ends_with("; does the peer speak TLS on this port"), "{error}");
        let mut answer = Vec::new();
        peer.read_to_end(&mut answer).unwrap();
        // An alert, fatal.
        assert_eq!((answer[0], answer.len(), answer[5]), (21, 7, 2), "{answer:?}");

        let (end, mut peer) = sockets::mixed_pair();
        peer.write_all(b"220 mail.test ready\r\n").unwrap();
        let error = connector().connect(name(), end).unwrap_err();
        assert!(matches!(cause(&error), Error::InvalidMessage(_)), "{error}");
    });
}

#[test]
fn a_peer_that_leaves_meanwhile_is_told_apart() {
    everywhere(|| {
        let (end, peer) = sockets::mixed_pair();
        drop(peer);
        let error = acceptor().accept(end).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert!(error.to_string().contains("the client at 127.0.0.1:"), "{error}");

        let (end, peer) = sockets::mixed_pair();
        let leaving = thread::spawn(move || {
            // With the hello unread, closing resets the connection.
            let mut first = [0];
            (&peer).read_exact(&mut first).unwrap();
        });
        let error = connector().connect(name(), end).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        leaving.join().unwrap();
    });
}

#[test]
fn a_peer_may_send_one_byte_at_a_time() {
    everywhere(|| {
        for version in BOTH_VERSIONS {
            let (client, client_wire) = sockets::mixed_pair();
            let (server, server_wire) = sockets::mixed_pair();
            relay(&client_wire, &server_wire, 1);
            relay(&server_wire, &client_wire, 1);
            drop((client_wire, server_wire));
            let config = client_config_of(&TRUSTED, &[version], None);
            let connector = TlsConnector::new(Arc::new(config));
            let (client, server) = shake_on(&connector, client, &acceptor(), server);
            let (mut client, mut server) = (client.unwrap(), server.unwrap());
            let text = sockets::pattern(3000);
            client.write_all(&text).unwrap();
            let mut received = vec![0; text.len()];
            server.read_exact(&mut received).unwrap();
            assert!(received == text);
            // The answer comes after the session tickets: were those still under way when the client is
            // dropped, they would find its socket closed, and the reset would overtake the end.
            server.write_all(b"!").unwrap();
            client.read_exact(&mut [0]).unwrap();
            drop(client);
            assert_eq!(server.read(&mut [0]).unwrap(), 0);
        }
    });
}

#[test]
fn a_stream_that_is_not_to_wait_does_so_after_the_handshake() {
    everywhere(|| {
        let (client, server) = sockets::pair();
        client.set_nonblocking(true).unwrap();
        let (client, server) = shake_on(&connector(), client, &acceptor(), server);
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        client.get_ref().set_nonblocking(false).unwrap();
        server.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
    });
}

// Around it.

#[test]
fn coroutines_and_threads_talk_to_a_server_of_coroutines() {
    with_runtimes(|runtime| {
        let addr = echo_server(runtime, acceptor());
        let talk = move || {
            let stream = TcpStream::connect(addr).unwrap();
            let mut stream = connector().connect(name(), stream).unwrap();
            for round in 0..10 {
                let text = format!("round {round}");
                stream.write_all(text.as_bytes()).unwrap();
                let mut answer = vec![0; text.len()];
                stream.read_exact(&mut answer).unwrap();
                assert_eq!(answer, text.as_bytes());
            }
        };
        let coroutines: Vec<_> = (0..10).map(|_| runtime.spawn(talk)).collect();
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(talk)).collect();
        coroutines.into_iter().for_each(|handle| handle.join().unwrap());
        threads.into_iter().for_each(|handle| handle.join().unwrap());
    });
}

#[test]
fn ends_may_be_shared_between_threads() {
    fn assert_shareable<T: Send + Sync + 'static>(_: T) {}
    let (client, server) = pair();
    assert_shareable(client);
    let (reader, writer) = server.split();
    assert_shareable((reader, writer));
    assert_shareable((acceptor(), connector()));
}
