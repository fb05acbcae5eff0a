//! Connections that many share.

use std::ops::{Deref, DerefMut};

use mco::std::sync::channel::{Receiver, Sender, bounded};
use redis::{ConnectionLike, RedisResult};

use crate::connection::Connection;

/// A channel that holds a place for each connection: the connection itself, or nothing yet. Who wants
/// one receives, and so waits in line if all are in use.
pub(crate) struct Pool {
    server: String,
    put: Sender<Option<Connection>>,
    take: Receiver<Option<Connection>>,
}

/// A connection that is given back when this is dropped, also by a panic or when its user is cancelled.
pub(crate) struct Lease<'a> {
    pool: &'a Pool,
    connection: Option<Connection>,
}

impl Pool {
    /// Connections are made when they are needed.
    pub(crate) fn new(server: &str, size: usize) -> Pool {
        let (put, take) = bounded(size);
        (0..size).for_each(|_| put.send(None).expect("there is room"));
        Pool { server: server.to_owned(), put, take }
    }

    /// Waits for a connection that nobody uses.
    pub(crate) fn get(&self) -> RedisResult<Lease<'_>> {
        let connection = self.take.recv().expect("the pool has both ends");
        let mut lease = Lease { pool: self, connection };
        if lease.connection.is_none() {
            lease.connection = Some(Connection::connect(&self.server)?);
        }
        Ok(lease)
    }
}

impl Deref for Lease<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("it is there until the end")
    }
}

impl DerefMut for Lease<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("it is there until the end")
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // In place of one on which something went wrong, the next user makes a new one.
        let connection = self.connection.take().filter(ConnectionLike::is_open);
        // There is room for it, so this does not wait.
        self.pool.put.try_send(connection).unwrap_or_else(|_| unreachable!("it has a place"));
    }
}
