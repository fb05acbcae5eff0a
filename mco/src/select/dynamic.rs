//! A choice among operations that are added at run time.
//!
//! Each operation has an [`Arm`], and [`choice`] lets one of them happen, as for a `select!`. What
//! happens then is not the operation but that it is chosen: a receive sets its value aside, and a send takes a place
//! (see the module `aside` of channels). So nothing of the value's type has to be known here.

use std::fmt;
use std::pin::{Pin, pin};
use std::ptr;
use std::time::Duration;

use super::arms::{PlaceArm, RecvArm, sleep_arm};
use super::choice::{self, Mode};
use super::operation::Operation;
use super::{Arm, ArmEntry, ArmWaitInfo, DEFAULT, Deadline, SleepArm};
use crate::coroutine::Scope;
use crate::std::sync::channel::{Channel, RecvError, SendError};
use crate::std::sync::{Receiver, Sender};
use crate::std::time::Instant;
use crate::wait::SelectToken;

/// Waits for the first of several operations on channels, of which there may be any number: `select!` for what is not
/// known when the program is written.
///
/// Operations are added by [`send`](Select::send) and [`recv`](Select::recv), which return their index.
/// [`select`](Select::select) waits until one is possible, and chooses it: each of those that are possible is as likely as
/// any other. It is then *completed* by [`SelectedOperation::send`] or [`SelectedOperation::recv`] with the same
/// channel, which does not wait; nobody else can take its value or its place meanwhile. Dropped instead, it has not
/// happened, and the next receiver finds the value. An operation is possible, too, if the channel is closed: completing it
/// returns the error.
///
/// Of a channel without a buffer, the receiver that was there when a send was chosen may give up before the send is
/// completed. Then the value waits for the next receiver, as if the channel had a buffer. One that only tries, such
/// as `try_recv`, finds nothing where a `Select` waits to send, but has it choose that send, and finds the value
/// when it tries again.
///
/// [`ready`](Select::ready) only says which operation seems to be possible, and leaves it to the caller to try it.
/// Where it had to wait for a value, the value is the next one to be received; if there are other receivers, one of
/// them may have received a later one before.
///
/// # Examples
///
/// ```
/// use mco::std::sync::Select;
/// use mco::std::sync::channel::unbounded;
///
/// let channels: Vec<_> = (0..3).map(|_| unbounded()).collect();
/// for (n, (sender, _)) in channels.iter().enumerate() {
///     let sender = sender.clone();
///     mco::spawn(move || sender.send(n).unwrap());
/// }
/// let mut select = Select::new();
/// for (_, receiver) in &channels {
///     select.recv(receiver);
/// }
/// for _ in 0..3 {
///     let operation = select.select();
///     let index = operation.index();
///     assert_eq!(operation.recv(&channels[index].1), Ok(index));
///     select.remove(index);
/// }
/// ```
pub struct Select<'a> {
    /// By their index. `None`: it has been removed.
    operations: Vec<Option<Pin<Box<dyn Choosable<'a> + 'a>>>>,
    biased: bool,
}

/// An operation of a [`Select`].
trait Choosable<'a>: Arm {
    /// Whether it seems to be possible, to one that has no places in queues.
    fn is_possible(&self) -> bool;

    /// By the one that has happened: what has been chosen. From here on it is as new.
    fn chosen(self: Pin<&mut Self>) -> Chosen<'a>;
}

/// What an operation has been chosen for.
struct Chosen<'a> {
    /// `None`: it is closed.
    held: Option<&'a (dyn Held + 'a)>,
    /// The address of the channel.
    address: usize,
    is_send: bool,
}

/// A channel that holds something for an operation that has been chosen.
trait Held {
    fn give_up_send(&self);
    fn give_up_recv(&self);
}

impl<T> Held for Channel<T> {
    fn give_up_send(&self) {
        self.leave_place();
    }

    fn give_up_recv(&self) {
        self.give_back();
    }
}

impl Drop for Chosen<'_> {
    fn drop(&mut self) {
        match self.held.take() {
            None => {}
            Some(channel) if self.is_send => channel.give_up_send(),
            Some(channel) => channel.give_up_recv(),
        }
    }
}

