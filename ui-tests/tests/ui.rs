//! Compiles `pass/` and `fail/`: see the documentation of this package.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The compiler that wrote the `.stderr` of `fail/*/rustc_*.rs`.
const WRITTEN_BY: &str = "rustc 1.95.";

#[test]
fn pass() {
    trybuild::TestCases::new().pass("pass/*.rs");
}

#[test]
fn fail() {
    compile_fail(|file| !is_about_rustc(file));
}

#[test]
fn fail_in_rustc() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().expect("run `rustc --version`");
    let version = String::from_utf8_lossy(&version.stdout);
    if version.starts_with(WRITTEN_BY) {
        compile_fail(is_about_rustc);
    } else {
        println!("skipped: {} is not {WRITTEN_BY}*", version.trim());
    }
}

fn compile_fail(wanted: impl Fn(&Path) -> bool) {
    let cases = trybuild::TestCases::new();
    for r#macro in entries(Path::new("fail")) {
        for file in entries(&r#macro) {
            if file.extension().is_some_and(|extension| extension == "rs") && wanted(&file) {
                cases.compile_fail(file);
            }
        }
    }
}

fn is_about_rustc(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("rustc_"))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}
