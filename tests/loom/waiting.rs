//! The queue of those who wait, `Queue`, with its places, its lock and the token of a select: each
//! value goes to one, and nobody touches a place, or a coroutine, that is gone.
//!
//! What is gone stays in memory here, so that loom sees who touches it: the cells and atomics note
//! the end of their frame as one more write.

#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::pin::Pin;
use std::ptr;

use loom::thread;

use mco_tests::child;

use self::blocked::{Coroutine, Wakeup};
use self::queue::{Outcome, Queue, SelectToken, WaitNode};
use self::spin::Spin;
use super::explore;

/// Loom's, which cannot be made in constants.
mod atomic {
    use std::ops::Deref;
    use std::sync::OnceLock;

    use loom::sync::atomic;
    pub(super) use loom::sync::atomic::Ordering;

    /// Where a lock is made, there may be no execution yet; so at its first use.
    pub(super) struct AtomicBool {
        first: bool,
        atomic: OnceLock<atomic::AtomicBool>,
    }

    impl AtomicBool {
        pub(super) const fn new(first: bool) -> AtomicBool {
            AtomicBool { first, atomic: OnceLock::new() }
        }
    }

    impl Deref for AtomicBool {
        type Target = atomic::AtomicBool;

        fn deref(&self) -> &atomic::AtomicBool {
            self.atomic.get_or_init(|| atomic::AtomicBool::new(self.first))
        }
    }

    macro_rules! ends_with_its_frame {
        ($($name:ident($integer:ty)),*) => {$(
            pub(super) struct $name(atomic::$name);

            impl $name {
                pub(super) fn new(first: $integer) -> $name {
                    $name(atomic::$name::new(first))
                }
            }

            impl Deref for $name {
                type Target = atomic::$name;

                fn deref(&self) -> &atomic::$name {
                    &self.0
                }
            }

            impl Drop for $name {
                fn drop(&mut self) {
                    if !std::thread::panicking() {
                        self.0.with_mut(|_| ());
                    }
                }
            }
        )*};
    }

    ends_with_its_frame!(AtomicU8(u8), AtomicUsize(usize));

    pub(super) fn relax(_: u32) {
        loom::thread::yield_now();
    }
}

/// Cells that loom watches.
mod cell {
    use loom::cell;

    pub(super) struct UnsafeCell<T>(cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(super) fn new(value: T) -> UnsafeCell<T> {
            UnsafeCell(cell::UnsafeCell::new(value))
        }

        /// To write through, at once.
        pub(super) fn get(&self) -> *mut T {
            self.0.with_mut(|pointer| pointer)
        }
    }

    impl<T> Drop for UnsafeCell<T> {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                self.0.with_mut(|_| ());
            }
        }
    }

    pub(super) struct Cell<T>(UnsafeCell<T>);

    impl<T> Cell<T> {
        pub(super) fn new(value: T) -> Cell<T> {
            Cell(UnsafeCell::new(value))
        }

        pub(super) fn replace(&self, value: T) -> T {
            // SAFETY: loom runs one thread at a time, and sees to it that this is no race.
            unsafe { self.0.get().replace(value) }
        }

        pub(super) fn set(&self, value: T) {
            drop(self.replace(value));
        }

        pub(super) fn get(&self) -> T
        where
            T: Copy,
        {
            // SAFETY: as above.
            self.0.0.with(|pointer| unsafe { *pointer })
        }
    }
}

/// The coroutines that block, each a thread of the model.
mod blocked {
    use std::sync::Arc;

    use loom::cell::UnsafeCell;
    use loom::sync::{Condvar, Mutex};

    use super::super::state::State;

    /// With the real state; its worker is what `wait_for_turn` is about.
    pub(crate) struct Coroutine {
        state: State,
        /// Whether it is in the queue of its worker.
        queued: Mutex<bool>,
        pushed: Condvar,
        /// Read by whoever uses it, written at its end.
        alive: UnsafeCell<bool>,
    }

    // SAFETY: loom sees to it that `alive` is not used in a race.
    unsafe impl Sync for Coroutine {}

    loom::thread_local! {
        static CURRENT: Arc<Coroutine> = Arc::new(Coroutine {
            state: State::new(),
            queued: Mutex::new(false),
            pushed: Condvar::new(),
            alive: UnsafeCell::new(true),
        });
    }

