//! How many operations the coroutine that runs on this thread may complete until the others' turn comes: the
//! count, and whether it has come. To let them go first is for [`yielding`](super::yielding).
//!
//! Who may call: whoever runs on the thread; [`refill`] its worker, before each run.

use std::cell::Cell;

use super::current::running;
use crate::random;

/// How many operations of the runtime a coroutine may complete without blocking before it lets
/// the others run.
const BUDGET: u32 = 128;

thread_local! {
    static BUDGET_LEFT: Cell<u32> = const { Cell::new(BUDGET) };
    /// What a run begins with: [`BUDGET`], or 0 if each operation is to ask [`should_yield`].
    static INITIAL_BUDGET: Cell<u32> = const { Cell::new(BUDGET) };
    /// With a seed: one of so many operations yields, which one is random. Else 0.
    static YIELD_ONE_IN: Cell<usize> = const { Cell::new(0) };
}

/// By the worker, before a coroutine runs.
#[inline(always)]
pub(super) fn refill() {
    BUDGET_LEFT.set(INITIAL_BUDGET.get());
}

/// Counts an operation. `false`: there is nothing left.
#[inline(always)]
pub(super) fn spend() -> bool {
    let left = BUDGET_LEFT.get();
    if left > 0 {
        BUDGET_LEFT.set(left - 1);
    }
    left > 0
}

/// Whether there is nothing left.
#[inline(always)]
pub(super) fn is_spent() -> bool {
    BUDGET_LEFT.get() == 0
}

/// Whether chance decides when the others' turn comes.
pub(super) fn is_seeded() -> bool {
    YIELD_ONE_IN.get() != 0
}

/// As [`spend_budget`](super::yielding::spend_budget), for the poll of a future, where a coroutine must not switch:
/// its callers may hold locks that others on this thread take. `false`: the others' turn has come, so the future is
/// to wake its task and to be pending. [`block_on`](crate::block_on()) then reschedules.
pub(crate) fn has_budget() -> bool {
    if spend() {
        return true;
    }
    if !is_seeded() {
        // Once: who polls without regard to this would else get nowhere.
        BUDGET_LEFT.set(BUDGET);
    }
    running().is_none() || !should_yield()
}

/// With nothing left: whether to yield.
pub(super) fn should_yield() -> bool {
    match YIELD_ONE_IN.get() {
        0 => true,
        one_in => random::below(one_in) == 0,
    }
}

/// From here on, one of so many operations of the coroutines on this thread yields; which one is random.
pub(crate) fn set_yield_probability(one_in: usize) {
    YIELD_ONE_IN.set(one_in);
    INITIAL_BUDGET.set(0);
}