type RecvOperation<'a, T> = Operation<'a, RecvArm<'a, T>, Result<T, RecvError>>;
type SendOperation<'a, T> = Operation<'a, PlaceArm<'a, T>, bool>;

impl<'a, N, O> Operation<'a, N, O> {
    /// Of one that has an arm.
    fn arm(&self) -> &N {
        match self {
            Operation::Selectable { arm } => arm,
            Operation::Child { .. } => unreachable!("it was made of an arm"),
        }
    }
}

impl<'a, T> Choosable<'a> for RecvOperation<'a, T> {
    fn is_possible(&self) -> bool {
        self.arm().channel().state().lock().can_take(&SelectToken::new())
    }

    fn chosen(mut self: Pin<&mut Self>) -> Chosen<'a> {
        let channel = self.arm().channel();
        let received = self.as_mut().output();
        self.set(Operation::native(RecvArm::new(channel)));
        let held = received.is_ok().then_some(channel as &dyn Held);
        received.into_iter().for_each(|value| channel.set_aside(value));
        Chosen { held, address: ptr::from_ref(channel).addr(), is_send: false }
    }
}

impl<'a, T> Choosable<'a> for SendOperation<'a, T> {
    fn is_possible(&self) -> bool {
        self.arm().channel().state().lock().can_put(&SelectToken::new())
    }

    fn chosen(mut self: Pin<&mut Self>) -> Chosen<'a> {
        let channel = self.arm().channel();
        let has_place = self.as_mut().output();
        self.set(Operation::native(PlaceArm::new(channel)));
        let held = has_place.then_some(channel as &dyn Held);
        Chosen { held, address: ptr::from_ref(channel).addr(), is_send: true }
    }
}

