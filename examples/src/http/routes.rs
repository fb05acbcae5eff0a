//! What the examples answer.

use std::time::Duration;

use mco::coroutine;

use super::{Request, Response};

/// The longest that `/sleep` sleeps.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// The handler of `http` and `https`.
///
/// | target | method | answer |
/// | --- | --- | --- |
/// | `/` | GET, HEAD | a greeting |
/// | `/echo` | POST, PUT | the body |
/// | `/sleep?ms=N` | GET, HEAD | "slept", after so many milliseconds |
pub fn handle(request: &Request<'_>) -> Response {
    let is_known = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"]
        .contains(&request.method());
    if !is_known {
        return Response::new(501, "no such method\n");
    }
    let reads = matches!(request.method(), "GET" | "HEAD");
    match request.path() {
        "/" if reads => Response::new(200, "hello, world\n"),
        "/" => Response::not_allowed("GET, HEAD"),
        "/echo" if matches!(request.method(), "POST" | "PUT") => Response::of_bytes(request.body()),
        "/echo" => Response::not_allowed("POST, PUT"),
        "/sleep" if reads => sleep(request),
        "/sleep" => Response::not_allowed("GET, HEAD"),
        _ => Response::new(404, "there are `/`, `/echo` and `/sleep?ms=N`\n"),
    }
}

fn sleep(request: &Request<'_>) -> Response {
    let millis = request.query("ms").and_then(|text| text.parse().ok());
    match millis.map(Duration::from_millis) {
        Some(duration) if duration <= LONGEST_SLEEP => {
            coroutine::sleep(duration);
            Response::new(200, "slept\n")
        }
        _ => Response::new(400, "`ms` has to be a number of milliseconds, 60000 at most\n"),
    }
}
