//! The command line.

use std::str::FromStr;

pub(crate) const USAGE: &str = "\
usage: echo_swarm [OPTION..]

  --clients N   coroutines that connect (10000, or as many as the descriptor limit allows)
  --rounds N    messages that each of them sends and gets back (20)
  --size BYTES  length of a message (1024)
  --workers N   threads that run coroutines (one for each processor)
  --help        print this";

#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    /// `None`: the default number, or what the descriptor limit allows.
    pub(crate) clients: Option<usize>,
    pub(crate) rounds: u64,
    pub(crate) size: usize,
    /// `None`: one for each processor.
    pub(crate) workers: Option<usize>,
}

/// `None`: help is asked for.
pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options { clients: None, rounds: 20, size: 1024, workers: None };
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let value = || value.or_else(|| words.next());
        match name {
            "--clients" => options.clients = Some(count(name, value())?),
            "--rounds" => options.rounds = count(name, value())?,
            "--size" => options.size = count(name, value())?,
            "--workers" => options.workers = Some(count(name, value())?),
            "--help" | "-h" => return Ok(None),
            _ => {
                return Err(format!(
                    "unknown option `{word}`: valid ones are `--clients`, `--rounds`, `--size`, \
                     `--workers`, `--help`"
                ));
            }
        }
    }
    Ok(Some(options))
}

/// Reads a number of at least one.
fn count<N: FromStr + PartialEq + Default>(name: &str, value: Option<String>) -> Result<N, String> {
    let value = value.ok_or_else(|| format!("`{name}` needs a number after it"))?;
    match value.parse() {
        Ok(number) if number != N::default() => Ok(number),
        Ok(_) => Err(format!("`{name} {value}`: at least 1 is needed")),
        Err(_) => {
            Err(format!("`{name} {value}`: a whole number is needed, and not too large a one"))
        }
    }
}
