// select! {
// result = sender.send(next()) => body(result),
// }

fn here() {
    {
        enum __Selected<A0> {
            B0(A0),
        }
        let chosen = match (next(),) {
            mut operands => {
                #[allow(unused_imports)]
                use ::mco::macro_support::select::{NativeSend as _, ForeignSend as _};
                let mut operation0 = ::core::pin::pin!(
                    { let kind = { use ::mco::macro_support::select::OwnSend as _;
                    #[allow(unreachable_code, unused_imports)] if true {
                    ::mco::macro_support::select::kind() } else {
                    ::mco::macro_support::select::never();
                    ::mco::macro_support::select::kind_of((* & sender).send(operands.0))
                    } }; let probe = ::mco::macro_support::select::probe(& sender, kind);
                    if (& probe).send_is_native() {
                    ::mco::macro_support::select::Operation::native(probe.send_arm(&
                    sender, operands.0)) } else { probe.send_child(|| sender
                    .send(operands.0)) } }
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
                                result => break __Selected::B0((result,)),
                            }
                        }
                        _ => ::mco::macro_support::select::no_arm_left(),
                    }
                };
                chosen
            }
        };
        match chosen {
            __Selected::B0((result,)) => body(result),
        }
    }
}
