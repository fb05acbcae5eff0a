//! What never waits neither lets others run nor unwinds, and what may wait lets them run now and then.
//!
//! Two tables, a line for each operation, which are compared with what the documentation of the operations says.
//! All of it on one worker, where a neighbour runs only if the caller lets it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex as StdMutex, mpsc};
use std::time::{Duration, Instant};

use mco::coroutine::{self, Builder, CancelToken, Group, Scope};
use mco::runtime::{Handle, Runtime};
use mco::std::lazy::sync::{Lazy, OnceCell};
use mco::std::pool::{ConnectionPool, Pool, Task};
use mco::std::queue::{ArrayQueue, SegQueue};
use mco::std::sync::channel::{Receiver, Sender, at, bounded, unbounded};
use mco::std::sync::{
    AtomicOption, Barrier, Blocker, Condvar, Mutex, Once, RwLock, RwLockWriteGuard, Select,
    Semaphore, SyncFlag, WaitGroup,
};
use mco::std::thread;
use mco::std::time::{Ticker, Timer, after, after_func, remaining, timeout};
use mco::{chan, cqueue, go, join, select};
use mco_tests::{HUNG, eventually, runtime, within};

/// Has an operation done again and again, and observes.
type Measure<'a> = &'a (dyn Fn(&mut dyn FnMut()) + Sync);

/// Prepares an operation, and has it measured.
type Row = (&'static str, fn(Measure<'_>));

const HOUR: Duration = Duration::from_secs(3600);

