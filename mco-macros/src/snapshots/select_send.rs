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
                use ::mco::private::select::{NativeSend as _, ForeignSend as _};
                let mut operation0 = ::core::pin::pin!(
                    { let kind = { use ::mco::private::select::OwnSend as _;
                    #[allow(unreachable_code, unused_imports)] if true {
                    ::mco::private::select::kind() } else {
                    ::mco::private::select::never(); ::mco::private::select::kind_of((* &
                    sender).send(operands.0)) } }; let probe =
                    ::mco::private::select::probe(& sender, kind); if (& probe)
                    .send_is_native() { ::mco::private::select::Operation::native(probe
                    .send_arm(& sender, operands.0)) } else { probe.send_child(|| sender
                    .send(operands.0)) } }
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
                                result => break __Selected::B0((result,)),
                            }
                        }
                        _ => ::mco::private::select::no_arm_left(),
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
