//! Models of mco's lock-free protocols, explored by loom: in every order in which the threads can
//! take turns, up to a number of preemptions, and with every value that an atomic may show.
//!
//! The protocols themselves are mco's own source files, with loom's atomics in them. What surrounds
//! them here, queues and wakers, is as simple as it can be and still synchronises as the real one.

mod inbox;
mod inbox_gate_model;
mod locking;
mod permits;
mod quiescence_model;
mod readiness;
mod recording;
mod searching;
mod sleeping;
mod tls_lock;
mod wait;
mod waiting;
mod waking;

/// `mco/src/task/state.rs` takes its atomics from beside itself.
mod atomic {
    pub(super) use loom::sync::atomic::{AtomicU8, Ordering};

    pub(super) fn relax(_: u32) {
        loom::thread::yield_now();
    }
}

#[allow(dead_code, reason = "the models use most of it")]
#[path = "../../mco/src/task/state.rs"]
mod state;

/// `mco/src/scheduler/idle.rs`, prepared by `build.rs`.
#[allow(dead_code, reason = "the models use most of it")]
mod idle {
    include!(concat!(env!("OUT_DIR"), "/idle.rs"));
}

/// `mco/src/scheduler/quiescence.rs`, prepared by `build.rs`.
mod quiescence {
    include!(concat!(env!("OUT_DIR"), "/quiescence.rs"));
}

/// `mco/src/scheduler/inbox_gate.rs`, prepared by `build.rs`.
mod inbox_gate {
    include!(concat!(env!("OUT_DIR"), "/inbox_gate.rs"));
}

/// One without a fence.
mod no_fence_inbox_gate {
    include!(concat!(env!("OUT_DIR"), "/no_fence_inbox_gate.rs"));
}

/// One whose worker ends without a last look.
#[allow(clippy::overly_complex_bool_expr, reason = "the look is made, and of no effect")]
mod no_recheck_inbox_gate {
    include!(concat!(env!("OUT_DIR"), "/no_recheck_inbox_gate.rs"));
}

/// Wrong ones.
mod single_check_quiescence {
    include!(concat!(env!("OUT_DIR"), "/single_check_quiescence.rs"));
}
mod forced_lock_quiescence {
    include!(concat!(env!("OUT_DIR"), "/forced_lock_quiescence.rs"));
}
mod no_wait_quiescence {
    include!(concat!(env!("OUT_DIR"), "/no_wait_quiescence.rs"));
}

/// `mco/src/std/sync/semaphore.rs`, prepared by `build.rs`.
#[allow(dead_code, unreachable_pub, missing_docs, reason = "the models use most of it")]
mod semaphore {
    include!(concat!(env!("OUT_DIR"), "/semaphore.rs"));
}

/// What the files above take from the rest of mco.
mod task {
    #[derive(Clone, Copy)]
    pub(crate) enum Reason {
        Mutex,
        Semaphore,
    }

    pub(crate) fn spend_budget() {}
}

mod clock {
    use std::time::Duration;

    /// There is no time here: a deadline passes when a model says so.
    pub(crate) struct Timestamp;

    impl Timestamp {
        pub(crate) fn after(_: Duration) -> Timestamp {
            Timestamp
        }
    }
}

/// Explores `model` with at most so many preemptions in one execution.
///
/// Most faults show with one or two; each more multiplies the time.
fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.check(model);
}