/// Of a name with `::` the documentation says so.
const NEVER_WAITS: &[Row] = &[
    ("AtomicOption::swap", |m| with(AtomicOption::some(1), m, |o| ignore(o.swap(2)))),
    ("AtomicOption::store", |m| with(AtomicOption::some(1), m, |o| o.store(2))),
    ("AtomicOption::take", |m| with(AtomicOption::some(1), m, |o| ignore(o.take()))),
    ("AtomicOption::clear", |m| with(AtomicOption::some(1), m, |o| o.clear())),
    ("AtomicOption::is_none", |m| with(AtomicOption::some(1), m, |o| ignore(o.is_none()))),
    ("AtomicOption::is_some", |m| with(AtomicOption::some(1), m, |o| ignore(o.is_some()))),
    ("ArrayQueue::push", |m| with(ArrayQueue::new(1), m, |q| ignore(q.push(1)))),
    ("ArrayQueue::force_push", |m| with(ArrayQueue::new(1), m, |q| ignore(q.force_push(1)))),
    ("ArrayQueue::pop", |m| with(ArrayQueue::<u8>::new(1), m, |q| ignore(q.pop()))),
    ("ArrayQueue::len", |m| with(ArrayQueue::<u8>::new(1), m, |q| ignore(q.len()))),
    ("ArrayQueue::is_empty", |m| with(ArrayQueue::<u8>::new(1), m, |q| assert!(q.is_empty()))),
    ("ArrayQueue::is_full", |m| with(ArrayQueue::<u8>::new(1), m, |q| assert!(!q.is_full()))),
    ("SegQueue::push", |m| with(SegQueue::new(), m, |q| q.push(1))),
    ("SegQueue::pop", |m| with(SegQueue::<u8>::new(), m, |q| ignore(q.pop()))),
    ("SegQueue::len", |m| with(SegQueue::<u8>::new(), m, |q| ignore(q.len()))),
    ("SegQueue::is_empty", |m| with(SegQueue::<u8>::new(), m, |q| assert!(q.is_empty()))),
    ("Blocker::unpark", |m| with(Blocker::current(), m, |b| b.unpark())),
    ("Sender::send", |m| with(unbounded(), m, |(s, _)| s.send(1).unwrap())),
    ("a send to one that waits", |m| {
        let (sender, receiver) = unbounded();
        let waits = go!(move || receiver.iter().count());
        coroutine::yield_now();
        m(&mut || sender.send(1).unwrap());
        ignore(waits);
    }),
    ("a send that nobody will receive", |m| with(unbounded().0, m, |s| ignore(s.send(1)))),
    ("Sender::try_send", |m| with(bounded(1), m, |(s, _)| ignore(s.try_send(1)))),
    ("Receiver::try_recv", |m| with(unbounded::<u8>(), m, |(_, r)| ignore(r.try_recv()))),
    ("Receiver::try_iter", |m| {
        with(unbounded(), m, |(s, r)| {
            s.send(1).unwrap();
            assert_eq!(r.try_iter().count(), 1);
        });
    }),
    ("$End::len", |m| with(unbounded::<u8>(), m, |(s, r)| assert_eq!(s.len(), r.len()))),
    ("a channel and its handles", |m| {
        with((), m, |()| ignore((chan!(u8, 1), chan!(u8, 0).0.clone())))
    }),
    ("Condvar::notify_one", |m| with(Condvar::new(), m, |c| c.notify_one())),
    ("Condvar::notify_all", |m| with(Condvar::new(), m, |c| c.notify_all())),
    ("Mutex::try_lock", |m| with(Mutex::new(1), m, |l| ignore(l.try_lock().unwrap()))),
    ("an unlock that others wait for", |m| {
        let lock = Arc::new(Mutex::new(0));
        let mut guard = Some(lock.lock().unwrap());
        let waits = lock.clone();
        let waits = go!(move || *waits.lock().unwrap() += 1);
        coroutine::yield_now();
        m(&mut || ignore(guard.take()));
        ignore(waits);
    }),
    ("Once::is_completed", |m| with(Once::new(), m, |o| assert!(!o.is_completed()))),
    ("Once::call_once", |m| with(done(), m, |o| o.call_once(|| ()))),
    ("Once::call_once_force", |m| with(done(), m, |o| o.call_once_force(|_| ()))),
    ("Once::wait", |m| with(done(), m, |o| o.wait())),
    ("Once::wait_force", |m| with(done(), m, |o| o.wait_force())),
    ("RwLock::try_read", |m| with(RwLock::new(1), m, |l| ignore(l.try_read().unwrap()))),
    ("RwLock::try_write", |m| with(RwLock::new(1), m, |l| ignore(l.try_write().unwrap()))),
    ("RwLockWriteGuard::downgrade", |m| {
        with(RwLock::new(1), m, |l| ignore(RwLockWriteGuard::downgrade(l.try_write().unwrap())));
    }),
    ("Semaphore::try_wait", |m| with(Semaphore::new(9), m, |s| ignore(s.try_wait()))),
    ("Semaphore::try_acquire", |m| with(Semaphore::new(1), m, |s| ignore(s.try_acquire()))),
    ("SemaphoreGuard::permits", |m| {
        with((), m, |()| {
            let permits = Semaphore::new(1);
            assert_eq!(permits.try_acquire().unwrap().permits(), 1);
        });
    }),
    ("Semaphore::post", |m| with(Semaphore::new(0), m, |s| s.post())),
    ("Semaphore::get_value", |m| with(Semaphore::new(0), m, |s| assert_eq!(s.get_value(), 0))),
    ("SyncFlag::fire", |m| with(SyncFlag::new(), m, |f| f.fire())),
    ("SyncFlag::is_fired", |m| with(SyncFlag::new(), m, |f| assert!(!f.is_fired()))),
    ("a wait group's clone and drop", |m| with(WaitGroup::new(), m, |g| ignore(g.clone()))),
    ("OnceCell::with_value", |m| with((), m, |()| ignore(OnceCell::with_value(1).clone()))),
    ("OnceCell::get", |m| with(OnceCell::with_value(1), m, |c| assert!(c.get().is_some()))),
    ("OnceCell::set", |m| with(OnceCell::with_value(1), m, |c| assert!(c.set(2).is_err()))),
    ("OnceCell::try_insert", |m| with(OnceCell::with_value(1), m, |c| ignore(c.try_insert(2)))),
    ("OnceCell::get_or_init", |m| {
        with(OnceCell::with_value(1), m, |c| assert_eq!(c.get_or_init(|| 2), &1));
    }),
    ("OnceCell::get_or_try_init", |m| {
        with(OnceCell::with_value(1), m, |c| assert_eq!(c.get_or_try_init(|| Err(())), Ok(&1)));
    }),
    ("OnceCell::wait", |m| with(OnceCell::with_value(1), m, |c| assert_eq!(c.wait(), &1))),
    ("Lazy::get", |m| with(made(), m, |l| assert!(Lazy::get(l).is_some()))),
    ("Lazy::force", |m| with(made(), m, |l| assert_eq!(Lazy::force(l), &1))),
    ("the deref of a value that is made", |m| with(made(), m, |l| assert_eq!(**l, 1))),
    ("timer::after", |m| with((), m, |()| ignore(after(HOUR)))),
    ("timer::after_func", |m| with((), m, |()| assert!(after_func(HOUR, || ()).stop()))),
    ("Timer::new", |m| with((), m, |()| ignore(Timer::new(HOUR)))),
    ("Timer::after_func", |m| with((), m, |()| assert!(Timer::after_func(HOUR, || ()).stop()))),
    ("at::at", |m| with((), m, |()| ignore(at(Instant::now() + HOUR)))),
    ("Select::try_select", |m| {
        with(fed(), m, |(s, r)| {
            let mut select = Select::new();
            select.recv(r);
            select.send(s);
            ignore(select.try_select());
        });
    }),
    ("Select::try_ready", |m| {
        with(fed(), m, |(_, r)| {
            let mut select = Select::new();
            select.recv(r);
            ignore(select.try_ready());
        });
    }),
    ("SelectedOperation::send", |m| {
        let (sender, receiver) = bounded(0);
        let mut select = Select::new();
        select.send(&sender);
        // Into one that is closed there may be any number.
        drop(receiver);
        m(&mut || ignore(select.try_select().unwrap().send(&sender, 1)));
    }),
    ("SelectedOperation::recv", |m| {
        with(fed(), m, |(s, r)| {
            s.send(1).unwrap();
            let mut select = Select::new();
            select.recv(r);
            ignore(select.try_select().unwrap().recv(r));
        });
    }),
    ("Timer::try_recv", |m| with(Timer::new(HOUR), m, |t| ignore(t.try_recv()))),
    ("Ticker::try_recv", |m| with(Ticker::new(HOUR), m, |t| ignore(t.try_recv()))),
    ("Timer::stop", |m| with(Timer::new(HOUR), m, |t| ignore(t.stop()))),
    ("Timer::reset", |m| with(Timer::new(HOUR), m, |t| assert!(t.reset(HOUR)))),
    ("Ticker::new", |m| with((), m, |()| ignore(Ticker::new(HOUR)))),
    ("Ticker::stop", |m| with(Ticker::new(HOUR), m, |t| ignore(t.stop()))),
    ("Ticker::reset", |m| with(Ticker::new(HOUR), m, |t| assert!(t.reset(HOUR)))),
    ("blocking::spawn_blocking", |m| {
        with((), m, |()| ignore(mco::std::blocking::spawn_blocking(|| ())));
    }),
    ("coroutine::spawn", |m| with((), m, |()| ignore(coroutine::spawn(|| ())))),
    ("thread::spawn", |m| with((), m, |()| ignore(thread::spawn(|| ())))),
    ("handle::current", |m| with((), m, |()| ignore(thread::current().id()))),
    ("thread::panicking", |m| with((), m, |()| assert!(!thread::panicking()))),
    ("Thread::unpark", |m| {
        let parked = thread::spawn(thread::park);
        coroutine::yield_now();
        m(&mut || parked.thread().unpark());
    }),
    ("coroutine::try_current", |m| with((), m, |()| ignore(coroutine::try_current().unwrap()))),
    ("coroutine::is_cancelled", |m| with((), m, |()| ignore(coroutine::is_cancelled()))),
    ("Builder::spawn", |m| with((), m, |()| ignore(go!("named", || ())))),
    ("Builder::spawn_scoped", |m| {
        scope(m, |s| ignore(Builder::new().spawn_scoped(s, || ())));
    }),
    ("Scope::cancel", |m| scope(m, |s| s.cancel())),
    ("CancelToken::child", |m| with(CancelToken::new(), m, |t| ignore(t.child()))),
    ("CancelToken::cancel", |m| with(CancelToken::new(), m, |t| t.cancel())),
    ("CancelToken::is_cancelled", |m| with(CancelToken::new(), m, |t| ignore(t.is_cancelled()))),
    ("Group::cancel", |m| group(m, |g| g.cancel())),
    ("Group::keep_going", |m| group(m, |g| ignore(g.keep_going()))),
    ("Group::limit", |m| group(m, |g| ignore(g.limit(3)))),
    ("Group::len", |m| group(m, |g| assert_eq!(g.len(), 0))),
    ("Group::is_empty", |m| group(m, |g| assert!(g.is_empty()))),
    ("a spawn into a group without a limit", |m| group(m, |g| g.spawn(|| Ok(())))),
    ("timeout::remaining", |m| with((), m, |()| ignore(remaining()))),
    ("Scope::spawn", |m| scope(m, |s| ignore(s.spawn(|| ())))),
    ("Coroutine::unpark", |m| {
        let parked = go!(coroutine::park);
        coroutine::yield_now();
        m(&mut || parked.coroutine().unpark());
    }),
    ("Coroutine::cancel", |m| {
        let parked = go!(coroutine::park);
        coroutine::yield_now();
        m(&mut || parked.coroutine().cancel());
    }),
    ("the cancel of one that has not started", |m| with((), m, |()| go!(|| ()).cancel())),
    ("JoinHandle::is_finished", |m| with(go!(|| ()), m, |h| ignore(h.is_finished()))),
    ("ScopedJoinHandle::is_finished", |m| scope(m, |s| ignore(s.spawn(|| ()).is_finished()))),
    ("ScopedJoinHandle::cancel", |m| scope(m, |s| s.spawn(|| ()).cancel())),
    ("Cqueue::add", |m| cqueue::scope(|c| m(&mut || ignore(c.add(0, |_| ()))))),
    ("Selector::remove", |m| cqueue::scope(|c| m(&mut || c.add(0, |_| ()).remove()))),
    ("Runtime::spawn", |m| with((), m, |()| ignore(OTHER.spawn(|| ())))),
    ("Handle::spawn", |m| with(Handle::current(), m, |h| ignore(h.spawn(|| ())))),
    ("a select with a default, nothing ready", |m| {
        with((unbounded::<u8>(), bounded(0), Semaphore::new(0)), m, |(one, other, semaphore)| {
            select! {
                _ = one.1.recv() => unreachable!(),
                _ = other.0.send(1) => unreachable!(),
                _ = semaphore.wait() => unreachable!(),
                _ = coroutine::sleep(HOUR) => unreachable!(),
                default => (),
            }
        });
    }),
    ("a select with a default, one ready", |m| {
        with((unbounded::<u8>(), unbounded()), m, |(one, other)| {
            select! {
                _ = one.1.recv() => unreachable!(),
                sent = other.0.send(1) => sent.unwrap(),
                default => unreachable!(),
            }
        });
    }),
    ("a select with a default, a join", |m| {
        with(go!(coroutine::park), m, |handle| {
            select! { _ = handle.join() => unreachable!(), default => () }
        });
    }),
];

