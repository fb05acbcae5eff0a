//! Finds out by types whether an operation has an arm of its own.
//!
//! The macro sees `x.recv()`, but neither the type of `x` nor whose method that is: a type of the user's that derefs to
//! a receiver may have a `recv` of its own. So the expansion has the compiler look the method up:
//!
//! ```text
//!   let kind = { use OwnRecv as _; if true { kind() } else { never(); kind_of((*&x).recv()) } };
//!   let probe = probe(&x, kind);
//!   if (&probe).recv_is_native() { native(probe.recv_arm(&x)) } else { probe.recv_child(|| x.recv()) }
//! ```
//!
//! - `OwnRecv::recv` takes a receiver by value, and `Receiver::recv` by reference. At each step of a chain of `Deref`
//!   the compiler tries methods that take `self` by value first. So `OwnRecv`'s method, which returns [`Own`], is called
//!   exactly where the receiver's own would be; where another type's method comes first, that one is. The call stands
//!   behind a `never()`, so nothing runs and nothing is moved: only its type matters. `*&x` is the place `x`, but does
//!   not make a closure around the `select!` capture `x` by value.
//! - On a `&Receiver` the compiler finds the receiver's own method first, since that takes exactly this. So a receiver
//!   behind references alone is recognised by its type, if the type of the call is that of its operation.
//! - The methods of `probe` belong to two traits: one for a probe of a type that has the arm, and one for a reference to
//!   any probe. Method lookup takes the first that applies. Only the second asks that the closure be `Send`, since
//!   nothing of an arm goes to another thread.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use super::arms::{RecvArm, SendArm};
use super::operation::{NeverArm, Operation, Selectable};
use crate::std::sync::channel::SendError;
use crate::std::sync::{Receiver, Sender, oneshot};
use crate::std::time::{Ticker, Time, Timer};

/// The type of a call that is of `R`'s own method, in place of that of its result.
pub struct Own<R>(PhantomData<fn() -> R>);

impl<R> fmt::Debug for Own<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Own").finish_non_exhaustive()
    }
}

/// The return type of a method, without a value.
pub type Kind<K> = PhantomData<fn() -> K>;

/// A kind that is inferred from elsewhere.
#[must_use]
pub fn kind<K>() -> Kind<K> {
    PhantomData
}

/// The kind of an expression that is never evaluated.
pub fn kind_of<K>(_: K) -> Kind<K> {
    PhantomData
}

/// Stands before an expression that is there for its type only.
pub fn never() -> ! {
    unreachable!("this is here for its type only")
}

/// See the module. `X` is the type that the method is called on, `K` the kind of the call.
pub struct Probe<X: ?Sized, K>(PhantomData<fn(&X) -> K>);

impl<X: ?Sized, K> Clone for Probe<X, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<X: ?Sized, K> Copy for Probe<X, K> {}

impl<X: ?Sized, K> fmt::Debug for Probe<X, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").finish_non_exhaustive()
    }
}

pub fn probe<X: ?Sized, K>(_: &X, _: Kind<K>) -> Probe<X, K> {
    Probe(PhantomData)
}

/// Is an `R`, or leads to one by `Deref`: in `N` steps, which the compiler counts.
pub trait Reach<R, N> {
    fn reach(&self) -> &R;
}

/// No step.
#[derive(Debug)]
pub struct Here;

/// One step more.
#[derive(Debug)]
pub struct Behind<N>(PhantomData<N>);

impl<R> Reach<R, Here> for R {
    fn reach(&self) -> &R {
        self
    }
}

impl<X: Deref<Target: Reach<R, N>> + ?Sized, R, N> Reach<R, Behind<N>> for X {
    fn reach(&self) -> &R {
        (**self).reach()
    }
}

/// How an arm was recognised: by the method that is called, or by the type that it is called on.
#[derive(Debug)]
pub struct ByMethod<N>(PhantomData<N>);

/// See [`ByMethod`].
#[derive(Debug)]
pub struct ByType;

