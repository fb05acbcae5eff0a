// select! {
// _ = sender.send(text) => None,
// value = receiver.recv() => Some((text, value)),
// default => Some(text),
// }

fn here() {
    {
        enum __Selected<A0, A1, A2> {
            B0(A0),
            B1(A1),
            B2(A2),
        }
        let chosen = match (text,) {
            mut operands => {
                #[allow(unused_imports)]
                use ::mco::macro_support::select::{
                    NativeRecv as _, ForeignRecv as _, NativeSend as _, ForeignSend as _,
                };
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
                let mut operation1 = ::core::pin::pin!(
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
                let mut enabled = [true, true];
                let chosen = loop {
                    let happened = ::mco::macro_support::select::run(
                        &mut [operation0.as_mut(), operation1.as_mut()],
                        &mut enabled,
                        ::mco::macro_support::select::Mode {
                            biased: false,
                            default: true,
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
                                value => {
                                    break __Selected::B1((value, operation0.as_mut().back()));
                                }
                            }
                        }
                        _ => break __Selected::B2((operation0.as_mut().back(),)),
                    }
                };
                chosen
            }
        };
        match chosen {
            __Selected::B0(()) => None,
            __Selected::B1((value, back0)) => {
                #[allow(unused_mut, unused_variables)]
                let mut text = back0;
                Some((text, value))
            }
            __Selected::B2((back0,)) => {
                #[allow(unused_mut, unused_variables)]
                let mut text = back0;
                Some(text)
            }
        }
    }
}
