// select! {
// _ = coroutine::sleep(timeout) => body(),
// }

fn here() {
    {
        enum __Selected<A0> {
            B0(A0),
        }
        let chosen = match (coroutine::sleep, timeout) {
            mut operands => {
                let mut operation0 = ::core::pin::pin!(
                    if ::mco::macro_support::select::is_sleep(& (operands.0)) {
                    ::mco::macro_support::select::Operation::native(::mco::macro_support::select::sleep_arm(operands
                    .1)) } else { ::mco::macro_support::select::Operation::child(move ||
                    (operands.0) (operands.1)) }
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
                                _ => break __Selected::B0(()),
                            }
                        }
                        _ => ::mco::macro_support::select::no_arm_left(),
                    }
                };
                chosen
            }
        };
        match chosen {
            __Selected::B0(()) => body(),
        }
    }
}
