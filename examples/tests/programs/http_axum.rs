use std::process::Command;
use std::thread;

use crate::ask::Asking;
use crate::program::{Program, run};
use crate::tool::{curl, h2load, wrk};

const HTTP_AXUM: &str = env!("CARGO_BIN_EXE_http_axum");

fn start() -> (Program, String) {
    let server = Program::start(Command::new(HTTP_AXUM).arg("127.0.0.1:0"));
    let line = server.stdout.wait_for("listening on ");
    let address = line.strip_prefix("listening on ").unwrap().to_owned();
    (server, address)
}

#[test]
fn handlers_sleep_and_ask_others() {
    let (server, address) = start();
    let mut client = Asking::connect(&address);
    assert_eq!(client.get("/"), (200, "hello\n".to_owned()));
    assert_eq!(client.get("/wait/5"), (200, "waited for 5 ms\n".to_owned()));
    assert_eq!(client.get("/wait/soon").0, 400);
    assert_eq!(client.get("/wait/100000").0, 400);
    assert_eq!(client.get("/elsewhere").0, 404);
    assert_eq!(client.get("/fetch"), (200, format!("{address} says: hello\n")));
    #[cfg(target_os = "linux")]
    crate::tool::assert_runs_on_mco_alone(server.id());
    drop(server);
}

#[test]
fn a_counter_behind_a_channel_counts_each_request_once() {
    let (_server, address) = start();
    let ask = |_| {
        let address = address.clone();
        thread::spawn(move || {
            let mut client = Asking::connect(&address);
            (0..50).map(|_| client.get("/count").1.trim().parse::<u32>().unwrap()).collect()
        })
    };
    let clients: Vec<_> = (0..8).map(ask).collect();
    let counts = clients.into_iter().map(|client| -> Vec<_> { client.join().unwrap() });
    let mut counts: Vec<_> = counts.flatten().collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=400).collect::<Vec<_>>());
}

/// Far more handlers block than there are threads.
#[test]
fn handlers_that_block_hold_up_nobody() {
    let (_server, address) = start();
    let mut waiting: Vec<_> = (0..100).map(|_| Asking::connect(&address)).collect();
    waiting.iter_mut().for_each(|client| client.send_get("/wait/60000"));
    for _ in 0..20 {
        assert_eq!(Asking::connect(&address).get("/fetch").0, 200);
    }
}

#[test]
fn curl_wrk_and_h2load_find_no_error() {
    let (mut server, address) = start();
    let url = format!("http://{address}/");
    for option in ["--http1.1", "--http2-prior-knowledge"] {
        assert!(curl(&[option, &url]).is_none_or(|text| text == "hello\n"));
    }
    wrk(&format!("{url}count"));
    wrk(&format!("{url}wait/1"));
    h2load(10_000, &["-c", "8", "-m", "32", &format!("{url}count")]);
    assert!(server.is_running());
}

#[test]
fn an_address_that_cannot_be_served_is_reported() {
    let ended = run(Command::new(HTTP_AXUM).arg("nonsense"));
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("`nonsense` cannot be served"), "{ended:?}");
}