    impl Coroutine {
        pub(crate) fn current() -> Arc<Coroutine> {
            CURRENT.with(Arc::clone)
        }

        /// As `Wait::park_uncancellable`.
        pub(crate) fn park(&self) {
            if self.state.park() {
                let mut queued = self.queued.lock().unwrap();
                while !*queued {
                    queued = self.pushed.wait(queued).unwrap();
                }
                *queued = false;
                drop(queued);
                self.state.begin();
            }
        }

        /// As `TaskRef::wake`, by one who holds a reference.
        pub(crate) fn wake(&self) {
            if self.state.notify() {
                self.schedule();
            }
        }

        fn schedule(&self) {
            let mut queued = self.queued.lock().unwrap();
            assert!(!*queued, "it is queued twice");
            *queued = true;
            drop(queued);
            self.pushed.notify_one();
        }

        /// Its frames are gone, and with them all that keeps it alive.
        pub(crate) fn end(&self) {
            // SAFETY: loom sees to it that this is no race.
            self.alive.with_mut(|alive| unsafe { *alive = false });
        }
    }

    /// As `task::Blocked`: keeps nothing alive. (The memory stays, for the model.)
    pub(crate) struct Blocked(Arc<Coroutine>);

    impl Blocked {
        pub(crate) fn current() -> Blocked {
            Blocked(Coroutine::current())
        }

        /// As `task::Blocked::notify`.
        ///
        /// # Safety
        ///
        /// None here: it is checked.
        pub(crate) unsafe fn notify(&self) -> Wakeup {
            // SAFETY: loom sees to it that this is no race.
            let alive = self.0.alive.with(|alive| unsafe { *alive });
            assert!(alive, "a coroutine is notified that is gone");
            Wakeup(self.0.state.notify().then(|| self.0.clone()))
        }
    }

    /// As `task::Wakeup`: a coroutine that was parked, and does not end before this.
    #[must_use]
    pub(crate) struct Wakeup(Option<Arc<Coroutine>>);

    impl Wakeup {
        pub(crate) fn unneeded() -> Wakeup {
            Wakeup(None)
        }

        pub(crate) fn wake(self) {
            if let Some(coroutine) = self.0 {
                coroutine.schedule();
            }
        }
    }
}

#[allow(dead_code, reason = "the models use most of it")]
#[path = "../../mco/src/wait/spin.rs"]
mod lock;

/// In place of that lock in the models of the queue: those who find this one held sleep, and do not
/// multiply the executions by looking at it.
mod spin {
    use std::cell::UnsafeCell;
    use std::ops::{Deref, DerefMut};

    use loom::sync::{Mutex, MutexGuard};

    pub(crate) struct Spin<T> {
        lock: Mutex<()>,
        value: UnsafeCell<T>,
    }

    // SAFETY: only who holds the lock gets at the value.
    unsafe impl<T: Send> Sync for Spin<T> {}

    pub(crate) struct Guard<'a, T> {
        _held: MutexGuard<'a, ()>,
        spin: &'a Spin<T>,
    }

    impl<T> Spin<T> {
        pub(crate) fn new(value: T) -> Spin<T> {
            Spin { lock: Mutex::new(()), value: UnsafeCell::new(value) }
        }

        pub(crate) fn lock(&self) -> Guard<'_, T> {
            Guard { _held: self.lock.lock().unwrap(), spin: self }
        }

        pub(crate) fn data_ptr(&self) -> *mut T {
            self.value.get()
        }
    }

    impl<T> Deref for Guard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            // SAFETY: it holds the lock.
            unsafe { &*self.spin.value.get() }
        }
    }

    impl<T> DerefMut for Guard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            // SAFETY: it holds the lock.
            unsafe { &mut *self.spin.value.get() }
        }
    }
}

/// `mco/src/wait/queue.rs`, prepared by `build.rs`.
#[allow(dead_code, reason = "the models use most of it")]
mod queue {
    include!(concat!(env!("OUT_DIR"), "/queue.rs"));
}

/// A channel, as far as it matters here.
struct Channel {
    buffer: VecDeque<u32>,
    receivers: Queue<u32>,
    senders: Queue<u32>,
    closed: bool,
}

