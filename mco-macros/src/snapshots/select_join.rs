// select! {
// result = handle.join() => body(result),
// }

fn here() {
    {
        enum __Selected<A0> {
            B0(A0),
        }
        let chosen = {
            let mut operation0 = ::core::pin::pin!(
                ::mco::macro_support::select::Operation::native(::mco::macro_support::select::join_arm(&
                handle))
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
        };
        match chosen {
            __Selected::B0((result,)) => body(result),
        }
    }
}
