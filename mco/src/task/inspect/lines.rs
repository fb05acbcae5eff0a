//! What a reader sees of a coroutine's frames: the user's functions, with what they have called in libraries.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::backtrace::{self, Frames, Line};

/// The frames without those of mco and of what calls a coroutine.
pub(crate) fn lines(frames: &Frames, known: &mut HashMap<usize, Vec<Line>>) -> Vec<Line> {
    let own_folder = backtrace::own_folder();
    let own_file = |line: &Line, name: &str| {
        let file = line.file.as_ref().zip(own_folder);
        file.is_some_and(|(file, folder)| {
            file.strip_prefix(folder).is_ok_and(|f| f == Path::new(name))
        })
    };
    let mut lines = Vec::new();
    for address in &frames.addresses {
        let found = known.entry(*address).or_insert_with(|| backtrace::resolve(*address));
        lines.extend(found.iter().cloned());
    }
    // What walks the stack, and what calls the coroutine's closure.
    if let Some(called) = lines.iter().position(|line| own_file(line, backtrace::CALLING_FILE)) {
        lines.truncate(called);
    }
    if let Some(walks) = lines.iter().rposition(|line| own_file(line, backtrace::OWN_FILE)) {
        lines.drain(..=walks);
    }
    let is_own_file = |line: &Line| {
        line.file.as_ref().zip(own_folder).is_some_and(|(file, folder)| file.starts_with(folder))
    };
    lines.retain(|line| !is_own(&line.function) && !is_own_file(line));
    // What calls the user's code there, and what that has called in std to wait.
    let below = lines.iter().rposition(|line| !is_std(line)).map_or(0, |last| last + 1);
    lines.truncate(below);
    let above = lines.iter().position(|line| !is_std(line)).unwrap_or(0);
    lines.drain(..above);
    lines
}

/// The crate in which a function is written, as its name says.
fn krate(function: &str) -> &str {
    let function = function.trim_start_matches(['<', '&', '*', '(', '[']);
    let function = function.trim_start_matches("mut ").trim_start_matches("dyn ");
    function.split("::").next().unwrap_or(function)
}

fn is_own(function: &str) -> bool {
    matches!(krate(function), "mco" | "corosensei" | "generator" | "backtrace")
}

fn is_std(line: &Line) -> bool {
    // Where std was built, and where its sources are installed. Names may be without a path.
    let of_std = |file: &PathBuf| {
        let mut parts = file.iter().map(|part| part.to_string_lossy());
        file.starts_with("/rustc") || parts.any(|part| part == "rustlib")
    };
    match &line.file {
        Some(file) if of_std(file) => true,
        // What is in C has a name without one, such as what begins a thread or catches a panic.
        None if !line.function.contains("::") => true,
        _ => matches!(krate(&line.function), "core" | "std" | "alloc"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_known_by_the_crate_it_is_written_in() {
        assert!(is_own("mco::wait::Wait::park"));
        assert!(is_own("<mco::std::sync::channel::Receiver<app::Job>>::recv"));
        assert!(!is_own("app::main::{{closure}}"));
        assert!(!is_own("mco_tests::within"));
        let is_std = |function: &str, file: Option<&str>| {
            let file = file.map(PathBuf::from);
            super::is_std(&Line { function: function.to_owned(), file, place: String::new() })
        };
        assert!(is_std("<alloc::boxed::Box<F> as core::ops::FnOnce<A>>::call_once", None));
        assert!(is_std("__rust_try", None));
        assert!(is_std("call_once<F>", Some("/rustc/0/library/core/src/ops/function.rs")));
        assert!(!is_std("<app::Server as app::Serve>::run", None));
        assert!(!is_std("run", Some("/home/app/src/main.rs")));
    }
}
