//! A list of a runtime's coroutines, for a person who wants to know why nothing happens.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::scheduler::Scheduler;

/// One line for each group of coroutines that were spawned at one place and wait at one place.
pub(crate) fn dump(scheduler: &Scheduler) -> String {
    let mut groups = BTreeMap::<String, usize>::new();
    for task in scheduler.coroutines() {
        let (reason, site) = task.blocked_in();
        let name = task.name().map_or_else(String::new, |name| format!(" `{name}`"));
        let mut line = format!("{name} spawned at {}: {reason}", task.spawned_at());
        if let Some(site) = site {
            let _ = write!(line, " at {site}");
        }
        *groups.entry(line).or_default() += 1;
    }
    let mut text = String::new();
    for (line, count) in groups {
        let _ = writeln!(text, "  {count} x coroutine{line}");
    }
    text
}
