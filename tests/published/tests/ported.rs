//! `tiny_http`, a server that was written for threads, with nothing changed but that its paths begin with `mco::std`
//! where they began with `std`: its own tests pass, and its own examples build.
//!
//! It is copied to a temporary folder, and built there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

const VERSION: &str = "0.12.0";

/// Where cargo has unpacked the package.
fn source() -> PathBuf {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version=1", "--locked", "--manifest-path"]);
    let output = command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).output();
    let text = String::from_utf8(output.expect("cargo runs").stdout).expect("it is text");
    let manifest = format!("tiny_http-{VERSION}/Cargo.toml\"");
    let paths = text.split("\"manifest_path\":\"").skip(1);
    let mut paths = paths.filter_map(|rest| Some(&rest[..rest.find('"')? + 1]));
    let path = paths.find(|path| path.ends_with(&manifest)).expect("it is a dependency");
    Path::new(path.trim_end_matches('"')).parent().expect("a folder").to_owned()
}

/// Copies a folder, with mco in std's place in its sources. Returns how many paths have been changed.
fn port(from: &Path, to: &Path) -> io::Result<usize> {
    let mut changed = 0;
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry?.file_name()));
        if from.is_dir() {
            changed += port(&from, &to)?;
        } else if from.extension().is_some_and(|extension| extension == "rs") {
            let (text, count) = with_mco(&fs::read_to_string(&from)?);
            changed += count;
            fs::write(to, text)?;
        } else {
            fs::copy(from, to)?;
        }
    }
    Ok(changed)
}

fn with_mco(code: &str) -> (String, usize) {
    let (mut ported, mut count) = (String::new(), 0);
    for (index, part) in code.split("std::").enumerate() {
        if index > 0 {
            let is_within = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
            let begins = !ported.ends_with(is_within);
            count += usize::from(begins);
            ported += if begins { "mco::std::" } else { "std::" };
        }
        ported += part;
    }
    (ported, count)
}

#[test]
fn tiny_http_runs_on_coroutines() {
    let folder = env::temp_dir().join(format!("mco-ported-{}", std::process::id()));
    let changed = port(&source(), &folder).unwrap();
    assert!(changed > 50, "{changed} paths were changed");
    let manifest = folder.join("Cargo.toml");
    let mco = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mco");
    let added = format!("\n[workspace]\n\n[dependencies.mco]\npath = {mco:?}\n");
    let text = fs::read_to_string(&manifest).unwrap() + &added;
    fs::write(&manifest, text).unwrap();
    // Of versions that were current when it was published.
    fs::remove_file(folder.join("Cargo.lock")).ok();
    let mut command = Command::new(env!("CARGO"));
    command.args(["test", "--lib", "--tests", "--examples"]).current_dir(&folder);
    command.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("ported"));
    let output = command.output().expect("cargo runs");
    fs::remove_dir_all(&folder).unwrap();
    let (text, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}");
    let passed = text.lines().filter(|line| line.starts_with("test ") && line.ends_with("ok"));
    assert!(passed.count() > 30, "{text}");
}
