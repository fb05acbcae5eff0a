//! The server `http` under the tools that people use: `wrk`, `h2load` and `curl`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::http::start;
use crate::program::{Ended, has, run};

fn file(name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path
}

/// Runs `wrk`, which must see nothing but good answers, and returns how many.
fn wrk(arguments: &[&str]) -> u64 {
    // What takes longer than this counts as an error.
    let ended = run(Command::new("wrk").args(["-t1", "-d1s", "--timeout", "60s"]).args(arguments));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    for fault in ["Socket errors", "Non-2xx"] {
        assert!(!ended.stdout.contains(fault), "{ended:?}");
    }
    let count = ended.stdout.lines().find_map(|line| line.split_once(" requests in "));
    let count = count.unwrap_or_else(|| panic!("no count in {ended:?}")).0.trim().parse().unwrap();
    assert!(count > 0, "{ended:?}");
    count
}

#[test]
fn wrk_sees_no_error() {
    if !has("wrk") {
        return;
    }
    let (server, address) = start("--verbose");
    let url = format!("http://{address}/");
    for connections in ["-c1", "-c64", "-c500"] {
        wrk(&[connections, &url]);
    }
    server.signal("TERM");
    let ended = server.end();
    assert_eq!(ended.status, Some(0), "{ended:?}");
}

#[test]
fn wrk_sees_no_error_when_it_pipelines() {
    if !has("wrk") {
        return;
    }
    let (_server, address) = start("");
    let script = "\
        init = function(args)\n\
            local requests = {}\n\
            for i = 1, 16 do\n\
                requests[i] = wrk.format('POST', '/echo', nil, 'number ' .. i)\n\
            end\n\
            all = table.concat(requests)\n\
        end\n\
        request = function() return all end\n";
    let script = file("pipelined.lua", script);
    let url = format!("http://{address}/");
    wrk(&["-c64", "-s", script.to_str().unwrap(), &url]);
}

#[test]
fn h2load_sees_every_request_succeed() {
    if !has("h2load") {
        return;
    }
    let (_server, address) = start("");
    let url = format!("http://{address}/");
    let ended = run(Command::new("h2load").args(["--h1", "-n20000", "-c100", &url]));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let all =
        "20000 total, 20000 started, 20000 done, 20000 succeeded, 0 failed, 0 errored, 0 timeout";
    assert!(ended.stdout.contains(all), "{ended:?}");
}

/// Runs `curl`, which must succeed.
fn curl(arguments: &[&str]) -> Ended {
    let ended = run(Command::new("curl").args(["-sS", "--max-time", "60"]).args(arguments));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    ended
}

#[test]
fn curl_uses_a_connection_again() {
    if !has("curl") {
        return;
    }
    let (_server, address) = start("");
    let url = format!("http://{address}/");
    let ended = curl(&["-v", &url, &url, &url]);
    assert_eq!(ended.stdout, "hello, world\n".repeat(3));
    assert_eq!(ended.stderr.matches("Re-using existing connection").count(), 2, "{ended:?}");
}

#[test]
fn curl_asks_for_the_head() {
    if !has("curl") {
        return;
    }
    let (_server, address) = start("");
    let ended = curl(&["--head", &format!("http://{address}/")]);
    assert!(ended.stdout.starts_with("HTTP/1.1 200 OK"), "{ended:?}");
    assert!(ended.stdout.contains("Content-Length: 13"), "{ended:?}");
    assert!(!ended.stdout.contains("hello"), "{ended:?}");
}

#[test]
fn curl_uploads_in_chunks_and_when_told_to_continue() {
    if !has("curl") {
        return;
    }
    let (_server, address) = start("");
    let url = format!("http://{address}/echo");
    let text: String = (0..50_000).map(|n| format!("line {n}\n")).collect();
    let upload = format!("@{}", file("upload", &text).display());
    for header in ["Transfer-Encoding: chunked", "Expect: 100-continue"] {
        let ended = curl(&["-v", "-H", header, "--data-binary", &upload, &url]);
        assert!(ended.stdout == text, "with {header}: {}", ended.stderr);
        let continues = ended.stderr.contains("HTTP/1.1 100 Continue");
        assert!(continues || header.starts_with("Transfer"), "{}", ended.stderr);
    }
}