/// Defines a kind of operation without arguments: what has it, and the traits of the probe.
macro_rules! kind {
    (
        $(#[$doc:meta])*
        $select:ident, $own:ident, $native:ident, $foreign:ident,
        $method:ident, $is_native:ident, $arm:ident, $child:ident
    ) => {
        $(#[$doc])*
        pub trait $select {
            type Arm<'a>: Selectable
            where
                Self: 'a;

            fn $arm(&self) -> Self::Arm<'_>;
        }

        kind!(@through $select, $arm, &X);
        kind!(@through $select, $arm, &mut X);

        /// In scope where the method is looked up.
        pub trait $own: $select + Sized {
            fn $method(self) -> Own<Self> {
                never()
            }
        }

        impl<R: $select> $own for R {}

        /// For what has the arm.
        pub trait $native<'a, N>: Sized {
            type On: ?Sized + 'a;
            type Arm: Selectable;

            fn $is_native(&self) -> bool {
                true
            }

            fn $arm(self, on: &'a Self::On) -> Self::Arm;

            #[track_caller]
            fn $child<'c, O>(self, _: impl FnOnce() -> O) -> Operation<'c, Self::Arm, O> {
                unreachable!("what has an arm of its own needs no child")
            }
        }

        impl<'a, X, R, N> $native<'a, ByMethod<N>> for Probe<X, Own<R>>
        where
            X: Reach<R, N> + ?Sized + 'a,
            R: $select + 'a,
        {
            type On = X;
            type Arm = R::Arm<'a>;

            fn $arm(self, on: &'a X) -> R::Arm<'a> {
                on.reach().$arm()
            }
        }

        impl<'a, X, K> $native<'a, ByType> for Probe<X, K>
        where
            X: $select<Arm<'a>: Selectable<Output = K>> + ?Sized + 'a,
        {
            type On = X;
            type Arm = X::Arm<'a>;

            fn $arm(self, on: &'a X) -> X::Arm<'a> {
                on.$arm()
            }
        }

        /// For everything.
        pub trait $foreign: Sized {
            fn $is_native(&self) -> bool {
                false
            }

            fn $arm<X: ?Sized, O>(self, _: &X) -> NeverArm<O> {
                unreachable!("there is no arm for this type")
            }

            #[track_caller]
            fn $child<'c, O: Send + 'c>(
                self,
                child: impl FnOnce() -> O + Send + 'c,
            ) -> Operation<'c, NeverArm<O>, O> {
                Operation::child(child)
            }
        }

        impl<X: ?Sized, K> $foreign for &Probe<X, K> {}
    };
    (@through $select:ident, $arm:ident, $pointer:ty) => {
        impl<X: $select + ?Sized> $select for $pointer {
            type Arm<'a>
                = X::Arm<'a>
            where
                Self: 'a;

            fn $arm(&self) -> X::Arm<'_> {
                (**self).$arm()
            }
        }
    };
}

kind!(
    /// What `x.recv()` can wait for.
    SelectRecv, OwnRecv, NativeRecv, ForeignRecv, recv, recv_is_native, recv_arm, recv_child
);
kind!(
    /// What `x.accept()` can wait for.
    SelectAccept, OwnAccept, NativeAccept, ForeignAccept,
    accept, accept_is_native, accept_arm, accept_child
);
kind!(
    /// What `x.wait()` can wait for.
    SelectWait, OwnWait, NativeWait, ForeignWait, wait, wait_is_native, wait_arm, wait_child
);

impl<T> SelectRecv for Receiver<T> {
    type Arm<'a>
        = RecvArm<'a, T>
    where
        T: 'a;

    fn recv_arm(&self) -> RecvArm<'_, T> {
        RecvArm::new(self.channel())
    }
}

impl<T> SelectRecv for oneshot::Receiver<T> {
    type Arm<'a>
        = RecvArm<'a, T>
    where
        T: 'a;

    fn recv_arm(&self) -> RecvArm<'_, T> {
        self.receiver().recv_arm()
    }
}

impl SelectRecv for Timer {
    type Arm<'a> = RecvArm<'a, Time>;

    fn recv_arm(&self) -> RecvArm<'_, Time> {
        self.receiver().recv_arm()
    }
}

impl SelectRecv for Ticker {
    type Arm<'a> = RecvArm<'a, Time>;

    fn recv_arm(&self) -> RecvArm<'_, Time> {
        self.receiver().recv_arm()
    }
}

/// What `x.send(value)` can wait for.
pub trait SelectSend {
    type Value;

    fn sender(&self) -> &Sender<Self::Value>;
}

impl<T> SelectSend for Sender<T> {
    type Value = T;

    fn sender(&self) -> &Sender<T> {
        self
    }
}

macro_rules! send_through {
    ($($pointer:ty),*) => {$(
        impl<X: SelectSend + ?Sized> SelectSend for $pointer {
            type Value = X::Value;

            fn sender(&self) -> &Sender<X::Value> {
                (**self).sender()
            }
        }
    )*};
}

send_through!(&X, &mut X);

/// In scope where the method is looked up.
pub trait OwnSend: SelectSend + Sized {
    /// Of any value: whether it is the right one is said where it is sent.
    fn send<V>(self, _: V) -> Own<Self> {
        never()
    }
}

impl<R: SelectSend> OwnSend for R {}

/// For senders.
pub trait NativeSend<'a, N>: Sized {
    type On: ?Sized + 'a;
    type Value: 'a;

    fn send_is_native(&self) -> bool {
        true
    }

    fn send_arm(self, on: &'a Self::On, value: Self::Value) -> SendArm<'a, Self::Value>;

    #[track_caller]
    fn send_child<'c, O>(
        self,
        _: impl FnOnce() -> O,
    ) -> Operation<'c, SendArm<'a, Self::Value>, O> {
        unreachable!("what has an arm of its own needs no child")
    }
}

impl<'a, X, R, N> NativeSend<'a, ByMethod<N>> for Probe<X, Own<R>>
where
    X: Reach<R, N> + ?Sized + 'a,
    R: SelectSend<Value: 'a> + 'a,
{
    type On = X;
    type Value = R::Value;

    fn send_arm(self, on: &'a X, value: R::Value) -> SendArm<'a, R::Value> {
        SendArm::new(on.reach().sender().channel(), value)
    }
}

impl<'a, X> NativeSend<'a, ByType> for Probe<X, Result<(), SendError<X::Value>>>
where
    X: SelectSend<Value: 'a> + ?Sized + 'a,
{
    type On = X;
    type Value = X::Value;

    fn send_arm(self, on: &'a X, value: X::Value) -> SendArm<'a, X::Value> {
        SendArm::new(on.sender().channel(), value)
    }
}

/// For everything.
pub trait ForeignSend: Sized {
    fn send_is_native(&self) -> bool {
        false
    }

    fn send_arm<X: ?Sized, V, O>(self, _: &X, _: V) -> NeverArm<O> {
        unreachable!("there is no arm for this type")
    }

    #[track_caller]
    fn send_child<'c, O: Send + 'c>(
        self,
        child: impl FnOnce() -> O + Send + 'c,
    ) -> Operation<'c, NeverArm<O>, O> {
        Operation::child(child)
    }
}

impl<X: ?Sized, K> ForeignSend for &Probe<X, K> {}
