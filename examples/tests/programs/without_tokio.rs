use std::process::Command;

use crate::program::run;

/// The examples use crates that use tokio, but only what has no runtime.
#[test]
fn no_example_depends_on_a_runtime_of_tokios() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let ended = run(Command::new(cargo)
        .args(["tree", "--package", "mco-examples", "--edges", "normal", "--locked", "--offline"])
        .args(["--prefix", "none", "--format", "{p} [{f}]"])
        .current_dir(env!("CARGO_MANIFEST_DIR")));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let features = |line: &str| {
        let line = line.strip_prefix("tokio v")?;
        let features = &line[line.find('[')? + 1..line.find(']')?];
        Some(features.split(',').map(str::to_owned).collect::<Vec<_>>())
    };
    let features: Vec<_> = ended.stdout.lines().filter_map(features).collect();
    assert!(!features.is_empty(), "`cargo tree` shows no tokio at all: {ended:?}");
    for features in features {
        for feature in ["rt", "rt-multi-thread", "net", "time", "full"] {
            assert!(!features.iter().any(|f| f == feature), "tokio has {features:?}");
        }
    }
}
