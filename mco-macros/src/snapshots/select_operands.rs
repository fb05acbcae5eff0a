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
                use ::mco::macro_support::select::{NativeRecv as _, ForeignRecv as _};
                let mut operation0 = ::core::pin::pin!(
                    { let kind = { use ::mco::macro_support::select::OwnRecv as _;
                    #[allow(unreachable_code, unused_imports)] if true {
                    ::mco::macro_support::select::kind() } else {
                    ::mco::macro_support::select::never();
                    ::mco::macro_support::select::kind_of((* & operands.0).recv()) } };
                    let probe = ::mco::macro_support::select::probe(& operands.0, kind);
                    if (& probe).recv_is_native() {
                    ::mco::macro_support::select::Operation::native(probe.recv_arm(&
                    operands.0)) } else { probe.recv_child(|| operands.0.recv()) } }
                );
                let mut operation1 = ::core::pin::pin!(
                    { let kind = { use ::mco::macro_support::select::OwnRecv as _;
                    #[allow(unreachable_code, unused_imports)] if true {
                    ::mco::macro_support::select::kind() } else {
                    ::mco::macro_support::select::never();
                    ::mco::macro_support::select::kind_of((* & self.receivers[operands
                    .1]).recv()) } }; let probe = ::mco::macro_support::select::probe(&
                    self.receivers[operands.1], kind); if (& probe).recv_is_native() {
                    ::mco::macro_support::select::Operation::native(probe.recv_arm(& self
                    .receivers[operands.1])) } else { probe.recv_child(|| self
                    .receivers[operands.1].recv()) } }
                );
                let mut enabled = [true, true];
                let chosen = loop {
                    let happened = ::mco::macro_support::select::run(
                        &mut [operation0.as_mut(), operation1.as_mut()],
                        &mut enabled,
                        ::mco::macro_support::select::Mode {
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
                        _ => ::mco::macro_support::select::no_arm_left(),
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
