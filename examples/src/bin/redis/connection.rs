//! A connection to a Redis server over an mco stream.

use std::io::{self, Write};
use std::time::Duration;

use mco::net::TcpStream;
use mco::std::time::timeout;
use redis::{Cmd, ConnectionLike, Msg, Parser, RedisResult, Value, cmd};

/// For connecting, and for each answer.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Connection {
    stream: TcpStream,
    parser: Parser,
    /// Answers are still to come, or something has gone wrong: what is read next is not known. Also
    /// the case after a coroutine was cancelled in between.
    is_dirty: bool,
}

impl Connection {
    pub(crate) fn connect(server: &str) -> RedisResult<Connection> {
        let stream =
            timeout(PATIENCE, || TcpStream::connect(server)).map_err(io::Error::from)??;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Connection { stream, parser: Parser::new(), is_dirty: false })
    }

    /// Sends what is encoded already, and receives so many answers.
    fn exchange(&mut self, commands: &[u8], answers: usize) -> RedisResult<Vec<Value>> {
        if self.is_dirty {
            return Err(io::Error::from(io::ErrorKind::NotConnected).into());
        }
        self.is_dirty = true;
        self.stream.write_all(commands)?;
        // An answer that is an error of the server's is a value, too.
        let answers = (0..answers)
            .map(|_| self.parser.parse_value(&self.stream))
            .collect::<Result<_, _>>()?;
        self.is_dirty = false;
        Ok(answers)
    }

    /// Turns the connection into one that receives messages.
    pub(crate) fn subscribe(mut self, channel: &str) -> RedisResult<Subscription> {
        cmd("SUBSCRIBE").arg(channel).exec(&mut self)?;
        // Messages come when they come.
        self.stream.set_read_timeout(None)?;
        Ok(Subscription { connection: self })
    }
}

impl ConnectionLike for Connection {
    fn req_command(&mut self, command: &Cmd) -> RedisResult<Value> {
        self.req_packed_command(&command.get_packed_command())
    }

    fn req_packed_command(&mut self, command: &[u8]) -> RedisResult<Value> {
        let mut answers = self.exchange(command, 1)?;
        Ok(answers.pop().expect("there is one"))
    }

    /// Of the answers, the first `offset` only say that a command of a transaction is queued.
    fn req_packed_commands(
        &mut self,
        commands: &[u8],
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        let mut queued = self.exchange(commands, offset + count)?;
        let answers = queued.split_off(offset);
        match queued.into_iter().find_map(|answer| answer.extract_error().err()) {
            Some(error) => Err(error),
            None => Ok(answers),
        }
    }

    fn get_db(&self) -> i64 {
        0
    }

    fn check_connection(&mut self) -> bool {
        cmd("PING").query::<Value>(self).is_ok()
    }

    fn is_open(&self) -> bool {
        !self.is_dirty
    }
}

/// A connection on which a channel's messages arrive.
pub(crate) struct Subscription {
    connection: Connection,
}

impl Subscription {
    /// Waits for the next message.
    pub(crate) fn message(&mut self) -> RedisResult<Msg> {
        let Connection { stream, parser, .. } = &mut self.connection;
        loop {
            let value = parser.parse_value(&*stream)?.extract_error()?;
            // Others say who has subscribed.
            if let Some(message) = Msg::from_owned_value(value) {
                return Ok(message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net;
    use std::thread;

    use super::*;
    use redis::{Commands, pipe};

    /// A connection to a server that says `answer`, a byte a write, whatever it is asked, and then ends.
    fn connected_to(answer: &'static str) -> Connection {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            stream.set_nodelay(true).unwrap();
            stream.read_exact(&mut [0]).unwrap();
            answer.bytes().for_each(|byte| stream.write_all(&[byte]).unwrap());
            stream.shutdown(net::Shutdown::Write).unwrap();
            // Until the client has gone, or it might see a reset.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        Connection::connect(&address).unwrap()
    }

    #[mco::test]
    fn an_answer_may_come_in_pieces() {
        let mut connection = connected_to("$5\r\nhello\r\n");
        assert_eq!(connection.get::<_, String>("key").unwrap(), "hello");
        assert!(connection.is_open());
    }

    #[mco::test]
    fn an_error_of_the_server_leaves_the_connection_usable() {
        let mut connection = connected_to("-ERR no\r\n+OK\r\n");
        let error = connection.get::<_, String>("key").unwrap_err();
        assert!(error.to_string().contains("no"), "{error}");
        assert!(connection.is_open());
        let again: String = cmd("PING").query(&mut connection).unwrap();
        assert_eq!(again, "OK");
    }

    #[mco::test]
    fn an_answer_that_is_cut_off_spoils_the_connection() {
        for answer in ["", "$5\r\nhel", "nonsense\r\n"] {
            let mut connection = connected_to(answer);
            assert!(connection.get::<_, String>("key").is_err(), "{answer}");
            assert!(!connection.is_open(), "{answer}");
            assert!(connection.get::<_, String>("key").is_err(), "{answer}");
        }
    }

    #[mco::test]
    fn a_transaction_that_is_refused_is_an_error_and_its_answers_are_read() {
        let mut connection =
            connected_to("+OK\r\n-ERR unknown command\r\n-EXECABORT refused\r\n+PONG\r\n");
        let outcome = pipe().atomic().cmd("NONSENSE").query::<Value>(&mut connection);
        assert!(outcome.unwrap_err().to_string().contains("unknown command"));
        assert!(connection.check_connection());
    }

    #[mco::test]
    fn one_that_is_cancelled_while_it_waits_spoils_the_connection() {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut connection = Connection::connect(&address).unwrap();
        let asked = timeout(Duration::from_millis(5), || connection.get::<_, String>("key"));
        assert!(asked.is_err());
        assert!(!connection.is_open());
    }
}
