//! Compiles what takes a package of its own: other editions, other lints, another name for mco. See the documentation
//! of this package.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[test]
fn every_edition_and_pedantry() {
    let bins: String =
        fs::read_dir(here("pass")).unwrap().map(|file| bin(&file.unwrap().path())).collect();
    let workspace = Workspace::new("editions");
    for edition in ["2018", "2021", "2024"] {
        workspace.package(&format!("edition{edition}"), edition, "mco = { path = MCO }", &bins);
    }
    workspace.succeeds(&[
        "clippy",
        "--workspace",
        "--keep-going",
        "--all-targets",
        "--",
        "-W",
        "clippy::pedantic",
    ]);
}

#[test]
fn another_name() {
    let workspace = Workspace::new("renamed");
    let dependency = "rt = { package = \"mco\", path = MCO }";
    workspace.package("renamed", "2024", dependency, &bin(&here("projects/renamed.rs")));
    workspace.succeeds(&["test"]);
}

#[test]
fn another_name_that_was_not_given() {
    let workspace = Workspace::new("unnamed");
    let dependency = "rt = { package = \"mco\", path = MCO }";
    workspace.package("unnamed", "2024", dependency, &bin(&here("projects/unnamed.rs")));
    let say_so = |line, call| {
        format!("{line}: error: this crate depends on mco under the name `rt`: say so, `{call}`")
    };
    workspace.fails(
        &["check", "--tests"],
        &[
            say_so("2:1", "#[rt::main(crate = rt)]"),
            say_so("4:5", "go!(crate = rt, ..)"),
            say_so("5:5", "co!(crate = rt, ..)"),
            say_so("6:5", "defer!(crate = rt, ..)"),
            say_so("7:5", "select! { crate = rt; .. }"),
            say_so("8:5", "join!(crate = rt, ..)"),
            say_so("11:1", "#[rt::test(crate = rt)]"),
        ],
    );
}

#[test]
fn what_a_test_harness_refuses() {
    let workspace = Workspace::new("refused");
    let test = format!("[[test]]\nname = \"refused\"\npath = {:?}\n", here("projects/refused.rs"));
    workspace.package("refused", "2024", "mco = { path = MCO }", &test);
    workspace.fails(
        &["check", "--tests"],
        &[
            "3:32: error[E0277]: the trait bound `String: Termination` is not satisfied".into(),
            "9:5: error[E0308]: mismatched types".into(),
        ],
    );
}

/// A workspace of generated packages, away from that of mco but with the same versions of everything.
struct Workspace(PathBuf);

impl Workspace {
    fn new(name: &str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join("Cargo.toml"), "[workspace]\nresolver = \"3\"\nmembers = [\"*/\"]\n")
            .unwrap();
        fs::copy(here("../Cargo.lock"), root.join("Cargo.lock")).unwrap();
        Self(root)
    }

    fn package(&self, name: &str, edition: &str, dependency: &str, targets: &str) {
        let dependency = dependency.replace("MCO", &format!("{:?}", here("../mco")));
        let mut manifest =
            format!("[package]\nname = \"{name}\"\nedition = \"{edition}\"\n\n[dependencies]\n");
        write!(manifest, "{dependency}\n\n{targets}").unwrap();
        fs::create_dir_all(self.0.join(name)).unwrap();
        fs::write(self.0.join(name).join("Cargo.toml"), manifest).unwrap();
    }

    #[track_caller]
    fn succeeds(&self, command: &[&str]) {
        let output = self.cargo(command);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs a command that fails with these errors and no others.
    #[track_caller]
    fn fails(&self, command: &[&str], expected: &[String]) {
        let output = self.cargo(command);
        let errors = String::from_utf8_lossy(&output.stderr);
        let mut actual: Vec<&str> =
            errors.lines().filter(|line| line.contains(": error")).collect();
        // A binary is compiled with its tests and without.
        actual.sort_unstable();
        actual.dedup();
        let all =
            actual.iter().all(|error| expected.iter().any(|expected| error.contains(expected)));
        assert!(all && actual.len() == expected.len(), "expected {expected:#?}, found {errors}");
    }

    fn cargo(&self, command: &[&str]) -> Output {
        Command::new(env!("CARGO"))
            .args(&command[..1])
            .args(["--message-format", "short", "--quiet"])
            .args(&command[1..])
            .current_dir(&self.0)
            // One folder for all, so that mco is compiled once; apart from the one that is locked while this runs.
            .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("target"))
            .output()
            .unwrap()
    }
}

fn bin(file: &Path) -> String {
    let name = file.file_stem().unwrap();
    format!("[[bin]]\nname = {name:?}\npath = {file:?}\n\n")
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
