//! What a session is to do.

use crate::row::Row;
use crate::runtimes::{Runtime, Setup};
use std::path::PathBuf;
use std::time::Duration;

/// A whole session: which rows, which sides, how often.
pub(crate) struct Plan {
    pub(crate) rows: Vec<&'static Row>,
    pub(crate) rounds: usize,
    pub(crate) only: Option<Vec<Runtime>>,
    pub(crate) json: Option<PathBuf>,
    /// How long a server is driven in a round.
    pub(crate) served_for: Duration,
    /// How long a connection is light that turns heavy.
    pub(crate) light_for: Duration,
    /// Between the times at which the load generator sends; zero for any time.
    pub(crate) tick: Duration,
    pub(crate) setup: Setup,
}
