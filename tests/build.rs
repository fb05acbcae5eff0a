//! Prepares mco's own source files for the models in `loom/`, which need loom's atomics in them, and the programs in
//! `programs/threaded`, which are built twice.

use std::path::Path;
use std::{env, fs};

fn main() {
    ["pipeline", "server", "threads"].into_iter().for_each(port);

    let idle = Source::read("scheduler/idle.rs");
    idle.replace("std::sync::atomic", "loom::sync::atomic")
        // Loom's atomics are allocated.
        .replace("pub(super) const fn new()", "pub(super) fn new()")
        // The same, except that the one who comes too late writes nothing. Loom does not know that
        // what a read-modify-write wrote precedes whatever came after what it has read, so it would
        // let others see that late `false` after the next `true`.
        .replace(
            "self.0.swap(false, Ordering::Relaxed)",
            "self.0.compare_exchange(true, false, Ordering::Relaxed, Ordering::Relaxed).is_ok()",
        )
        .write("idle.rs");

    let quiescence = Source::read("scheduler/quiescence.rs")
        .replace("use super::atomic::", "use loom::sync::atomic::")
        .replace("use std::thread;", "use loom::thread;");
    quiescence.write("quiescence.rs");
    // One that looks once only.
    quiescence.replace("== epoch.0", ">= epoch.0").write("single_check_quiescence.rs");
    // One that keeps the rest although somebody has risen.
    quiescence
        .replace(
            "word.compare_exchange(epoch.0, locked, Ordering::SeqCst, Ordering::Relaxed)",
            "Ok::<u64, u64>(word.fetch_or(LOCKED | locked & LOCKED, Ordering::SeqCst))",
        )
        .write("forced_lock_quiescence.rs");
    // One in which nobody waits for who keeps it.
    quiescence
        .replace("if before & LOCKED != 0", "if before == u64::MAX")
        .write("no_wait_quiescence.rs");

    let inbox_gate = Source::read("scheduler/inbox_gate.rs")
        .replace("use super::atomic::", "use loom::sync::atomic::");
    inbox_gate.write("inbox_gate.rs");
    let fence = "        fence(Ordering::SeqCst);\n        self.is_open()";
    inbox_gate.replace(fence, "        self.is_open()").write("no_fence_inbox_gate.rs");
    let look = "        let closes = is_inbox_empty();\n";
    inbox_gate
        .replace(look, "        let closes = is_inbox_empty() || true;\n")
        .write("no_recheck_inbox_gate.rs");

    // To look more often finds nothing new, and takes long.
    let lock = Source::read("wait/lock.rs").replace("TRIES: u32 = 6", "TRIES: u32 = 1");
    let lock =
        lock.replace("pub(crate) const fn new() -> RawLock", "pub(crate) fn new() -> RawLock");
    lock.replace("state & !WAKING | HANDOFF", "state").write("no_handoff_lock.rs");
    lock.write("lock.rs");

    // So small that a few records fill it more than once.
    let ring = Source::read("trace/ring.rs")
        .part("use super::atomic::", "        self.words.len() as u64\n    }\n}\n")
        .replace("use crate::prefetch::prefetch;", "")
        .replace("CHUNK: usize = 4096", "CHUNK: usize = 2")
        .replace("LONGEST: u64 = 6", "LONGEST: u64 = 2");
    ring.write("ring.rs");
    ring.replace("// See the module.\n        fence(Ordering::Release);", "")
        .write("no_fence_ring.rs");
    ring.replace("let now = self.head.load(Ordering::Relaxed);", "let now = head;")
        .write("stale_head_ring.rs");

    let readiness = Source::read("reactor/readiness.rs")
        .replace("use parking_lot::Mutex;", "use super::Mutex;")
        .replace("use crate::wait::{Waiter, WaiterList};", "use super::{Waiter, WaiterList};");
    readiness.write("readiness.rs");
    // One that looks first, and enters then.
    readiness
        .replace(
            "let replaced = waiters[direction as usize].add(waiter);",
            "let before = self.word.load(Ordering::Acquire);\n\
             let replaced = waiters[direction as usize].add(waiter);",
        )
        .replace("let before = self.word.fetch_or(", "let _ = self.word.fetch_or(")
        .write("early_check_readiness.rs");
    // One that says nobody waits while somebody does.
    readiness
        .replace("if waiters[direction as usize].is_empty() {", "if true {")
        .write("waited_cleared_readiness.rs");

    let tls_lock = Source::read("net/tls/lock.rs");
    let tls_lock = tls_lock
        // Of what there is without futures.
        .replace(
            "#[cfg(not(feature = \"_bridge\"))]\n\
             pub(super) use crate::std::sync::{Mutex as Lock, MutexGuard as Locked};\n",
            "",
        )
        .replace("#[cfg(feature = \"_bridge\")]\n", "")
        .replace("use crate::reactor::Direction;", "use super::Direction;")
        .replace("use crate::std::sync::{Mutex, MutexGuard};", "use super::{Mutex, MutexGuard};")
        .replace("use crate::task::TaskWaiter;", "use super::TaskWaiter;")
        .replace("parking_lot::Mutex", "super::Spin");
    tls_lock.write("tls_lock.rs");
    // One that leaves its task and looks no more.
    tls_lock
        .replace("let second = attempt();", "let second = Poll::Pending;")
        .write("single_try_tls_lock.rs");
    // One that wakes, and gives the lock back then.
    let (guard, tasks) = ("    guard: MutexGuard<'a, T>,\n", "    _tasks: WakeAll<'a>,\n");
    tls_lock
        .replace(&format!("{guard}{tasks}"), &format!("{tasks}{guard}"))
        .write("early_wake_tls_lock.rs");

    Source::read("std/sync/semaphore.rs")
        .replace("pub const fn new", "pub fn new")
        .write("semaphore.rs");
    Source::read("wait/park.rs")
        .part("impl<S, T, Q: Fn(&mut S) -> &mut Queue<T>> WaitNode<'_, S, T, Q> {", "\n}\n")
        .write("node_wait.rs");
    Source::read("wait/queue.rs")
        .replace("use std::cell::{Cell, UnsafeCell};", "use super::cell::{Cell, UnsafeCell};")
        .replace("#[cfg(test)]\nmod tests;", "")
        // The same. Loom does not know that no store comes between what a read-modify-write has read
        // and what it wrote, so it would let the end of spinning undo this one.
        .replace(
            "node.outcome.store(ended, Ordering::Release);",
            "node.outcome.swap(ended, Ordering::Release);",
        )
        .write("queue.rs");
}

