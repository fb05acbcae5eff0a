//! Prepares mco's own source files for the models in `loom/`, which need loom's atomics in them.

use std::path::Path;
use std::{env, fs};

const IDLE: &str = "../mco/src/scheduler/idle.rs";

fn main() {
    println!("cargo::rerun-if-changed={IDLE}");
    let source = fs::read_to_string(IDLE).unwrap_or_else(|e| panic!("cannot read {IDLE}: {e}"));
    let replace = |text: String, from: &str, to: &str| {
        assert!(text.contains(from), "{IDLE} no longer contains `{from}`: adapt the models to it");
        text.replace(from, to)
    };
    // Comments on the file itself have no place in the middle of another.
    let code: Vec<_> = source.lines().filter(|line| !line.starts_with("//!")).collect();
    let code = replace(code.join("\n"), "std::sync::atomic", "loom::sync::atomic");
    // Loom's atomics are allocated.
    let code = replace(code, "pub(super) const fn new()", "pub(super) fn new()");
    // The same, except that the one who comes too late writes nothing. Loom does not know that what
    // a read-modify-write wrote precedes whatever came after what it has read, so it would let
    // others see that late `false` after the next `true`.
    let code = replace(
        code,
        "self.0.swap(false, Ordering::Relaxed)",
        "self.0.compare_exchange(true, false, Ordering::Relaxed, Ordering::Relaxed).is_ok()",
    );
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("idle.rs"), code).expect("cargo's own folder can be written");
}
