// select! {
// value = receiver.recv() => body(value),
// }

fn here() {
    {
        enum __Selected<A0> {
            B0(A0),
        }
        let chosen = {
            #[allow(unused_imports)]
            use ::mco::private::select::{NativeRecv as _, ForeignRecv as _};
            let mut operation0 = ::core::pin::pin!(
                { let kind = { use ::mco::private::select::OwnRecv as _;
                #[allow(unreachable_code, unused_imports)] if true {
                ::mco::private::select::kind() } else { ::mco::private::select::never();
                ::mco::private::select::kind_of((* & receiver).recv()) } }; let probe =
                ::mco::private::select::probe(& receiver, kind); if (& probe)
                .recv_is_native() { ::mco::private::select::Operation::native(probe
                .recv_arm(& receiver)) } else { probe.recv_child(|| receiver.recv()) } }
            );
            let mut enabled = [true];
            let chosen = loop {
                let happened = ::mco::private::select::run(
                    &mut [operation0.as_mut()],
                    &mut enabled,
                    ::mco::private::select::Mode {
                        biased: false,
                        default: false,
                    },
                );
                match happened {
                    0 => {
                        match operation0.as_mut().output() {
                            value => break __Selected::B0((value,)),
                        }
                    }
                    _ => ::mco::private::select::no_arm_left(),
                }
            };
            chosen
        };
        match chosen {
            __Selected::B0((value,)) => body(value),
        }
    }
}
