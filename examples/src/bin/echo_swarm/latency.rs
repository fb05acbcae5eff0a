//! How long round trips take.
//!
//! A coroutine never leaves its thread, so it may use a thread-local variable across anything: each
//! worker has a histogram of its own, and no other wants its lock before the end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hdrhistogram::Histogram;

/// One minute; what takes longer counts as this.
const LONGEST: Duration = Duration::from_secs(60);

type Shared = Arc<Mutex<Histogram<u64>>>;

static ALL: Mutex<Vec<Shared>> = Mutex::new(Vec::new());

thread_local! {
    static MINE: Shared = {
        let mine = Shared::new(Mutex::new(empty()));
        ALL.lock().unwrap().push(mine.clone());
        mine
    };
}

/// In nanoseconds, with three digits.
fn empty() -> Histogram<u64> {
    let longest = u64::try_from(LONGEST.as_nanos()).expect("a minute fits");
    Histogram::new_with_bounds(1, longest, 3).expect("these bounds are valid")
}

/// Adds a round trip to this worker's histogram.
pub(crate) fn record(latency: Duration) {
    let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
    MINE.with(|mine| mine.lock().unwrap().saturating_record(nanos));
}

/// All workers' histograms as one.
pub(crate) fn merged() -> Histogram<u64> {
    let mut sum = empty();
    for one in &*ALL.lock().unwrap() {
        let one = one.lock().unwrap();
        sum.add(&*one).expect("they have the same bounds");
    }
    sum
}
