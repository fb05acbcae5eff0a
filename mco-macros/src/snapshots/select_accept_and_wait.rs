// select! {
// _ = listener.accept() => one(),
// _ = flag.wait() => two(),
// }

fn here() {
    {
        enum __Selected<A0, A1> {
            B0(A0),
            B1(A1),
        }
        let chosen = {
            #[allow(unused_imports)]
            use ::mco::macro_support::select::{
                NativeAccept as _, ForeignAccept as _, NativeWait as _, ForeignWait as _,
            };
            let mut operation0 = ::core::pin::pin!(
                { let kind = { use ::mco::macro_support::select::OwnAccept as _;
                #[allow(unreachable_code, unused_imports)] if true {
                ::mco::macro_support::select::kind() } else {
                ::mco::macro_support::select::never();
                ::mco::macro_support::select::kind_of((* & listener).accept()) } }; let
                probe = ::mco::macro_support::select::probe(& listener, kind); if (&
                probe).accept_is_native() {
                ::mco::macro_support::select::Operation::native(probe.accept_arm(&
                listener)) } else { probe.accept_child(|| listener.accept()) } }
            );
            let mut operation1 = ::core::pin::pin!(
                { let kind = { use ::mco::macro_support::select::OwnWait as _;
                #[allow(unreachable_code, unused_imports)] if true {
                ::mco::macro_support::select::kind() } else {
                ::mco::macro_support::select::never();
                ::mco::macro_support::select::kind_of((* & flag).wait()) } }; let probe =
                ::mco::macro_support::select::probe(& flag, kind); if (& probe)
                .wait_is_native() { ::mco::macro_support::select::Operation::native(probe
                .wait_arm(& flag)) } else { probe.wait_child(|| flag.wait()) } }
            );
            let mut enabled = [true, true];
            let chosen = loop {
                let happened = ::mco::macro_support::select::run(
                    &mut [operation0.as_mut(), operation1.as_mut()],
                    &mut enabled,
                    ::mco::macro_support::select::Mode {
                        biased: false,
                        default: false,
                    },
                );
                match happened {
                    0 => {
                        match operation0.as_mut().output() {
                            _ => break __Selected::B0(()),
                        }
                    }
                    1 => {
                        match operation1.as_mut().output() {
                            _ => break __Selected::B1(()),
                        }
                    }
                    _ => ::mco::macro_support::select::no_arm_left(),
                }
            };
            chosen
        };
        match chosen {
            __Selected::B0(()) => one(),
            __Selected::B1(()) => two(),
        }
    }
}