impl<'a> Select<'a> {
    /// Without operations. Of those that are possible any may be chosen.
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::sync::Select;
    /// use mco::std::sync::channel::bounded;
    ///
    /// let (sender, receiver) = bounded(1);
    /// let mut select = Select::new();
    /// let send = select.send(&sender);
    /// let recv = select.recv(&receiver);
    /// let operation = select.select();
    /// assert_eq!(operation.index(), send);
    /// operation.send(&sender, "hello").unwrap();
    ///
    /// let operation = select.select();
    /// assert_eq!(operation.index(), recv);
    /// assert_eq!(operation.recv(&receiver), Ok("hello"));
    /// ```
    #[must_use]
    pub fn new() -> Select<'a> {
        Select { operations: Vec::new(), biased: false }
    }

    /// Without operations. Of those that are possible the one that was added first is chosen.
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::sync::Select;
    /// use mco::std::sync::channel::unbounded;
    ///
    /// let (urgent, usual) = (unbounded(), unbounded());
    /// usual.0.send(1).unwrap();
    /// urgent.0.send(2).unwrap();
    /// let mut select = Select::new_biased();
    /// let first = select.recv(&urgent.1);
    /// select.recv(&usual.1);
    /// let operation = select.select();
    /// assert_eq!(operation.index(), first);
    /// assert_eq!(operation.recv(&urgent.1), Ok(2));
    /// ```
    #[must_use]
    pub fn new_biased() -> Select<'a> {
        Select { operations: Vec::new(), biased: true }
    }

    /// Adds the operation to send into a channel, and returns its index: how many have been added before.
    pub fn send<T>(&mut self, sender: &'a Sender<T>) -> usize {
        self.add(SendOperation::native(PlaceArm::new(sender.channel())))
    }

    /// Adds the operation to receive from a channel, and returns its index: how many have been added before.
    pub fn recv<T>(&mut self, receiver: &'a Receiver<T>) -> usize {
        self.add(RecvOperation::native(RecvArm::new(receiver.channel())))
    }

    fn add(&mut self, operation: impl Choosable<'a> + 'a) -> usize {
        self.operations.push(Some(Box::pin(operation)));
        self.operations.len() - 1
    }

    /// Takes an operation out, for example since its channel is closed. The others keep their indices.
    ///
    /// # Panics
    ///
    /// If there is none with this index, or it has been taken out before.
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::sync::Select;
    /// use mco::std::sync::channel::unbounded;
    ///
    /// let (_, closed) = unbounded::<u8>();
    /// let (_sender, open) = unbounded::<u8>();
    /// let mut select = Select::new();
    /// select.recv(&open);
    /// let index = select.recv(&closed);
    /// let operation = select.select();
    /// assert_eq!(operation.index(), index);
    /// assert!(operation.recv(&closed).is_err());
    /// select.remove(index);
    /// assert!(select.try_select().is_err());
    /// ```
    #[track_caller]
    pub fn remove(&mut self, index: usize) {
        let operation = self.operations.get_mut(index).and_then(Option::take);
        assert!(operation.is_some(), "there is no operation with the index {index} any more");
    }

    /// Waits until an operation is possible, and chooses it. [May wait](crate#what-waits).
    ///
    /// # Panics
    ///
    /// If there are no operations, which would be to wait for ever. [Unwinds](crate#cancelling) if the calling coroutine is cancelled while
    /// it waits; then none has been chosen.
    #[must_use = "an operation that is dropped has not happened"]
    #[track_caller]
    pub fn select(&mut self) -> SelectedOperation<'a> {
        self.assert_not_empty();
        self.choose(false, None).expect("it waits for one")
    }

    /// Chooses an operation if one is possible. [Never waits](crate#what-waits).
    ///
    /// # Errors
    ///
    /// If none was possible, at some moment during the call.
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::sync::Select;
    /// use mco::std::sync::channel::unbounded;
    ///
    /// let (sender, receiver) = unbounded();
    /// let mut select = Select::new();
    /// select.recv(&receiver);
    /// assert!(select.try_select().is_err());
    /// sender.send(1).unwrap();
    /// assert_eq!(select.try_select().unwrap().recv(&receiver), Ok(1));
    /// ```
    pub fn try_select(&mut self) -> Result<SelectedOperation<'a>, TrySelectError> {
        self.choose(true, None).ok_or(TrySelectError)
    }

    /// As [`select`](Select::select), for that long at most. Without operations it only waits.
    /// [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// If none was possible by then.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits; then none has been chosen.
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::sync::Select;
    /// use mco::std::sync::channel::never;
    /// use std::time::Duration;
    ///
    /// let never = never::<()>();
    /// let mut select = Select::new();
    /// select.recv(&never);
    /// assert!(select.select_timeout(Duration::from_millis(1)).is_err());
    /// ```
    #[track_caller]
    pub fn select_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        self.choose(false, Some(timeout)).ok_or(SelectTimeoutError)
    }

    /// As [`select_timeout`](Select::select_timeout), until a point of time: of [`::std::time`](std::time::Instant) or of
    /// mco's [`time`](Instant). [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// If none was possible by then.
    ///
    /// # Panics
    ///
    /// As there.
    #[track_caller]
    pub fn select_deadline(
        &mut self,
        deadline: impl Into<Instant>,
    ) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        self.select_timeout(deadline.into().duration_since(Instant::now()))
    }

    /// Waits until an operation seems to be possible, and says which. By the time that it is tried, somebody else may
    /// have been quicker. [May wait](crate#what-waits).
    ///
    /// # Panics
    ///
    /// As [`select`](Select::select).
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::sync::Select;
    /// use mco::std::sync::channel::unbounded;
    ///
    /// let (sender, receiver) = unbounded();
    /// mco::spawn(move || sender.send(1).unwrap());
    /// let mut select = Select::new();
    /// let index = select.recv(&receiver);
    /// assert_eq!(select.ready(), index);
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    #[track_caller]
    pub fn ready(&mut self) -> usize {
        self.assert_not_empty();
        self.look(false, None).expect("it waits for one")
    }

    /// Says which operation seems to be possible, if any. [Never waits](crate#what-waits).
    ///
    /// # Errors
    ///
    /// If none was possible, at some moment during the call.
    pub fn try_ready(&mut self) -> Result<usize, TryReadyError> {
        self.look(true, None).ok_or(TryReadyError)
    }

    /// As [`ready`](Select::ready), for that long at most. Without operations it only waits.
    /// [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// If none was possible by then.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits.
    #[track_caller]
    pub fn ready_timeout(&mut self, timeout: Duration) -> Result<usize, ReadyTimeoutError> {
        self.look(false, Some(timeout)).ok_or(ReadyTimeoutError)
    }

    /// As [`ready_timeout`](Select::ready_timeout), until a point of time. [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// If none was possible by then.
    ///
    /// # Panics
    ///
    /// As there.
    #[track_caller]
    pub fn ready_deadline(
        &mut self,
        deadline: impl Into<Instant>,
    ) -> Result<usize, ReadyTimeoutError> {
        self.ready_timeout(deadline.into().duration_since(Instant::now()))
    }

    #[track_caller]
    fn assert_not_empty(&self) {
        let has_any = self.operations.iter().any(Option::is_some);
        assert!(
            has_any,
            "a `Select` without operations would wait for ever; add one, or set a time limit"
        );
    }

    /// Lets one of the operations happen, and says which.
    #[track_caller]
    fn choose(&mut self, default: bool, limit: Option<Duration>) -> Option<SelectedOperation<'a>> {
        let mode = Mode { biased: self.biased, default };
        let arms = self.operations.iter_mut().flatten();
        let position = run(arms.map(|operation| operation.as_mut() as _), mode, limit)?;
        let (index, operation) = self.nth(position);
        Some(SelectedOperation { index, chosen: operation.chosen() })
    }

    /// Says which of the operations could happen.
    #[track_caller]
    fn look(&mut self, default: bool, limit: Option<Duration>) -> Option<usize> {
        let mode = Mode { biased: self.biased, default };
        let operations = self.operations.iter_mut().flatten();
        let mut looks: Vec<_> =
            operations.map(|operation| Look { operation: operation.as_mut() }).collect();
        let position = run(looks.iter_mut().map(|look| Pin::new(look) as _), mode, limit)?;
        drop(looks);
        Some(self.nth(position).0)
    }

    /// The one at that position among those that have not been removed, with its index.
    fn nth(&mut self, position: usize) -> (usize, Pin<&mut (dyn Choosable<'a> + 'a)>) {
        let operations = self.operations.iter_mut().enumerate();
        let mut left =
            operations.filter_map(|(index, operation)| Some((index, operation.as_mut()?)));
        let (index, operation) = left.nth(position).expect("it has just been there");
        (index, operation.as_mut())
    }
}

