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
            use ::mco::private::select::{
                NativeAccept as _, ForeignAccept as _, NativeWait as _, ForeignWait as _,
            };
            let mut operation0 = ::core::pin::pin!(
                if (& ::mco::private::select::Probe(& listener)).accept_is_native() {
                ::mco::private::select::Operation::native(::mco::private::select::Probe(&
                listener).accept_arm()) } else {
                ::mco::private::select::Operation::child(|| listener.accept()) }
            );
            let mut operation1 = ::core::pin::pin!(
                if (& ::mco::private::select::Probe(& flag)).wait_is_native() {
                ::mco::private::select::Operation::native(::mco::private::select::Probe(&
                flag).wait_arm()) } else { ::mco::private::select::Operation::child(||
                flag.wait()) }
            );
            let mut enabled = [true, true];
            let chosen = loop {
                let happened = ::mco::private::select::run(
                    &mut [operation0.as_mut(), operation1.as_mut()],
                    &mut enabled,
                    ::mco::private::select::Mode {
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
                    _ => ::mco::private::select::no_arm_left(),
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
