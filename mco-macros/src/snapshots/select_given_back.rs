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
                use ::mco::private::select::{
                    NativeRecv as _, ForeignRecv as _, NativeSend as _, ForeignSend as _,
                };
                let mut operation0 = ::core::pin::pin!(
                    if (& ::mco::private::select::Probe(& sender)).send_is_native() {
                    ::mco::private::select::Operation::native(::mco::private::select::Probe(&
                    sender).send_arm(operands.0)) } else {
                    ::mco::private::select::Operation::child(|| sender.send(operands.0))
                    }
                );
                let mut operation1 = ::core::pin::pin!(
                    if (& ::mco::private::select::Probe(& receiver)).recv_is_native() {
                    ::mco::private::select::Operation::native(::mco::private::select::Probe(&
                    receiver).recv_arm()) } else {
                    ::mco::private::select::Operation::child(|| receiver.recv()) }
                );
                let mut enabled = [true, true];
                let chosen = loop {
                    let happened = ::mco::private::select::run(
                        &mut [operation0.as_mut(), operation1.as_mut()],
                        &mut enabled,
                        ::mco::private::select::Mode {
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
