//! Which runtimes wait for each other's end: when a coroutine of one drops another.
//!
//! Two runtimes that drop each other would wait for ever. So a wait that would close such a cycle is not begun.

use parking_lot::Mutex;

use super::shared::Scheduler;

/// Which waits for which, by their addresses: a coroutine of the first is in the drop of the second. Both are
/// alive meanwhile.
static WAITS: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

fn address(scheduler: &Scheduler) -> usize {
    std::ptr::from_ref(scheduler).addr()
}

/// While it lives, a coroutine of one runtime waits for the end of another.
pub(super) struct ShutdownWait((usize, usize));

impl ShutdownWait {
    /// `None`: the end of `of` waits for that of `by`, maybe by way of others.
    pub(super) fn begin(by: &Scheduler, of: &Scheduler) -> Option<ShutdownWait> {
        let (by, of) = (address(by), address(of));
        let mut waits = WAITS.lock();
        let (mut reached, mut next) = (vec![of], 0);
        while next < reached.len() {
            for (from, to) in &*waits {
                if *from == reached[next] && !reached.contains(to) {
                    reached.push(*to);
                }
            }
            next += 1;
        }
        if reached.contains(&by) {
            return None;
        }
        waits.push((by, of));
        Some(ShutdownWait((by, of)))
    }
}

impl Drop for ShutdownWait {
    fn drop(&mut self) {
        let mut waits = WAITS.lock();
        if let Some(at) = waits.iter().position(|wait| *wait == self.0) {
            waits.swap_remove(at);
        }
    }
}
