//! What `go!` and a [`Builder`] can spawn onto.

use std::panic::Location;

use super::{Builder, Group, JoinHandle, Scope, ScopedJoinHandle};

impl Builder {
    /// Spawns a coroutine that borrows from a scope. See [`Scope::spawn`].
    /// [Never waits](crate#what-waits).
    #[track_caller]
    pub fn spawn_scoped<'scope, F, T>(
        self,
        scope: &'scope Scope<'scope, '_>,
        f: F,
    ) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        scope.spawn_with(self, Location::caller(), f)
    }
}

/// What `go!(target, closure)` accepts as its target: a [`Scope`], a [`Group`], or what can be made a builder.
///
/// # Examples
///
/// ```
/// use mco::coroutine::Spawn;
///
/// let named = "worker".spawn_on(|| mco::coroutine::current().name().map(str::to_owned));
/// assert_eq!(named.join().unwrap().as_deref(), Some("worker"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the target of `go!`",
    label = "not a target",
    note = "a target is a `Builder`, a `&Scope`, a `&Group`, a name (`&str` or `String`), a stack size in bytes \
            (`usize` or `i32`), or a name and a stack size"
)]
pub trait Spawn<F> {
    /// What the spawn returns.
    type Handle;

    /// Spawns `f` as this says.
    fn spawn_on(self, f: F) -> Self::Handle;
}

/// What stands for a [`Builder`]: a name, a stack size in bytes, or both.
///
/// # Examples
///
/// ```
/// use mco::coroutine::IntoBuilder;
///
/// let small = ("worker", 64 * 1024usize).into_builder();
/// assert_eq!(small.spawn(|| 42).join().unwrap(), 42);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the target of `go!`",
    label = "not a target",
    note = "a target is a `Builder`, a `&Scope`, a `&Group`, a name (`&str` or `String`), a stack size in bytes \
            (`usize` or `i32`), or a name and a stack size"
)]
pub trait IntoBuilder {
    /// The builder that it stands for.
    fn into_builder(self) -> Builder;
}

impl<B, F, T> Spawn<F> for B
where
    B: IntoBuilder,
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    type Handle = JoinHandle<T>;

    #[track_caller]
    fn spawn_on(self, f: F) -> JoinHandle<T> {
        self.into_builder().spawn(f)
    }
}

impl<'scope, F, T> Spawn<F> for &'scope Scope<'scope, '_>
where
    F: FnOnce() -> T + Send + 'scope,
    T: Send + 'scope,
{
    type Handle = ScopedJoinHandle<'scope, T>;

    #[track_caller]
    fn spawn_on(self, f: F) -> ScopedJoinHandle<'scope, T> {
        self.spawn(f)
    }
}

impl<'scope, 'env, F, T, E> Spawn<F> for &Group<'scope, 'env, T, E>
where
    F: FnOnce() -> Result<T, E> + Send + 'scope,
    T: Send + 'env,
    E: Send + 'env,
{
    type Handle = ();

    #[track_caller]
    fn spawn_on(self, f: F) {
        self.spawn(f);
    }
}

macro_rules! into_builder {
    ($($target:ty: |$self:ident| $builder:expr;)*) => {$(
        impl IntoBuilder for $target {
            fn into_builder($self) -> Builder {
                $builder
            }
        }
    )*};
}

into_builder! {
    Builder: |self| self;
    &str: |self| Builder::new().name(self);
    String: |self| Builder::new().name(self);
    usize: |self| Builder::new().stack_size(self);
    i32: |self| Builder::new().stack_size(bytes(self));
    (&str, usize): |self| Builder::new().name(self.0).stack_size(self.1);
    (&str, i32): |self| Builder::new().name(self.0).stack_size(bytes(self.1));
    (String, usize): |self| Builder::new().name(self.0).stack_size(self.1);
    (String, i32): |self| Builder::new().name(self.0).stack_size(bytes(self.1));
}

/// A negative size is as little of a stack as none.
fn bytes(size: i32) -> usize {
    usize::try_from(size).unwrap_or(0)
}
