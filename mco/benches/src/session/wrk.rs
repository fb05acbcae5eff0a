//! The HTTP client: `wrk` with one thread.

use crate::row::Saturating;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

pub(super) struct Answers {
    pub(super) count: u64,
    /// The 99th percentile of how long they took, in microseconds.
    pub(super) p99: f64,
}

/// Drives the server for so long.
pub(super) fn drive(
    server: SocketAddr,
    load: Saturating,
    span: Duration,
) -> Result<Answers, String> {
    let mut command = Command::new("wrk");
    command.args(["-t1", "--latency", "-c", &load.connections.to_string()]);
    command.args(["-d", &format!("{}s", span.as_secs())]);
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
    // `     99%    1.23ms`
    let p99 = report.lines().find_map(|line| line.trim().strip_prefix("99%"));
    // `  123456 requests in 2.00s, 10.36MB read`
    let count = report
        .lines()
        .find(|line| line.contains(" requests in "))
        .and_then(|line| line.split_whitespace().next()?.parse().ok());
    match count.zip(p99.and_then(microseconds)) {
        Some((0, _)) => Err("not one request was answered".into()),
        Some((count, p99)) => Ok(Answers { count, p99 }),
        None => Err(format!("wrk's report names no requests or no latency: {report}")),
    }
}

/// Of a time as wrk writes it: `620.00us`, `1.23ms`, `2.00s`, `1.00m`.
fn microseconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let factor = match &text[unit..] {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" => 60e6,
        _ => return None,
    };
    Some(text[..unit].parse::<f64>().ok()? * factor)
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
