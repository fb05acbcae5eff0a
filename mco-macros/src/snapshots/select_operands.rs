// select! {
// tick = after(timeout)?.recv() => one(tick),
// value = self.receivers[next()].recv() => two(value),
// }

fn here() {
    {
        enum __Selected<A0, A1> {
            B0(A0),
            B1(A1),
        }
        let chosen = match (after(timeout)?, next()) {
            mut operands => {
                #[allow(unused_imports)]
                use ::mco::private::select::{NativeRecv as _, ForeignRecv as _};
                let mut operation0 = ::core::pin::pin!(
                    { let kind = { use ::mco::private::select::OwnRecv as _;
                    #[allow(unreachable_code, unused_imports)] if true {
                    ::mco::private::select::kind() } else {
                    ::mco::private::select::never(); ::mco::private::select::kind_of((* &
                    operands.0).recv()) } }; let probe = ::mco::private::select::probe(&
                    operands.0, kind); if (& probe).recv_is_native() {
                    ::mco::private::select::Operation::native(probe.recv_arm(& operands
                    .0)) } else { probe.recv_child(|| operands.0.recv()) } }
                );
                let mut operation1 = ::core::pin::pin!(
                    { let kind = { use ::mco::private::select::OwnRecv as _;
                    #[allow(unreachable_code, unused_imports)] if true {
                    ::mco::private::select::kind() } else {
                    ::mco::private::select::never(); ::mco::private::select::kind_of((* &
                    self.receivers[operands.1]).recv()) } }; let probe =
                    ::mco::private::select::probe(& self.receivers[operands.1], kind); if
                    (& probe).recv_is_native() {
                    ::mco::private::select::Operation::native(probe.recv_arm(& self
                    .receivers[operands.1])) } else { probe.recv_child(|| self
                    .receivers[operands.1].recv()) } }
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
                                tick => break __Selected::B0((tick,)),
                            }
                        }
                        1 => {
                            match operation1.as_mut().output() {
                                value => break __Selected::B1((value,)),
                            }
                        }
                        _ => ::mco::private::select::no_arm_left(),
                    }
                };
                chosen
            }
        };
        match chosen {
            __Selected::B0((tick,)) => one(tick),
            __Selected::B1((value,)) => two(value),
        }
    }
}
