//! The work to measure, one file a family. A row's function takes the figures for one runtime, in a process of its own.

mod dump;
mod http;
mod idle;
mod late;
mod skew;
mod skynet;
mod spawn;
mod sync;
mod yields;

use crate::row::Row;

/// Every row, in the order of the report.
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    [
        yields::ROWS,
        spawn::ROWS,
        skynet::ROWS,
        idle::ROWS,
        late::ROWS,
        http::ROWS,
        skew::ROWS,
        sync::ROWS,
        dump::ROWS,
    ]
    .into_iter()
    .flatten()
}

pub(crate) fn find(name: &str) -> Option<&'static Row> {
    all().find(|row| row.name == name)
}