/// Of a name with `::` the documentation says so. Each finds at once what it is for, if it can.
const MAY_WAIT: &[Row] = &[
    ("Barrier::wait", |m| with(Barrier::new(1), m, |b| ignore(b.wait()))),
    ("Blocker::park", |m| {
        with(Blocker::current(), m, |b| {
            b.unpark();
            b.park(None).unwrap();
        });
    }),
    ("Sender::send", |m| {
        with(bounded(1), m, |(s, r)| {
            s.send(1).unwrap();
            r.try_recv().unwrap();
        });
    }),
    ("Sender::send_timeout", |m| {
        with(bounded(1), m, |(s, r)| {
            s.send_timeout(1, HOUR).unwrap();
            r.try_recv().unwrap();
        });
    }),
    ("Receiver::recv", |m| with(fed(), m, |(_, r)| assert_eq!(r.recv(), Ok(1)))),
    ("Receiver::recv_timeout", |m| {
        with(fed(), m, |(_, r)| assert_eq!(r.recv_timeout(HOUR), Ok(1)))
    }),
    ("Receiver::iter", |m| with(fed(), m, |(_, r)| assert_eq!(r.iter().next(), Some(1)))),
    ("Sender::send_deadline", |m| {
        with(bounded(1), m, |(s, r)| {
            s.send_deadline(1, Instant::now() + HOUR).unwrap();
            r.try_recv().unwrap();
        });
    }),
    ("Receiver::recv_deadline", |m| {
        with(fed(), m, |(_, r)| assert_eq!(r.recv_deadline(Instant::now() + HOUR), Ok(1)));
    }),
    ("Select::select", |m| with(fed(), m, |(_, r)| ignore(selects(r).select()))),
    ("Select::select_timeout", |m| {
        with(fed(), m, |(_, r)| ignore(selects(r).select_timeout(HOUR).unwrap()));
    }),
    ("Select::select_deadline", |m| {
        let end = Instant::now() + HOUR;
        with(fed(), m, |(_, r)| ignore(selects(r).select_deadline(end).unwrap()));
    }),
    ("Select::ready", |m| with(fed(), m, |(_, r)| ignore(selects(r).ready()))),
    ("Select::ready_timeout", |m| {
        with(fed(), m, |(_, r)| ignore(selects(r).ready_timeout(HOUR).unwrap()));
    }),
    ("Select::ready_deadline", |m| {
        let end = Instant::now() + HOUR;
        with(fed(), m, |(_, r)| ignore(selects(r).ready_deadline(end).unwrap()));
    }),
    ("Condvar::wait", |m| {
        let both = Arc::new((Mutex::new(()), Condvar::new()));
        let weak = Arc::downgrade(&both);
        go!(move || while let Some(both) = weak.upgrade() {
            both.1.notify_all();
            ignore(both);
            coroutine::yield_now();
        });
        m(&mut || ignore(both.1.wait(both.0.lock().unwrap()).unwrap()));
    }),
    ("Condvar::wait_while", |m| {
        with((Mutex::new(()), Condvar::new()), m, |(lock, condvar)| {
            ignore(condvar.wait_while(lock.try_lock().unwrap(), |()| false).unwrap());
        });
    }),
    ("Condvar::wait_timeout", |m| {
        with((Mutex::new(()), Condvar::new()), m, |(lock, condvar)| {
            ignore(condvar.wait_timeout(lock.try_lock().unwrap(), Duration::ZERO).unwrap());
        });
    }),
    ("Condvar::wait_timeout_while", |m| {
        with((Mutex::new(()), Condvar::new()), m, |(lock, condvar)| {
            let guard = lock.try_lock().unwrap();
            ignore(condvar.wait_timeout_while(guard, HOUR, |()| false).unwrap());
        });
    }),
    ("Mutex::lock", |m| with(Mutex::new(1), m, |l| ignore(l.lock().unwrap()))),
    ("Once::call_once", |m| with((), m, |()| Once::new().call_once(|| ()))),
    ("Once::call_once_force", |m| with((), m, |()| Once::new().call_once_force(|_| ()))),
    ("Once::wait", |m| with((), m, |()| being_done().wait())),
    ("Once::wait_force", |m| with((), m, |()| being_done().wait_force())),
    ("RwLock::read", |m| with(RwLock::new(1), m, |l| ignore(l.read().unwrap()))),
    ("RwLock::write", |m| with(RwLock::new(1), m, |l| ignore(l.write().unwrap()))),
    ("ConnectionPool::get", |m| {
        let pool = ConnectionPool::<_, ()>::new(1, || Ok(1));
        with(pool, m, |p| ignore(p.get().unwrap()));
    }),
    ("Pool::put", |m| {
        let pool = Pool::new_bounded(1, 1000);
        with(pool, m, |p| p.put(Task::new(|| Ok(()))));
    }),
    ("Pool::run", |m| {
        with((), m, |()| {
            let pool = Pool::new(1);
            pool.close();
            pool.run();
        });
    }),
    ("Semaphore::wait", |m| with(Semaphore::new(1000), m, |s| s.wait())),
    ("Semaphore::acquire", |m| with(Semaphore::new(1), m, |s| ignore(s.acquire()))),
    ("Semaphore::acquire_many", |m| with(Semaphore::new(2), m, |s| ignore(s.acquire_many(2)))),
    ("Semaphore::acquire_timeout", |m| {
        with(Semaphore::new(1), m, |s| assert!(s.acquire_timeout(HOUR).is_some()));
    }),
    ("Semaphore::wait_timeout", |m| {
        with(Semaphore::new(1000), m, |s| assert!(s.wait_timeout(HOUR)))
    }),
    ("SyncFlag::wait", |m| with(fired(), m, |f| f.wait())),
    ("SyncFlag::wait_timeout", |m| with(fired(), m, |f| assert!(f.wait_timeout(HOUR)))),
    ("WaitGroup::wait", |m| with((), m, |()| WaitGroup::new().wait())),
    ("OnceCell::set", |m| with((), m, |()| OnceCell::new().set(1).unwrap())),
    ("OnceCell::try_insert", |m| with((), m, |()| ignore(OnceCell::new().try_insert(1).unwrap()))),
    ("OnceCell::get_or_init", |m| with((), m, |()| ignore(OnceCell::new().get_or_init(|| 1)))),
    ("OnceCell::get_or_try_init", |m| {
        with((), m, |()| ignore(OnceCell::<u8>::new().get_or_try_init(|| Err(()))));
    }),
    ("OnceCell::wait", |m| {
        with((), m, |()| {
            let cell = Arc::new(OnceCell::new());
            let sets = cell.clone();
            go!(move || sets.set(1).unwrap());
            assert_eq!(cell.wait(), &1);
        });
    }),
    ("Lazy::force", |m| with((), m, |()| ignore(Lazy::force(&Lazy::new(|| 1))))),
    ("Timer::recv_timeout", |m| {
        with((), m, |()| ignore(Timer::new(Duration::ZERO).recv_timeout(HOUR).unwrap()));
    }),
    ("Ticker::recv_timeout", |m| {
        with(Ticker::new(Duration::from_nanos(1)), m, |t| ignore(t.recv_timeout(HOUR).unwrap()));
    }),
    ("Timer::recv", |m| with((), m, |()| ignore(Timer::new(Duration::ZERO).recv().unwrap()))),
    ("Ticker::recv", |m| {
        with(Ticker::new(Duration::from_nanos(1)), m, |t| ignore(t.recv().unwrap()));
    }),
    ("coroutine::yield_now", |m| with((), m, |()| coroutine::yield_now())),
    ("coroutine::sleep", |m| with((), m, |()| coroutine::sleep(Duration::ZERO))),
    ("coroutine::park", |m| {
        with(coroutine::current(), m, |me| {
            me.unpark();
            coroutine::park();
        });
    }),
    ("coroutine::park_timeout", |m| {
        with(coroutine::current(), m, |me| {
            me.unpark();
            coroutine::park_timeout(HOUR).unwrap();
        });
    }),
    ("thread::park_timeout", |m| {
        with(thread::current(), m, |me| {
            me.unpark();
            thread::park_timeout(HOUR);
        });
    }),
    ("JoinHandle::join", |m| with((), m, |()| go!(|| ()).join().unwrap())),
    ("JoinHandle::wait", |m| {
        let handle = go!(|| ());
        handle.wait();
        m(&mut || handle.wait());
    }),
    ("group::group", |m| {
        with((), m, |()| ignore(coroutine::group(|_: &Group<'_, '_, (), ()>| Ok(()))))
    }),
    ("Group::next", |m| group(m, |g| assert!(g.next().is_none()))),
    ("Group::join_all", |m| group(m, |g| assert!(g.join_all().is_ok()))),
    ("Group::first_ok", |m| {
        with((), m, |()| {
            let one = coroutine::group(|g| {
                g.spawn(|| Ok::<_, ()>(1));
                g.first_ok()
            });
            assert_eq!(one, Ok(1));
        });
    }),
    ("CancelToken::wait", |m| {
        let token = CancelToken::new();
        token.cancel();
        with(token, m, |t| t.wait());
    }),
    ("scope::scope", |m| with((), m, |()| coroutine::scope(|_| ()))),
    ("ScopedJoinHandle::join", |m| scope(m, |s| s.spawn(|| ()).join().unwrap())),
    ("ScopedJoinHandle::wait", |m| scope(m, |s| s.spawn(|| ()).wait())),
    ("cqueue::scope", |m| with((), m, |()| cqueue::scope(|_| ()))),
    ("Cqueue::poll", |m| {
        cqueue::scope(|c| {
            c.add(0, |_| coroutine::park());
            m(&mut || ignore(c.poll(Some(Duration::ZERO)).unwrap_err()));
        });
    }),
    ("EventSender::send", |m| {
        // In the arm's place, since only there is a sender.
        cqueue::scope(|c| {
            c.add(0, move |events| m(&mut || events.send(1)));
            while c.poll(None).is_ok() {}
        });
    }),
    ("blocking::blocking", |m| with((), m, |()| mco::blocking(|| ()))),
    ("block_on::block_on", |m| with((), m, |()| mco::block_on(async {}))),
    ("debug::dump", |m| with((), m, |()| ignore(mco::debug::dump()))),
    ("debug::coroutines", |m| with((), m, |()| ignore(mco::debug::coroutines()))),
    ("Runtime::run", |m| with((), m, |()| OTHER.run(|| ()))),
    ("a select of what is ready", |m| {
        with(fed(), m, |(_, r)| select! { one = r.recv() => assert_eq!(one, Ok(1)) });
    }),
    ("a select with a default and a child", |m| {
        with((), m, |()| select! { () = std::convert::identity(()) => (), default => () });
    }),
    ("a join", |m| with((), m, |()| ignore(join!((), ())))),
];