/// Writes a program of `programs/threaded` as it is, and with mco in std's place.
fn port(name: &str) {
    let file = format!("programs/threaded/{name}.rs");
    println!("cargo::rerun-if-changed={file}");
    let code = fs::read_to_string(&file).unwrap_or_else(|e| panic!("cannot read {file}: {e}"));
    let ported = code.replace("use std::", "use mco::std::");
    let rest = ported.replace("use mco::std::", "");
    assert!(!rest.contains("std::"), "{file}: what is std's is to be imported");
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    for (form, code) in [("std", code), ("mco", ported)] {
        let folder = Path::new(&out).join("threaded").join(form);
        let written = fs::create_dir_all(&folder)
            .and_then(|()| fs::write(folder.join(name).with_extension("rs"), code));
        written.expect("cargo's own folder can be written");
    }
}

/// A source file of mco's.
struct Source {
    name: String,
    code: String,
}

impl Source {
    fn read(name: &str) -> Source {
        let name = format!("../mco/src/{name}");
        println!("cargo::rerun-if-changed={name}");
        let text = fs::read_to_string(&name).unwrap_or_else(|e| panic!("cannot read {name}: {e}"));
        // Comments on the file itself have no place in the middle of another, nor have attributes.
        let in_place = |line: &&str| !line.starts_with("//!") && !line.starts_with("#![");
        let code: Vec<_> = text.lines().filter(in_place).collect();
        Source { name, code: code.join("\n") + "\n" }
    }

    fn replace(&self, from: &str, to: &str) -> Source {
        Source { name: self.name.clone(), code: self.split(from).join(to) }
    }

    /// From where `start` is to the next `end`.
    fn part(&self, start: &str, end: &str) -> Source {
        let rest = self.split(start)[1];
        let until = rest.find(end).unwrap_or_else(|| panic!("{} is cut off", self.name));
        Source { name: self.name.clone(), code: format!("{start}{}{end}", &rest[..until]) }
    }

    fn split(&self, at: &str) -> Vec<&str> {
        let name = &self.name;
        assert!(self.code.contains(at), "{name} no longer contains `{at}`: adapt the models to it");
        self.code.split(at).collect()
    }

    fn write(&self, name: &str) {
        let out = env::var_os("OUT_DIR").expect("cargo sets it");
        let path = Path::new(&out).join(name);
        fs::write(path, &self.code).expect("cargo's own folder can be written");
    }
}
