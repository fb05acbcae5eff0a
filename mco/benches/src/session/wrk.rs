//! The HTTP client: `wrk` with one thread.

use crate::rows::Load;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;

/// Drives the server for so long, and gives the number of requests that it answered.
pub(super) fn drive(server: SocketAddr, load: &Load, seconds: u64) -> Result<u64, String> {
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c", &load.connections.to_string(), "-d", &format!("{seconds}s")]);
    let script = std::env::temp_dir().join(format!("mco-benches-{}.lua", std::process::id()));
    if load.pipelined > 1 {
        fs::write(&script, pipelining(load.pipelined))
            .map_err(|fault| format!("could not write wrk's script: {fault}"))?;
        command.arg("-s").arg(&script);
    }
    let scheme = if load.tls { "https" } else { "http" };
    command.arg(format!("{scheme}://{server}/"));
    let output = command
        .output()
        .map_err(|fault| format!("could not start `wrk`, is it installed: {fault}"))?;
    let _ = fs::remove_file(&script);
    let report = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!(
            "wrk ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    if let Some(fault) =
        report.lines().find(|line| line.contains("Socket errors") || line.contains("Non-2xx"))
    {
        return Err(format!("wrk saw errors: {}", fault.trim()));
    }
    // `  123456 requests in 2.00s, 10.36MB read`
    let requests = report
        .lines()
        .find(|line| line.contains(" requests in "))
        .and_then(|line| line.split_whitespace().next()?.parse().ok());
    match requests {
        Some(0) => Err("not one request was answered".into()),
        Some(count) => Ok(count),
        None => Err(format!("wrk's report names no requests: {report}")),
    }
}

/// A script that sends so many requests at once on each connection.
fn pipelining(requests: usize) -> String {
    format!(
        "init = function(args)\n\
         \x20  local all = {{}}\n\
         \x20  for n = 1, {requests} do all[n] = wrk.format() end\n\
         \x20  joined = table.concat(all)\n\
         end\n\
         request = function() return joined end\n"
    )
}