static OTHER: LazyLock<Runtime> = LazyLock::new(|| runtime(1));

/// Of what is done so often, at least one finds no budget left.
const OFTEN: usize = 300;
/// After so many at most a neighbour has its turn.
const TURN: usize = 1_000;

fn ignore<T>(_: T) {}

fn with<S>(mut state: S, measure: Measure<'_>, operation: impl Fn(&mut S)) {
    measure(&mut || operation(&mut state));
}

fn scope(measure: Measure<'_>, operation: impl for<'s> Fn(&'s Scope<'s, '_>)) {
    coroutine::scope(|s| measure(&mut || operation(s)));
}

fn group(measure: Measure<'_>, operation: impl for<'g> Fn(&Group<'g, '_, (), ()>)) {
    let _ = coroutine::group(|g| {
        measure(&mut || operation(g));
        Ok(())
    });
}

fn done() -> Once {
    let once = Once::new();
    once.call_once(|| ());
    once
}

fn being_done() -> Arc<Once> {
    let once = Arc::new(Once::new());
    let does = once.clone();
    go!(move || does.call_once(|| ()));
    once
}

fn selects(receiver: &Receiver<u8>) -> Select<'_> {
    let mut select = Select::new();
    select.recv(receiver);
    select
}

fn made() -> Lazy<u8> {
    let lazy = Lazy::new((|| 1) as fn() -> u8);
    Lazy::force(&lazy);
    lazy
}

