//! Why a stack cannot be had, with what to do about it.

use std::fmt;
use std::io;

use super::MIN_STACK_SIZE;

/// Why there is no stack of so many bytes.
#[derive(Debug)]
pub(crate) struct MapError {
    size: usize,
    cause: Cause,
}

#[derive(Debug)]
pub(super) enum Cause {
    /// A stack of no bytes was asked for.
    Zero,
    /// More than can be mapped in any case.
    TooLarge { limit: usize, remedy: &'static str },
    /// Each stack whose guard is a mapping of its own takes two of the process's mappings. There are so many
    /// such stacks.
    #[allow(dead_code, reason = "Windows has no such limit")]
    Mappings { split: usize, limit: usize },
    #[allow(dead_code, reason = "`generator` does not say it on Windows")]
    System(io::Error),
    #[allow(dead_code, reason = "`generator` alone says so")]
    Engine(String),
}

impl MapError {
    pub(super) fn new(size: usize, cause: Cause) -> MapError {
        MapError { size, cause }
    }
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.size;
        write!(f, "could not map a stack of {size} bytes: ")?;
        match &self.cause {
            Cause::Zero => write!(
                f,
                "a coroutine needs a stack; leave the size out for the default, or ask for at least \
                 {MIN_STACK_SIZE} bytes"
            ),
            Cause::TooLarge { limit, remedy } => {
                write!(f, "the limit of this process is {limit} bytes; ask for less{remedy}")
            }
            Cause::Mappings { split, limit } => write!(
                f,
                "{split} stacks are there that each take two of the {limit} mappings that this \
                 process may have; raise `vm.max_map_count` (`sysctl -w vm.max_map_count=...`), \
                 or run fewer coroutines at once; Linux 6.13 and later do not need it, but in a \
                 process that locks its memory, and with the feature `generator`"
            ),
            Cause::System(error) => write!(
                f,
                "{error}; {} stacks are alive; ask for a smaller stack, run fewer coroutines at \
                 once, or raise what limits the process: its memory, `ulimit -v`, `ulimit -l` if it \
                 locks its memory, `vm.overcommit_memory`, `vm.max_map_count`",
                super::mapped()
            ),
            Cause::Engine(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for MapError {}
