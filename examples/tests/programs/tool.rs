//! Programs of others, against which the examples are tried.

use std::path::PathBuf;
use std::process::Command;

use crate::program::{Ended, run};

/// Set where all of them must be there.
const REQUIRED: &str = "MCO_REQUIRE_TOOLS";

/// A command for a tool, which Debian has in `package`. `None`, with a line that says so: it is not
/// installed.
pub(crate) fn tool(name: &str, package: &str) -> Option<Command> {
    match find(name) {
        Some(path) => Some(Command::new(path)),
        None => {
            let missing = format!("`{name}` is not installed; Debian has it in `{package}`");
            assert!(std::env::var_os(REQUIRED).is_none(), "{missing}");
            eprintln!("skipped: {missing}");
            None
        }
    }
}

/// Where a program is: in one of the folders of `PATH`, or where Debian keeps those of PostgreSQL.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let postgresql = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders = std::env::split_paths(&path).chain(postgresql.map(|e| e.path().join("bin")));
    folders.find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()))
}

/// What `curl` prints. `None`: it is not installed.
pub(crate) fn curl(arguments: &[&str]) -> Option<String> {
    let mut curl = tool("curl", "curl")?;
    let ended = run(curl.args(["--silent", "--show-error", "--max-time", "60"]).args(arguments));
    assert_eq!(ended.status, Some(0), "curl {arguments:?}: {ended:?}");
    Some(ended.stdout)
}

/// Puts a server under load for a moment; fails on any error.
pub(crate) fn wrk(url: &str) {
    let Some(mut wrk) = tool("wrk", "wrk") else { return };
    let ended = run(wrk.args(["-t1", "-c32", "-d2", url]));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    for error in ["Socket errors", "Non-2xx"] {
        assert!(!ended.stdout.contains(error), "{ended:?}");
    }
    let requests = ended.stdout.lines().find_map(|line| line.trim().split_once(" requests in "));
    let requests: u64 = requests.unwrap_or_else(|| panic!("{ended:?}")).0.parse().unwrap();
    assert!(requests > 32, "{ended:?}");
}

/// Makes HTTP/2 requests as `arguments` say; fails on any error.
pub(crate) fn h2load(requests: usize, arguments: &[&str]) -> Option<Ended> {
    let mut h2load = tool("h2load", "nghttp2-client")?;
    let ended = run(h2load.args(["-n", &requests.to_string()]).args(arguments));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let all = format!("{requests} done, {requests} succeeded, 0 failed, 0 errored, 0 timeout");
    assert!(ended.stdout.contains(&all), "{ended:?}");
    Some(ended)
}

/// The names of the threads of a process.
#[cfg(target_os = "linux")]
pub(crate) fn threads(process: u32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).ok();
    let names = tasks.flatten().filter_map(name).map(|name| name.trim_end().to_owned());
    names.collect()
}

/// Checks that all threads of a process are mco's, but for the first.
#[cfg(target_os = "linux")]
pub(crate) fn assert_runs_on_mco_alone(process: u32) {
    let threads = threads(process);
    assert!(threads.iter().any(|name| name.starts_with("mco-worker")), "{threads:?}");
    let others: Vec<_> = threads.iter().filter(|name| !name.starts_with("mco-")).collect();
    assert_eq!(others.len(), 1, "one is the main thread: {others:?}");
}