impl Channel {
    /// Leaked, as all that is borrowed in a model: a thread of loom's cannot borrow.
    fn new() -> &'static Spin<Channel> {
        let (receivers, senders) = (Queue::new(), Queue::new());
        let channel = Channel { buffer: VecDeque::new(), receivers, senders, closed: false };
        Box::leak(Box::new(Spin::new(channel)))
    }

    fn receivers(&mut self) -> &mut Queue<u32> {
        &mut self.receivers
    }

    fn senders(&mut self) -> &mut Queue<u32> {
        &mut self.senders
    }

    /// As in the real one, but that there always is room.
    fn put(&mut self, value: u32) -> Option<Wakeup> {
        let mut value = Some(value);
        let completed =
            self.receivers.complete_first(Outcome::Completed, |node| *node = value.take());
        self.buffer.extend(value);
        completed.map(|((), wakeup)| wakeup)
    }

    /// As in the real one.
    fn take(&mut self) -> Option<(u32, Option<Wakeup>)> {
        if let Some(value) = self.buffer.pop_front() {
            return Some((value, None));
        }
        let (value, wakeup) = self.senders.complete_first(Outcome::Completed, Option::take)?;
        Some((value.expect("a sender brings a value"), Some(wakeup)))
    }
}

fn send(channel: &Spin<Channel>, value: u32) {
    let wakeup = channel.lock().put(value);
    wakeup.into_iter().for_each(Wakeup::wake);
}

fn try_recv(channel: &Spin<Channel>) -> Option<u32> {
    let (value, wakeup) = channel.lock().take()?;
    wakeup.into_iter().for_each(Wakeup::wake);
    Some(value)
}

/// As `Channel::close_for_receivers`.
fn close(channel: &Spin<Channel>) {
    channel.lock().closed = true;
    loop {
        let completed = channel.lock().receivers.complete_first(Outcome::Closed, |_| ());
        match completed {
            Some(((), wakeup)) => wakeup.wake(),
            None => break,
        }
    }
}

/// What lies in the frame of a coroutine. At its end the memory stays; see the module.
struct Frame<T: 'static>(*mut T);

impl<T> Frame<T> {
    fn new(value: T) -> Frame<T> {
        Frame(Box::into_raw(Box::new(value)))
    }

    fn get(&self) -> Pin<&T> {
        // SAFETY: from a box that is never freed; its content goes with `self`, where it is.
        unsafe { Pin::new_unchecked(&*self.0) }
    }
}

impl<T> Drop for Frame<T> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: as above, and nothing uses it any more, or loom finds it.
            unsafe { ptr::drop_in_place(self.0) }
        }
    }
}

type ChannelNode = WaitNode<'static, Channel, u32>;

fn receiving(channel: &'static Spin<Channel>) -> ChannelNode {
    WaitNode::new(channel, Channel::receivers, None)
}

fn sending(channel: &'static Spin<Channel>, value: u32) -> ChannelNode {
    WaitNode::new(channel, Channel::senders, Some(value))
}

/// When a coroutine gives its wait up.
#[derive(Clone, Copy, PartialEq)]
enum Patience {
    /// Never.
    Endless,
    /// At once: at a deadline that has passed.
    None,
    /// When it is woken and has not been completed.
    UntilWoken,
}

/// As `WaitNode::wait`.
fn wait(node: &ChannelNode, patience: Patience) -> Option<Outcome> {
    if patience == Patience::None {
        return node.leave();
    }
    // Once: more looks find nothing new.
    let look = |has_happened: &mut dyn FnMut() -> bool| {
        has_happened();
    };
    if patience == Patience::Endless
        && let Some(outcome) = node.spin_wait(look)
    {
        return Some(outcome);
    }
    loop {
        Coroutine::current().park();
        if let Some(outcome) = node.final_outcome() {
            return Some(outcome);
        }
        if patience == Patience::UntilWoken {
            return node.leave();
        }
    }
}

/// As `Channel::recv`; `wait` is how it waits at its place.
fn recv_with(
    channel: &'static Spin<Channel>,
    wait: impl FnOnce(&ChannelNode) -> Option<Outcome>,
) -> Option<u32> {
    let mut state = channel.lock();
    if let Some((value, wakeup)) = state.take() {
        drop(state);
        wakeup.into_iter().for_each(Wakeup::wake);
        return Some(value);
    }
    if state.closed {
        return None;
    }
    let node = Frame::new(receiving(channel));
    node.get().enter(&mut state);
    drop(state);
    let outcome = wait(&node.get());
    let value = node.get().take();
    assert_eq!(value.is_some(), outcome == Some(Outcome::Completed));
    value
}

