// select! {
// biased;
// Pair { x, y: Some(y) } = receiver.recv() => x + y,
// default => 0,
// }

fn here() {
    {
        enum __Selected<A0, A1> {
            B0(A0),
            B1(A1),
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
                        biased: true,
                        default: true,
                    },
                );
                match happened {
                    0 => {
                        match operation0.as_mut().output() {
                            Pair { x, y: Some(y) } => break __Selected::B0((x, y)),
                            #[allow(unreachable_patterns)]
                            _ => enabled[0] = false,
                        }
                    }
                    _ => break __Selected::B1(()),
                }
            };
            chosen
        };
        match chosen {
            __Selected::B0((x, y)) => x + y,
            __Selected::B1(()) => 0,
        }
    }
}
