// select! {
// crate = rt;
// _ = receiver.recv() => {}
// }

fn here() {
    {
        enum __Selected<A0> {
            B0(A0),
        }
        let chosen = {
            #[allow(unused_imports)]
            use rt::private::select::{NativeRecv as _, ForeignRecv as _};
            let mut operation0 = ::core::pin::pin!(
                { let kind = { use rt::private::select::OwnRecv as _;
                #[allow(unreachable_code, unused_imports)] if true {
                rt::private::select::kind() } else { rt::private::select::never();
                rt::private::select::kind_of((* & receiver).recv()) } }; let probe =
                rt::private::select::probe(& receiver, kind); if (& probe)
                .recv_is_native() { rt::private::select::Operation::native(probe
                .recv_arm(& receiver)) } else { probe.recv_child(|| receiver.recv()) } }
            );
            let mut enabled = [true];
            let chosen = loop {
                let happened = rt::private::select::run(
                    &mut [operation0.as_mut()],
                    &mut enabled,
                    rt::private::select::Mode {
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
                    _ => rt::private::select::no_arm_left(),
                }
            };
            chosen
        };
        match chosen {
            __Selected::B0(()) => {}
        }
    }
}