fn recv(channel: &'static Spin<Channel>, patience: Patience) -> Option<u32> {
    recv_with(channel, |node| wait(node, patience))
}

/// Sends a value hand to hand; gives it back if nobody came for it.
fn offer(channel: &'static Spin<Channel>, value: u32, patience: Patience) -> Result<(), u32> {
    let node = Frame::new(sending(channel, value));
    node.get().enter(&mut channel.lock());
    let outcome = wait(&node.get(), patience);
    let back = node.get().take();
    assert_eq!(back.is_none(), outcome == Some(Outcome::Completed));
    back.map_or(Ok(()), Err)
}

/// A coroutine that ends with `body`: after that nobody may notify it.
fn coroutine<T: 'static>(body: impl FnOnce() -> T + 'static) -> thread::JoinHandle<T> {
    thread::spawn(move || {
        let result = body();
        Coroutine::current().end();
        result
    })
}

/// As `coroutine`, and one more that wakes it, once it is known, without having anything for it.
fn coroutine_that_is_woken<T: 'static>(
    body: impl FnOnce() -> T + 'static,
) -> (thread::JoinHandle<T>, thread::JoinHandle<()>) {
    let node = std::sync::Arc::new(loom::sync::Mutex::new(None));
    let known = node.clone();
    let coroutine = coroutine(move || {
        *known.lock().unwrap() = Some(Coroutine::current());
        body()
    });
    let waker = thread::spawn(move || {
        let known = node.lock().unwrap().take();
        if let Some(coroutine) = known {
            coroutine.wake();
        }
    });
    (coroutine, waker)
}

#[test]
fn a_lock_is_held_by_one_at_a_time() {
    explore(3, || {
        let lock: &lock::Spin<cell::UnsafeCell<u32>> =
            Box::leak(Box::new(lock::Spin::new(cell::UnsafeCell::new(0))));
        // It begins here, and not in one of the threads.
        drop(lock.lock());
        // SAFETY: loom sees to it that this is no race.
        let count = || unsafe { *lock.lock().get() += 1 };
        let threads = [thread::spawn(count), thread::spawn(count)];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        // SAFETY: as above.
        assert_eq!(unsafe { *lock.lock().get() }, 2);
    });
}

#[test]
fn a_value_reaches_the_one_who_waits() {
    explore(3, || {
        let channel = Channel::new();
        let receiver = coroutine(|| recv(channel, Patience::Endless));
        send(channel, 7);
        assert_eq!(receiver.join().unwrap(), Some(7));
        assert_eq!(try_recv(channel), None);
    });
}

#[test]
fn a_value_reaches_one_that_somebody_else_wakes() {
    explore(3, || {
        let channel = Channel::new();
        let (receiver, waker) = coroutine_that_is_woken(|| recv(channel, Patience::Endless));
        send(channel, 7);
        assert_eq!(receiver.join().unwrap(), Some(7));
        assert_eq!(try_recv(channel), None);
        waker.join().unwrap();
    });
}

#[test]
fn a_woken_waiter_that_skips_the_lock_waits_for_ever() {
    // Shows that the model finds something, and why `final_outcome` is there. In a process of its
    // own: loom takes it along when it finds a deadlock.
    let end = child::run(|| {
        explore(3, || {
            let channel = Channel::new();
            let careless = |node: &ChannelNode| {
                loop {
                    Coroutine::current().park();
                    if let Some(outcome) = node.outcome() {
                        return Some(outcome);
                    }
                }
            };
            let (receiver, waker) = coroutine_that_is_woken(move || recv_with(channel, careless));
            send(channel, 7);
            receiver.join().unwrap();
            waker.join().unwrap();
        });
    });
    assert!(!end.status.success(), "the model finds nothing");
    end.assert_says("deadlock");
}

#[test]
fn at_a_deadline_a_value_is_there_or_stays() {
    explore(4, || {
        let channel = Channel::new();
        let receiver = coroutine(|| recv(channel, Patience::None));
        send(channel, 7);
        let received = receiver.join().unwrap();
        let stayed = try_recv(channel);
        assert_eq!((received.or(stayed), received.and(stayed)), (Some(7), None));
    });
}

