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
            use rt::macro_support::select::{NativeRecv as _, ForeignRecv as _};
            let mut operation0 = ::core::pin::pin!(
                { let kind = { use rt::macro_support::select::OwnRecv as _;
                #[allow(unreachable_code, unused_imports)] if true {
                rt::macro_support::select::kind() } else {
                rt::macro_support::select::never(); rt::macro_support::select::kind_of((*
                & receiver).recv()) } }; let probe = rt::macro_support::select::probe(&
                receiver, kind); if (& probe).recv_is_native() {
                rt::macro_support::select::Operation::native(probe.recv_arm(& receiver))
                } else { probe.recv_child(|| receiver.recv()) } }
            );
            let mut enabled = [true];
            let chosen = loop {
                let happened = rt::macro_support::select::run(
                    &mut [operation0.as_mut()],
                    &mut enabled,
                    rt::macro_support::select::Mode {
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
                    _ => rt::macro_support::select::no_arm_left(),
                }
            };
            chosen
        };
        match chosen {
            __Selected::B0(()) => {}
        }
    }
}