fn fired() -> SyncFlag {
    let flag = SyncFlag::new();
    flag.fire();
    flag
}

/// A channel with enough for all who are measured.
fn fed() -> (Sender<u8>, Receiver<u8>) {
    let (sender, receiver) = unbounded();
    (0..TURN).for_each(|_| sender.send(1).unwrap());
    (sender, receiver)
}

/// What is special about the one who is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Caller {
    Plain,
    /// It has been cancelled.
    Cancelled,
    /// Its deadline has passed.
    Late,
}

/// What has come of doing an operation again and again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    /// Nobody else has run, up to the end.
    Kept,
    /// A neighbour has had its turn.
    Shared,
    /// The operation has unwound.
    Unwound,
}

/// Does the operation of a row up to `times` times, beside a neighbour that is always ready.
fn measure((name, row): Row, caller: Caller, times: usize) -> Outcome {
    let (turns, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (counts, stops) = (turns.clone(), stop.clone());
    let neighbour = go!(move || while !stops.load(Ordering::Relaxed) {
        counts.fetch_add(1, Ordering::Relaxed);
        coroutine::yield_now();
    });
    eventually("the neighbour runs", || turns.load(Ordering::Relaxed) > 0);
    let outcome = Arc::new(StdMutex::new(None));
    let measured = outcome.clone();
    let subject = go!(move || row(&|operation| {
        let before = turns.load(Ordering::Relaxed);
        let repeat = AssertUnwindSafe(|| {
            (0..times).any(|_| {
                operation();
                turns.load(Ordering::Relaxed) != before
            })
        });
        let result = match caller {
            Caller::Plain => catch_unwind(repeat),
            Caller::Cancelled => {
                coroutine::current().cancel();
                catch_unwind(repeat)
            }
            Caller::Late => timeout(Duration::ZERO, || catch_unwind(repeat)).unwrap(),
        };
        let shared = turns.load(Ordering::Relaxed) != before;
        *measured.lock().unwrap() = Some(match result {
            Err(_) => Outcome::Unwound,
            Ok(_) if shared => Outcome::Shared,
            Ok(_) => Outcome::Kept,
        });
    }));
    // Of one that was cancelled the rest may unwind.
    let end = subject.join();
    assert!(end.is_ok() || caller == Caller::Cancelled, "{name}");
    stop.store(true, Ordering::Relaxed);
    neighbour.join().unwrap();
    outcome.lock().unwrap().take().unwrap_or_else(|| panic!("{name} was not measured"))
}

fn assert_never_wait() {
    for row in NEVER_WAITS {
        for caller in [Caller::Plain, Caller::Cancelled, Caller::Late] {
            let outcome = measure(*row, caller, OFTEN);
            assert_eq!(outcome, Outcome::Kept, "{}, caller: {caller:?}", row.0);
        }
    }
}

#[test]
fn what_never_waits_neither_switches_nor_unwinds() {
    within(HUNG, || {
        LazyLock::force(&OTHER);
        runtime(1).run(assert_never_wait);
    });
}

#[mco::test(seeds = 3)]
fn what_never_waits_neither_switches_nor_unwinds_under_seeds() {
    assert_never_wait();
}

#[test]
fn what_may_wait_lets_others_have_their_turns() {
    within(HUNG, || {
        runtime(1).run(|| {
            for row in MAY_WAIT {
                let outcome = measure(*row, Caller::Plain, TURN);
                assert_eq!(outcome, Outcome::Shared, "{}", row.0);
            }
        });
    });
}

#[test]
fn what_may_wait_unwinds_who_is_cancelled_or_late() {
    within(HUNG, || {
        runtime(1).run(|| {
            for row in MAY_WAIT {
                for caller in [Caller::Cancelled, Caller::Late] {
                    let outcome = measure(*row, caller, TURN);
                    assert_eq!(outcome, Outcome::Unwound, "{}, caller: {caller:?}", row.0);
                }
            }
        });
    });
}

/// The operations whose documentation says this.
fn documented(sentence: &str) -> BTreeSet<String> {
    fn visit(folder: &Path, found: &mut dyn FnMut(&Path)) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { visit(&path, found) } else { found(&path) }
        }
    }
    let mut all = BTreeSet::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../mco/src"), &mut |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let file = path.file_stem().unwrap().to_str().unwrap();
        let (mut owner, mut says) = (None, false);
        for line in text.lines() {
            let code = line.trim_start();
            if let Some(rest) = code.strip_prefix("impl") {
                owner = Some(implementor(rest));
            } else if line.starts_with('}') {
                owner = None;
            }
            if code.starts_with("///") {
                says |= code.contains(sentence);
            } else if let Some(name) = function(code) {
                if std::mem::take(&mut says) {
                    all.insert(format!("{}::{name}", owner.unwrap_or(file)));
                }
            } else if !code.starts_with('#') {
                says = false;
            }
        }
    });
    assert!(!all.is_empty());
    all
}