#[test]
fn at_a_cancel_a_value_is_there_or_stays() {
    explore(3, || {
        let channel = Channel::new();
        let (receiver, waker) = coroutine_that_is_woken(|| {
            // Somebody has to wake it, the waker may have come too early.
            Coroutine::current().wake();
            recv(channel, Patience::UntilWoken)
        });
        send(channel, 7);
        let received = receiver.join().unwrap();
        let stayed = try_recv(channel);
        assert_eq!((received.or(stayed), received.and(stayed)), (Some(7), None));
        waker.join().unwrap();
    });
}

#[test]
fn a_waiter_that_gives_up_leaves_the_next_node_in_the_queue() {
    explore(3, || {
        let channel = Channel::new();
        let gives_up = coroutine(|| recv(channel, Patience::None));
        let stays = coroutine(|| recv(channel, Patience::Endless));
        send(channel, 7);
        match gives_up.join().unwrap() {
            Some(value) => {
                assert_eq!(value, 7);
                send(channel, 8);
                assert_eq!(stays.join().unwrap(), Some(8));
            }
            None => assert_eq!(stays.join().unwrap(), Some(7)),
        }
        assert_eq!(try_recv(channel), None);
    });
}

#[test]
fn two_senders_complete_one_receiver_that_comes_again() {
    explore(3, || {
        let channel = Channel::new();
        let receiver = coroutine(|| {
            let first = recv(channel, Patience::Endless);
            let second = recv(channel, Patience::Endless);
            (first.unwrap(), second.unwrap())
        });
        let sender = thread::spawn(|| send(channel, 1));
        send(channel, 2);
        sender.join().unwrap();
        let (first, second) = receiver.join().unwrap();
        assert!(first + second == 3 && first != second, "{first} and {second}");
    });
}

#[test]
fn what_is_offered_is_taken_or_comes_back() {
    for patience in [Patience::None, Patience::UntilWoken] {
        explore(3, move || {
            let channel = Channel::new();
            let (sender, waker) = coroutine_that_is_woken(move || {
                Coroutine::current().wake();
                offer(channel, 7, patience)
            });
            let taken = try_recv(channel);
            let offered = sender.join().unwrap();
            assert_eq!(taken, offered.is_ok().then_some(7));
            assert!(offered.is_ok() || offered == Err(7));
            waker.join().unwrap();
        });
    }
}

#[test]
fn all_who_wait_see_the_end() {
    explore(3, || {
        let channel = Channel::new();
        let receivers = [0; 2].map(|_| coroutine(|| recv(channel, Patience::Endless)));
        close(channel);
        for receiver in receivers {
            assert_eq!(receiver.join().unwrap(), None);
        }
    });
}

#[test]
fn what_was_sent_is_received_before_the_end() {
    explore(3, || {
        let channel = Channel::new();
        let receiver = coroutine(|| {
            let first = recv(channel, Patience::Endless);
            (first, recv(channel, Patience::Endless))
        });
        send(channel, 7);
        close(channel);
        assert_eq!(receiver.join().unwrap(), (Some(7), None));
    });
}

