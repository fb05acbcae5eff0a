// select! {
// Ok(mut value) = receiver.recv(), if is_open => { value += 1; one(value) }
// Err(_) = receiver.recv() => two(),
// else => three(),
// }

fn here() {
    {
        enum __Selected<A0, A1, A2> {
            B0(A0),
            B1(A1),
            B2(A2),
        }
        let guard0 = if is_open { true } else { false };
        let chosen = {
            #[allow(unused_imports)]
            use ::mco::macro_support::select::{NativeRecv as _, ForeignRecv as _};
            let mut operation0 = ::core::pin::pin!(
                { let kind = { use ::mco::macro_support::select::OwnRecv as _;
                #[allow(unreachable_code, unused_imports)] if true {
                ::mco::macro_support::select::kind() } else {
                ::mco::macro_support::select::never();
                ::mco::macro_support::select::kind_of((* & receiver).recv()) } }; let
                probe = ::mco::macro_support::select::probe(& receiver, kind); if (&
                probe).recv_is_native() {
                ::mco::macro_support::select::Operation::native(probe.recv_arm(&
                receiver)) } else { probe.recv_child(|| receiver.recv()) } }
            );
            let mut enabled = [true];
            let chosen = loop {
                let happened = ::mco::macro_support::select::run(
                    &mut [operation0.as_mut()],
                    &mut enabled,
                    ::mco::macro_support::select::Mode {
                        biased: false,
                        default: false,
                    },
                );
                match happened {
                    0 => {
                        match operation0.as_mut().output() {
                            Ok(value) if guard0 => break __Selected::B0((value,)),
                            Err(_) => break __Selected::B1(()),
                            #[allow(unreachable_patterns)]
                            _ => enabled[0] = false,
                        }
                    }
                    _ => break __Selected::B2(()),
                }
            };
            chosen
        };
        match chosen {
            __Selected::B0((mut value,)) => {
                value += 1;
                one(value)
            }
            __Selected::B1(()) => two(),
            __Selected::B2(()) => three(),
        }
    }
}
