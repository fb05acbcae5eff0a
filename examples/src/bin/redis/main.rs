//! Many coroutines use a Redis server over a few connections.
//!
//! It shows how a sync client library comes to mco's streams: the `redis` crate asks for a trait,
//! `ConnectionLike`, which takes forty lines over an `mco::net::TcpStream` (`connection.rs`); then all
//! of its commands, pipelines and types work, and each call blocks a coroutine and no thread. And a pool
//! that is nothing but a channel (`pool.rs`).
//!
//! Run it, with a server at hand (`redis-server`):
//!
//! ```text
//! $ cargo run --release -p mco-examples --bin redis -- 127.0.0.1:6379
//! redis 7.0.15 at 127.0.0.1:6379
//! commands   100 coroutines over 8 connections: 30,000 in 0.43s
//! pipelines  10,000 commands, 100 at a time, in 0.01s
//! pub/sub    1,000 messages from 100 coroutines, in order
//! ```
//!
//! Every answer is checked. What it writes has names that begin with `mco-example:`, and is deleted
//! again. The exit status is 0 if all was right, 1 if not, 2 for options that make no sense.

mod connection;
mod pool;

use std::process::ExitCode;

use clap::Parser;
use indicatif::HumanCount;
use mco::coroutine;
use mco::std::time::Instant;
use redis::{Commands, InfoDict, RedisResult, cmd, pipe};

use crate::connection::Connection;
use crate::pool::Pool;

/// Commands in a pipeline.
const PIPELINE: i64 = 100;

/// What each coroutine publishes.
const MESSAGES: u32 = 10;

/// Many coroutines use a Redis server over a few connections
#[derive(Parser)]
struct Options {
    /// Where the server is
    #[arg(default_value = "127.0.0.1:6379")]
    server: String,
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    coroutines: u32,
    /// Connections that they share
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    connections: u32,
    /// How often each coroutine sets, gets and adds
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

#[mco::main]
fn main() -> ExitCode {
    let options = Options::parse();
    let pool = Pool::new(&options.server, options.connections as usize);
    let show = Show { pool: &pool, options: &options, prefix: prefix() };
    let outcome = show.greet().and_then(|()| {
        let shown = show.commands().and_then(|()| show.pipelines()).and_then(|()| show.pub_sub());
        shown.and(show.delete())
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("redis: `{}`: {error}", options.server);
            ExitCode::FAILURE
        }
    }
}

/// What nobody else's keys begin with.
fn prefix() -> String {
    format!("mco-example:{}", std::process::id())
}

struct Show<'a> {
    pool: &'a Pool,
    options: &'a Options,
    prefix: String,
}

