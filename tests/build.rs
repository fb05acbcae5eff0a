//! Prepares mco's own source files for the models in `loom/`, which need loom's atomics in them.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let mut idle = Source::read("../mco/src/scheduler/idle.rs");
    idle.replace("std::sync::atomic", "loom::sync::atomic");
    // Loom's atomics are allocated.
    idle.replace("pub(super) const fn new()", "pub(super) fn new()");
    // The same, except that the one who comes too late writes nothing. Loom does not know that what
    // a read-modify-write wrote precedes whatever came after what it has read, so it would let
    // others see that late `false` after the next `true`.
    idle.replace(
        "self.0.swap(false, Ordering::Relaxed)",
        "self.0.compare_exchange(true, false, Ordering::Relaxed, Ordering::Relaxed).is_ok()",
    );
    idle.write("idle.rs");

    let mut queue = Source::read("../mco/src/wait/queue.rs");
    queue.replace("use std::cell::{Cell, UnsafeCell};", "use super::cell::{Cell, UnsafeCell};");
    queue.replace("#[cfg(test)]\nmod tests;", "");
    queue.write("queue.rs");
}

struct Source {
    path: &'static str,
    code: String,
}

impl Source {
    fn read(path: &'static str) -> Source {
        println!("cargo::rerun-if-changed={path}");
        let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("cannot read {path}: {e}"));
        // Comments on the file itself have no place in the middle of another, nor have attributes.
        let in_place = |line: &&str| !line.starts_with("//!") && !line.starts_with("#![");
        let code = text.lines().filter(in_place).map(|line| line.to_owned() + "\n").collect();
        Source { path, code }
    }

    fn replace(&mut self, from: &str, to: &str) {
        let path = self.path;
        assert!(self.code.contains(from), "{path} no longer contains `{from}`: adapt the models");
        self.code = self.code.replace(from, to);
    }

    fn write(&self, name: &str) {
        let out: PathBuf = env::var_os("OUT_DIR").expect("cargo sets it").into();
        fs::write(Path::new(&out).join(name), &self.code).expect("cargo's own folder is writable");
    }
}