/// The name of a public function that this line begins.
fn function(code: &str) -> Option<&str> {
    let rest = code.strip_prefix("pub const fn ").or_else(|| code.strip_prefix("pub fn "))?;
    rest.split(['(', '<']).next()
}

/// The type of an `impl`, whose rest this is.
fn implementor(rest: &str) -> &str {
    let (mut depth, mut before) = (0, ' ');
    let end_of_generics = rest.find(|c| {
        let is_arrow = std::mem::replace(&mut before, c) == '-';
        depth += i32::from(c == '<') - i32::from(c == '>' && !is_arrow);
        depth == 0
    });
    let rest = &rest[end_of_generics.map_or(0, |at| at + 1)..];
    let rest = rest.split_once(" for ").map_or(rest, |(_, of)| of);
    rest.trim_start().split(['<', ' ']).next().unwrap_or(rest)
}

#[test]
fn the_tables_are_what_is_documented() {
    for (table, sentence) in
        [(NEVER_WAITS, "ever waits](crate#what-waits)"), (MAY_WAIT, "ay wait](crate#what-waits)")]
    {
        let listed = table.iter().map(|row| row.0.to_owned()).filter(|name| name.contains("::"));
        assert_eq!(listed.collect::<BTreeSet<_>>(), documented(sentence), "{sentence}");
    }
}

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What people hold across a send: a std lock, and a borrow of a thread-local.
fn send_while_holding() {
    let (sender, _receiver) = unbounded();
    let count = Arc::new(StdMutex::new(0));
    let work = || {
        let (sender, count) = (sender.clone(), count.clone());
        move || {
            for _ in 0..OFTEN {
                let mut count = count.lock().unwrap();
                *count += 1;
                sender.send(*count).unwrap();
                drop(count);
                BUFFER.with_borrow_mut(|buffer| {
                    buffer.push(1);
                    sender.send(buffer.len()).unwrap();
                });
                coroutine::sleep(Duration::ZERO);
            }
        }
    };
    let (one, other) = (coroutine::spawn(work()), coroutine::spawn(work()));
    one.join().unwrap();
    other.join().unwrap();
}

#[test]
fn a_std_lock_may_be_held_across_what_never_waits() {
    within(HUNG, || runtime(1).run(send_while_holding));
}

#[mco::test(seeds = 5)]
fn a_std_lock_may_be_held_across_what_never_waits_under_seeds() {
    send_while_holding();
}

/// In a destructor that runs because of a cancel, and in a plain thread that is late.
#[test]
fn destructors_and_threads_may_send() {
    within(HUNG, || {
        let (sender, receiver) = mpsc::channel();
        let runtime = runtime(1);
        let (tells, told) = unbounded();
        let handle = runtime.spawn(move || {
            mco::defer!((0..OFTEN).for_each(|_| tells.send(1).unwrap()));
            sender.send(()).unwrap();
            coroutine::park();
        });
        receiver.recv().unwrap();
        handle.cancel();
        assert!(handle.join().is_err());
        assert_eq!(told.try_iter().count(), OFTEN);
        timeout(Duration::ZERO, assert_never_unwinds_in_a_thread).unwrap();
    });
}

fn assert_never_unwinds_in_a_thread() {
    let (sender, receiver) = unbounded();
    for _ in 0..OFTEN {
        sender.send(1).unwrap();
        assert_eq!(receiver.try_recv(), Ok(1));
    }
}
