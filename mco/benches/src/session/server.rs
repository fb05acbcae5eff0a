//! A side that serves.

use super::child::Child;
use crate::exchange::{LIGHT_REQUEST, RESPONSE};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

pub(super) struct Server {
    process: Child,
    pub(super) address: SocketAddr,
}

impl Server {
    /// Starts it and waits until it listens.
    pub(super) fn start(command: Command) -> Result<Self, String> {
        let mut process = Child::start(command)?;
        let address = process.word_after("listening", Duration::from_secs(20))?;
        let address = address
            .parse()
            .map_err(|_| format!("it listens at `{address}`, which is no address"))?;
        Ok(Self { process, address })
    }

    /// Processor time that it has used, in microseconds.
    pub(super) fn cpu(&mut self) -> Result<f64, String> {
        self.process.say("cpu");
        let microseconds = self.process.word_after("cpu", Duration::from_secs(20))?;
        microseconds.parse().map_err(|_| format!("its CPU time was `{microseconds}`"))
    }

    /// Asks it to end, and waits a while for that.
    pub(super) fn end(&mut self) {
        self.process.end();
    }

    /// Sees whether it does its work, with three requests of which the second comes in two pieces.
    pub(super) fn check(&self) -> Result<(), String> {
        let talk = || {
            let mut stream = TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.set_nodelay(true)?;
            let (first, last) = LIGHT_REQUEST.split_at(LIGHT_REQUEST.len() - 2);
            stream.write_all(&[LIGHT_REQUEST, first].concat())?;
            thread::sleep(Duration::from_millis(20));
            stream.write_all(&[last, LIGHT_REQUEST].concat())?;
            let mut answer = vec![0; 3 * RESPONSE.len()];
            stream.read_exact(&mut answer)?;
            Ok(answer)
        };
        let answer =
            talk().map_err(|fault: io::Error| format!("a first request failed: {fault}"))?;
        if answer == RESPONSE.repeat(3) {
            Ok(())
        } else {
            Err("it does not answer as it should".into())
        }
    }
}