/// Has one of the arms happen; `None`, if the time is over before, or the mode says not to wait.
#[track_caller]
fn run<'b>(
    operations: impl Iterator<Item = Pin<&'b mut (dyn Arm + 'b)>>,
    mode: Mode,
    limit: Option<Duration>,
) -> Option<usize> {
    let limit = limit.map(|limit| Operation::<SleepArm, ()>::native(sleep_arm(limit)));
    let mut limit = pin!(limit);
    let mut arms: Vec<Pin<&mut dyn Arm>> = Vec::new();
    for operation in operations {
        arms.push(operation);
    }
    let count = arms.len();
    if mode.default && count == 0 {
        return None;
    }
    // After all the others: it is not too late for what is possible when the time is over.
    let fixed = usize::from(limit.is_some());
    if let Some(limit) = limit.as_mut().as_pin_mut() {
        arms.push(limit);
    }
    let chosen = choice::run_many(&mut arms, mode, fixed);
    (chosen != DEFAULT && chosen < count).then_some(chosen)
}

/// The arm of an operation that is only looked at.
struct Look<'a, 'b> {
    operation: Pin<&'b mut (dyn Choosable<'a> + 'a)>,
}

impl Arm for Look<'_, '_> {
    fn poll(self: Pin<&mut Self>) -> bool {
        self.operation.is_possible()
    }

