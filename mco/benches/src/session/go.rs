//! Go's side, where there is a Go: the program in `go/`, built once a session.

use crate::plan::Plan;
use crate::row::Row;
use crate::runtimes::Runtime;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `go version` says, where there is a Go and it is asked for.
pub(crate) fn version(plan: &Plan) -> Option<String> {
    if plan.only.as_ref().is_some_and(|only| !only.contains(&Runtime::Go)) {
        return None;
    }
    let output = Command::new("go").arg("version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Some(text.trim().trim_start_matches("go version ").to_owned())
}

pub(super) struct Program {
    path: PathBuf,
    rows: Vec<String>,
}

impl Program {
    /// The program, or `None` if Go is not to be had or not asked for.
    pub(super) fn build(plan: &Plan) -> Option<Self> {
        version(plan)?;
        let path = std::env::temp_dir().join(format!("mco-benches-{}.go", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("go");
        let mut build = Command::new("go");
        build.args(["build", "-o"]).arg(&path).arg(".").current_dir(source);
        let output = build.output().ok()?;
        if !output.status.success() {
            eprintln!(
                "`go build` failed, so there is no column for Go: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            return None;
        }
        let mut program = Self { path, rows: Vec::new() };
        let list = Command::new(&program.path).arg("list").output().ok()?;
        program.rows = String::from_utf8_lossy(&list.stdout).lines().map(str::to_owned).collect();
        Some(program)
    }

    pub(super) fn knows(&self, row: &Row) -> bool {
        self.rows.iter().any(|name| name == row.name)
    }

    pub(super) fn side(&self, plan: &Plan, row: &Row) -> Command {
        let mut command = Command::new(&self.path);
        command
            .arg(row.name)
            .arg(plan.setup.workers.to_string())
            .arg(plan.setup.at_least.as_millis().to_string());
        command
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
