//! Telling by its type whether an operation has an arm of its own.
//!
//! The macro sees `x.recv()` and not what `x` is. It calls `Probe(&x).recv_arm()`, with two traits in
//! scope: one for `Probe<X>` where `X` has the arm, one for `&Probe<X>` for every `X`. Method lookup
//! takes the first that applies.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::arms::{RecvArm, SendArm};
use super::operation::{Native, NoArm};
use crate::std::sync::{Receiver, Sender};
use crate::std::time::{Ticker, Time, Timer};

/// See the module.
pub struct Probe<'a, X: ?Sized>(pub &'a X);

impl<X: ?Sized> fmt::Debug for Probe<'_, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").finish_non_exhaustive()
    }
}

/// Defines a kind of operation without arguments: what has it, and the traits of the probe.
macro_rules! kind {
    ($(#[$doc:meta])* $select:ident, $native:ident, $foreign:ident, $is_native:ident, $arm:ident) => {
        $(#[$doc])*
        pub trait $select {
            type Arm<'a>: Native
            where
                Self: 'a;

            fn $arm(&self) -> Self::Arm<'_>;
        }

        kind!(@through $select, $arm, &X);
        kind!(@through $select, $arm, &mut X);
        kind!(@through $select, $arm, Box<X>);
        kind!(@through $select, $arm, Rc<X>);
        kind!(@through $select, $arm, Arc<X>);

        /// For what has the arm.
        pub trait $native {
            type Arm;

            fn $is_native(&self) -> bool {
                true
            }

            fn $arm(self) -> Self::Arm;
        }

        impl<'a, X: $select + ?Sized> $native for Probe<'a, X> {
            type Arm = X::Arm<'a>;

            fn $arm(self) -> X::Arm<'a> {
                self.0.$arm()
            }
        }

        /// For everything.
        pub trait $foreign: Sized {
            fn $is_native(&self) -> bool {
                false
            }

            fn $arm<O>(self) -> NoArm<O> {
                unreachable!("there is no arm for this type")
            }
        }

        impl<X: ?Sized> $foreign for &Probe<'_, X> {}
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
    SelectRecv, NativeRecv, ForeignRecv, recv_is_native, recv_arm
);
kind!(
    /// What `x.accept()` can wait for.
    SelectAccept, NativeAccept, ForeignAccept, accept_is_native, accept_arm
);
kind!(
    /// What `x.wait()` can wait for.
    SelectWait, NativeWait, ForeignWait, wait_is_native, wait_arm
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

send_through!(&X, &mut X, Box<X>, Rc<X>, Arc<X>);

/// For senders.
pub trait NativeSend<'a> {
    type Value;

    fn send_is_native(&self) -> bool {
        true
    }

    fn send_arm(self, value: Self::Value) -> SendArm<'a, Self::Value>;
}

impl<'a, X: SelectSend + ?Sized> NativeSend<'a> for Probe<'a, X> {
    type Value = X::Value;

    fn send_arm(self, value: X::Value) -> SendArm<'a, X::Value> {
        SendArm::new(self.0.sender().channel(), value)
    }
}

/// For everything.
pub trait ForeignSend: Sized {
    fn send_is_native(&self) -> bool {
        false
    }

    fn send_arm<V, O>(self, _: V) -> NoArm<O> {
        unreachable!("there is no arm for this type")
    }
}

impl<X: ?Sized> ForeignSend for &Probe<'_, X> {}