/// As `select::run` with two arms that receive, until one has.
fn select(channels: [&'static Spin<Channel>; 2], patience: Patience) -> Option<(usize, u32)> {
    let poll = |index: usize| try_recv(channels[index]).map(|value| (index, value));
    loop {
        if let Some(received) = (0..2).find_map(poll) {
            return Some(received);
        }
        let token = Frame::new(SelectToken::new());
        let places = channels.map(|channel| Frame::new(receiving(channel)));
        let enter = |index: usize| {
            let mut state = channels[index].lock();
            let empty = state.buffer.is_empty() && !state.senders.has_others(token.get().get_ref());
            if empty {
                let node = places[index].get();
                // SAFETY: it leaves below.
                unsafe { node.enter_shared(&mut state, token.get().get_ref(), index) };
            }
            empty
        };
        let entered = (0..2).all(enter);
        if entered && token.get().claimed().is_none() && patience != Patience::None {
            Coroutine::current().park();
        }
        token.get().close();
        let outcomes = [0, 1].map(|index| places[index].get().leave());
        let claimed = token.get().claimed();
        for index in 0..2 {
            let completed = claimed == Some(index);
            assert_eq!(outcomes[index], completed.then_some(Outcome::Completed));
            let value = places[index].get().take();
            assert_eq!(value.is_some(), completed);
            if let Some(value) = value {
                return Some((index, value));
            }
        }
        if patience != Patience::Endless {
            return None;
        }
    }
}

/// Of the values 1 and 2, which are sent into two channels, the one that was received and the ones
/// that are left.
#[track_caller]
fn assert_one_received(channels: [&Spin<Channel>; 2], received: Option<(usize, u32)>) {
    for (index, value) in [(0, 1), (1, 2)] {
        let here = received == Some((index, value));
        assert_eq!(try_recv(channels[index]), (!here).then_some(value));
    }
}

#[test]
fn of_two_senders_one_completes_the_select_and_the_other_keeps_its_value() {
    explore(3, || {
        let channels = [Channel::new(), Channel::new()];
        let receiver = coroutine(move || select(channels, Patience::Endless));
        let sender = thread::spawn(move || send(channels[1], 2));
        send(channels[0], 1);
        sender.join().unwrap();
        let received = receiver.join().unwrap();
        assert!(received.is_some());
        assert_one_received(channels, received);
    });
}

#[test]
fn a_select_is_completed_or_has_closed_its_token() {
    for patience in [Patience::None, Patience::UntilWoken] {
        explore(3, move || {
            let channels = [Channel::new(), Channel::new()];
            let (receiver, waker) = coroutine_that_is_woken(move || {
                Coroutine::current().wake();
                select(channels, patience)
            });
            send(channels[0], 1);
            send(channels[1], 2);
            assert_one_received(channels, receiver.join().unwrap());
            waker.join().unwrap();
        });
    }
}

#[test]
fn a_select_that_gives_up_leaves_the_value_to_the_next_receiver() {
    explore(3, || {
        let channels = [Channel::new(), Channel::new()];
        let selects = coroutine(move || select(channels, Patience::None));
        let receives = coroutine(move || recv(channels[0], Patience::Endless));
        send(channels[0], 1);
        match selects.join().unwrap() {
            Some(received) => {
                assert_eq!(received, (0, 1));
                send(channels[0], 3);
                assert_eq!(receives.join().unwrap(), Some(3));
            }
            None => assert_eq!(receives.join().unwrap(), Some(1)),
        }
    });
}

/// As `select::run` with an arm that sends `value` hand to hand and one that receives on the same
/// channel; what it has received, if that is what it did.
fn meet(channel: &'static Spin<Channel>, value: u32) -> Option<u32> {
    loop {
        let completed =
            channel.lock().receivers.complete_first(Outcome::Completed, |node| *node = Some(value));
        if let Some(((), wakeup)) = completed {
            wakeup.wake();
            return None;
        }
        if let Some(received) = try_recv(channel) {
            return Some(received);
        }
        let token = Frame::new(SelectToken::new());
        let sends = Frame::new(sending(channel, value));
        let receives = Frame::new(receiving(channel));
        let enter = |index: usize| {
            let mut state = channel.lock();
            let (others, node) = match index {
                0 => (&state.receivers, &sends),
                _ => (&state.senders, &receives),
            };
            let alone = !others.has_others(token.get().get_ref());
            if alone {
                // SAFETY: it leaves below.
                unsafe { node.get().enter_shared(&mut state, token.get().get_ref(), index) };
            }
            alone
        };
        if (0..2).all(enter) && token.get().claimed().is_none() {
            Coroutine::current().park();
        }
        token.get().close();
        let outcomes = (sends.get().leave(), receives.get().leave());
        match token.get().claimed() {
            Some(0) => {
                assert_eq!(
                    (outcomes, sends.get().take()),
                    ((Some(Outcome::Completed), None), None)
                );
                return None;
            }
            Some(_) => {
                assert_eq!(outcomes, (None, Some(Outcome::Completed)));
                return receives.get().take();
            }
            None => assert_eq!(sends.get().take(), Some(value)),
        }
    }
}

#[test]
fn two_who_select_to_send_and_to_receive_meet_each_other_and_not_themselves() {
    explore(3, || {
        let channel = Channel::new();
        let [a, b] = [1, 2].map(|value| coroutine(move || meet(channel, value)));
        let received = (a.join().unwrap(), b.join().unwrap());
        assert!(matches!(received, (Some(2), None) | (None, Some(1))), "{received:?}");
    });
}
