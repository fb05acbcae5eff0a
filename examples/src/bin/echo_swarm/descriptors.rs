//! How many clients the limit of descriptors allows.

use indicatif::HumanCount;

const DEFAULT_CLIENTS: usize = 10_000;

/// Both ends of a connection are in this process.
const PER_CLIENT: u64 = 2;

/// For the standard streams, the listener, and what was inherited; and for a worker's reactor.
const RESERVED: u64 = 32;
const PER_WORKER: u64 = 4;

/// How many clients there shall be, when `asked` for a number or for the default.
///
/// # Errors
///
/// If the limit does not allow what is asked for, or not even one client.
pub(crate) fn clients(asked: Option<usize>, workers: usize) -> Result<usize, String> {
    // The soft limit is often low, for the sake of old programs; the hard one is what counts.
    let limit = rlimit::increase_nofile_limit(u64::MAX)
        .map_err(|error| format!("the limit of descriptors cannot be raised: {error}"))?;
    let reserved = RESERVED + PER_WORKER * workers as u64;
    let allowed = limit.saturating_sub(reserved) / PER_CLIENT;
    let clients = asked.unwrap_or(DEFAULT_CLIENTS) as u64;
    if clients <= allowed {
        return Ok(clients as usize);
    }
    let text = format!(
        "the limit of {} descriptors allows {} clients; {} would need {}: raise the hard limit \
         (`ulimit -Hn`)",
        HumanCount(limit),
        HumanCount(allowed),
        HumanCount(clients),
        HumanCount(clients.saturating_mul(PER_CLIENT).saturating_add(reserved)),
    );
    if asked.is_some() || allowed == 0 {
        return Err(text);
    }
    eprintln!("echo_swarm: {text}");
    Ok(allowed as usize)
}