impl Show<'_> {
    fn greet(&self) -> RedisResult<()> {
        let info: InfoDict = cmd("INFO").arg("server").query(&mut *self.pool.get()?)?;
        let version: String = info.get("redis_version").unwrap_or_default();
        println!("redis {version} at {}", self.options.server);
        Ok(())
    }

    /// Runs `f` in all coroutines at once, each with its number.
    fn at_once(&self, f: impl Fn(u32) -> RedisResult<()> + Sync) -> RedisResult<()> {
        let f = &f;
        coroutine::scope(|s| {
            let all: Vec<_> =
                (0..self.options.coroutines).map(|number| s.spawn(move || f(number))).collect();
            all.into_iter().try_for_each(|one| one.join().expect("it does not panic"))
        })
    }

    /// A connection is taken out of the pool for each command, so that others get it in between.
    fn commands(&self) -> RedisResult<()> {
        let begin = Instant::now();
        let Options { coroutines, connections, rounds, .. } = *self.options;
        let counter = format!("{}:counter", self.prefix);
        self.at_once(|number| {
            let key = format!("{}:{number}", self.prefix);
            for round in 0..rounds {
                let value = format!("{number} in round {round}");
                () = self.pool.get()?.set(&key, &value)?;
                let back: String = self.pool.get()?.get(&key)?;
                check(back == value, || format!("`{key}` is `{back}` and not `{value}`"))?;
                () = self.pool.get()?.incr(&counter, 1)?;
            }
            self.pool.get()?.del(&key)
        })?;
        let counted: u64 = self.pool.get()?.get(&counter)?;
        let expected = u64::from(coroutines) * u64::from(rounds);
        check(counted == expected, || format!("counted {counted} instead of {expected}"))?;
        println!(
            "commands   {} coroutines over {connections} connections: {} in {:.2}s",
            HumanCount(coroutines.into()),
            HumanCount(3 * expected),
            begin.elapsed().as_secs_f64(),
        );
        Ok(())
    }

    /// Many commands in one write, and their answers in few reads.
    fn pipelines(&self) -> RedisResult<()> {
        let begin = Instant::now();
        self.at_once(|number| {
            let key = format!("{}:{number}", self.prefix);
            let mut pipeline = pipe();
            // In a transaction too, so that nobody else's commands get in between.
            pipeline.atomic();
            for _ in 0..PIPELINE - 1 {
                pipeline.incr(&key, number);
            }
            pipeline.del(&key).ignore();
            let sums: Vec<i64> = pipeline.query(&mut *self.pool.get()?)?;
            let expected: Vec<i64> = (1..PIPELINE).map(|n| n * i64::from(number)).collect();
            check(sums == expected, || format!("`{key}` went through {sums:?}"))
        })?;
        println!(
            "pipelines  {} commands, {PIPELINE} at a time, in {:.2}s",
            HumanCount(u64::from(self.options.coroutines) * PIPELINE as u64),
            begin.elapsed().as_secs_f64(),
        );
        Ok(())
    }

    /// One connection subscribes, the others publish.
    fn pub_sub(&self) -> RedisResult<()> {
        let channel = format!("{}:news", self.prefix);
        let mut subscription = Connection::connect(&self.options.server)?.subscribe(&channel)?;
        let coroutines = self.options.coroutines as usize;
        coroutine::scope(|s| {
            let receives = s.spawn(move || -> RedisResult<()> {
                let mut next = vec![0; coroutines];
                for _ in 0..coroutines * MESSAGES as usize {
                    let (sender, number): (usize, u32) =
                        decode(&subscription.message()?.get_payload::<String>()?)?;
                    check(next.get(sender) == Some(&number), || {
                        format!("message {number} of {sender} comes out of order")
                    })?;
                    next[sender] += 1;
                }
                Ok(())
            });
            self.at_once(|sender| {
                for number in 0..MESSAGES {
                    let heard: u32 =
                        self.pool.get()?.publish(&channel, format!("{sender} {number}"))?;
                    check(heard == 1, || format!("{heard} heard it instead of one"))?;
                }
                Ok(())
            })
            // What nobody published is not waited for.
            .inspect_err(|_| receives.cancel())?;
            receives.join().expect("it does not panic")
        })?;
        println!(
            "pub/sub    {} messages from {} coroutines, in order",
            HumanCount(coroutines as u64 * u64::from(MESSAGES)),
            HumanCount(coroutines as u64),
        );
        Ok(())
    }

    fn delete(&self) -> RedisResult<()> {
        self.pool.get()?.del(format!("{}:counter", self.prefix))
    }
}

fn decode(text: &str) -> RedisResult<(usize, u32)> {
    let numbers = text.split_once(' ');
    let numbers = numbers.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    numbers.ok_or_else(|| wrong(format!("`{text}` is no message of ours")))
}

fn check(is_right: bool, complaint: impl FnOnce() -> String) -> RedisResult<()> {
    if is_right { Ok(()) } else { Err(wrong(complaint())) }
}

fn wrong(complaint: String) -> redis::RedisError {
    (redis::ErrorKind::Client, "wrong answer", complaint).into()
}
