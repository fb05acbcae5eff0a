//! Which addresses are names, to be looked up without blocking a worker.
//!
//! Addresses come as any type that has std's trait. Of its own types some are texts, which are recognised here by their
//! type, although they may borrow, so that they are no `Any`.

#![allow(unsafe_code)]

use std::any::TypeId;
use std::marker::PhantomData;
use std::mem;

/// A text that may have to be looked up.
pub(super) enum Name<'a> {
    /// `host:port`.
    WithPort(&'a str),
    Host(&'a str, u16),
}

/// The type's, whatever its lifetimes are.
fn type_id<T: ?Sized>() -> TypeId {
    trait Erased {
        fn type_id(&self) -> TypeId
        where
            Self: 'static;
    }
    impl<T: ?Sized> Erased for PhantomData<T> {
        fn type_id(&self) -> TypeId
        where
            Self: 'static,
        {
            TypeId::of::<T>()
        }
    }
    let phantom = PhantomData::<T>;
    let erased: &dyn Erased = &phantom;
    // SAFETY: only the lifetime changes, and the method reads nothing.
    let erased = unsafe { mem::transmute::<&dyn Erased, &(dyn Erased + 'static)>(erased) };
    erased.type_id()
}

/// The text, if `addrs` is one of std's types that hold one.
pub(super) fn name<'a, A: ?Sized>(addrs: &'a A) -> Option<Name<'a>> {
    /// `addrs` as a reference to `$here`, if its type is `$type`, which is the same with other lifetimes.
    macro_rules! if_it_is {
        ($type:ty, $here:ty, $value:ident => $name:expr) => {
            if type_id::<A>() == TypeId::of::<$type>() {
                // SAFETY: it is of that type but for its lifetimes, which outlive `'a`, since `A` does.
                let $value = unsafe { mem::transmute_copy::<&'a A, &'a $here>(&addrs) };
                return Some($name);
            }
        };
    }
    if_it_is!(str, str, text => Name::WithPort(text));
    if_it_is!(String, String, text => Name::WithPort(text));
    if_it_is!(&'static str, &'a str, text => Name::WithPort(text));
    if_it_is!(&'static String, &'a String, text => Name::WithPort(text));
    if_it_is!(&'static &'static str, &'a &'a str, text => Name::WithPort(text));
    if_it_is!((&'static str, u16), (&'a str, u16), both => Name::Host(both.0, both.1));
    if_it_is!((String, u16), (String, u16), both => Name::Host(&both.0, both.1));
    if_it_is!(&'static (&'static str, u16), &'a (&'a str, u16), both => Name::Host(both.0, both.1));
    if_it_is!(&'static (String, u16), &'a (String, u16), both => Name::Host(&both.0, both.1));
    None
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;

    fn text<A: ?Sized>(addrs: &A) -> Option<String> {
        name(addrs).map(|name| match name {
            Name::WithPort(text) => text.to_owned(),
            Name::Host(host, port) => format!("{host}:{port}"),
        })
    }

    #[test]
    fn texts_are_recognised_however_long_they_live() {
        let owned = String::from("a:1");
        let borrowed = owned.as_str();
        assert_eq!(text(borrowed).as_deref(), Some("a:1"));
        assert_eq!(text(&borrowed).as_deref(), Some("a:1"));
        assert_eq!(text(&&borrowed).as_deref(), Some("a:1"));
        assert_eq!(text(&owned).as_deref(), Some("a:1"));
        assert_eq!(text(&&owned).as_deref(), Some("a:1"));
        let (host, owned) = ((&borrowed[..1], 1u16), ("a".to_owned(), 1u16));
        assert_eq!(text(&host).as_deref(), Some("a:1"));
        assert_eq!(text(&&host).as_deref(), Some("a:1"));
        assert_eq!(text(&owned).as_deref(), Some("a:1"));
        assert_eq!(text(&&owned).as_deref(), Some("a:1"));
    }

    #[test]
    fn addresses_are_no_texts() {
        let address: SocketAddr = (Ipv4Addr::LOCALHOST, 1).into();
        assert!(text(&address).is_none() && text(&[address][..]).is_none());
        assert!(text(&(Ipv4Addr::LOCALHOST, 1u16)).is_none());
        assert!(text(&b"a:1"[..]).is_none());
    }
}
