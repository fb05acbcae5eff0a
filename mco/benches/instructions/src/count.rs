//! What `callgrind` counts.

use crate::work::Work;
use std::io::ErrorKind;
use std::process::{Command, Stdio};
use std::thread;

/// How many times as many operations the larger of the two runs does.
const MORE: usize = 3;

/// Instructions that an operation takes.
pub(crate) struct Count {
    pub(crate) work: Work,
    pub(crate) instructions: u64,
}

/// Of all pieces of work, each run done so often; `None`, and a word about it, where there is no `valgrind`.
pub(crate) fn all(times: usize) -> Result<Option<Vec<Count>>, String> {
    let found = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    match found {
        Err(fault) if fault.kind() == ErrorKind::NotFound => {
            println!("skipped: there is no `valgrind` to count instructions with");
            return Ok(None);
        }
        Err(fault) => return Err(format!("could not start `valgrind`: {fault}")),
        Ok(status) if !status.success() => return Err(format!("`valgrind` ended with {status}")),
        Ok(_) => {}
    }
    let counts: Result<_, _> = Work::ALL.iter().map(|work| one(*work, times)).collect();
    counts.map(Some)
}

/// Of one piece of work. What runs by the clock adds some, now more and now less, so each run is done so often, and its
/// least count is taken.
pub(crate) fn one(work: Work, times: usize) -> Result<Count, String> {
    let least = |operations| -> Result<u64, String> {
        let mut least = u64::MAX;
        for _ in 0..times {
            least = least.min(run(work, operations)?);
        }
        Ok(least)
    };
    let (few, many) = thread::scope(|scope| {
        let few = scope.spawn(|| least(work.few));
        let many = least(MORE * work.few);
        (few.join().expect("counting does not panic"), many)
    });
    let more = many?.saturating_sub(few?);
    Ok(Count { work, instructions: more / ((MORE - 1) * work.few) as u64 })
}

/// Instructions of a whole run of this program.
fn run(work: Work, operations: usize) -> Result<u64, String> {
    let program =
        std::env::current_exe().map_err(|fault| format!("could not find this program: {fault}"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([work.name, &operations.to_string()])
        .output()
        .map_err(|fault| format!("could not start `valgrind`: {fault}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!(
            "`{}` ended with {} under `valgrind`: {said}",
            work.name, output.status
        ));
    }
    // `==123== Collected : 4567890`
    said.lines()
        .find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
        .ok_or_else(|| format!("`valgrind` names no count: {said}"))
}