    #[expect(unsafe_code, reason = "as in `Arm`")]
    unsafe fn enter(self: Pin<&mut Self>, entry: &ArmEntry<'_>) -> bool {
        // SAFETY: the caller's promise.
        unsafe { self.get_mut().operation.as_mut().enter(entry) }
    }

    fn leave(self: Pin<&mut Self>) {
        self.get_mut().operation.as_mut().leave();
    }

    fn complete(self: Pin<&mut Self>) {
        let operation = &mut self.get_mut().operation;
        operation.as_mut().complete();
        // What it has been given goes back.
        drop(operation.as_mut().chosen());
    }

    fn deadline(&self) -> Deadline {
        Deadline(None)
    }

    fn wait_info(&self) -> ArmWaitInfo {
        self.operation.wait_info()
    }

    fn is_ready_now(&self) -> bool {
        self.operation.is_ready_now()
    }

    fn wants_child(&self) -> bool {
        false
    }

    fn start<'scope>(self: Pin<&mut Self>, _: &'scope Scope<'scope, '_>)
    where
        Self: 'scope,
    {
    }

    fn cancel(self: Pin<&mut Self>) {}
}

impl Default for Select<'_> {
    fn default() -> Self {
        Select::new()
    }
}

impl fmt::Debug for Select<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operations = self.operations.iter().flatten().count();
        f.debug_struct("Select").field("operations", &operations).finish_non_exhaustive()
    }
}

/// An operation that a [`Select`] has chosen, to be completed. Dropped instead, it has not happened.
#[must_use = "an operation that is dropped has not happened"]
pub struct SelectedOperation<'a> {
    index: usize,
    chosen: Chosen<'a>,
}

impl SelectedOperation<'_> {
    /// Which one it is.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Completes a send. [Never waits](crate#what-waits).
    ///
    /// # Errors
    ///
    /// If all receivers are gone; the error holds the value.
    ///
    /// # Panics
    ///
    /// If it is no send, or one into another channel.
    #[track_caller]
    pub fn send<T>(mut self, sender: &Sender<T>, value: T) -> Result<(), SendError<T>> {
        assert!(self.chosen.is_send, "the operation {} is to receive, and not to send", self.index);
        self.assert_of(sender.channel());
        match self.chosen.held.take() {
            None => Err(SendError(value)),
            Some(_) => sender.channel().send_to_place(value).map_err(SendError),
        }
    }

    /// Completes a receive. [Never waits](crate#what-waits).
    ///
    /// # Errors
    ///
    /// If the channel is empty and all senders are gone.
    ///
    /// # Panics
    ///
    /// If it is no receive, or one from another channel.
    #[track_caller]
    pub fn recv<T>(mut self, receiver: &Receiver<T>) -> Result<T, RecvError> {
        assert!(
            !self.chosen.is_send,
            "the operation {} is to send, and not to receive",
            self.index
        );
        self.assert_of(receiver.channel());
        match self.chosen.held.take() {
            None => Err(RecvError),
            Some(_) => Ok(receiver.channel().take_aside()),
        }
    }

    #[track_caller]
    fn assert_of<T>(&self, channel: &Channel<T>) {
        assert!(
            ptr::from_ref(channel).addr() == self.chosen.address,
            "the operation {} is to be completed with the channel that it was added with",
            self.index
        );
    }
}

impl fmt::Debug for SelectedOperation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelectedOperation").field("index", &self.index).finish_non_exhaustive()
    }
}

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident: $text:literal),*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name;

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($text)
            }
        }

        impl std::error::Error for $name {}
    )*};
}

errors! {
    /// The error of [`Select::try_select`].
    TrySelectError: "all operations in the `Select` would have to wait",
    /// The error of [`Select::select_timeout`] and [`Select::select_deadline`].
    SelectTimeoutError: "no operation in the `Select` was possible in the time given",
    /// The error of [`Select::try_ready`].
    TryReadyError: "no operation in the `Select` is ready",
    /// The error of [`Select::ready_timeout`] and [`Select::ready_deadline`].
    ReadyTimeoutError: "no operation in the `Select` was ready in the time given"
}
