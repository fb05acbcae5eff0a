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
                ::mco::private::select::Operation::native(::mco::private::select::join_arm(&
                handle))
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
        };
        match chosen {
            __Selected::B0((result,)) => body(result),
        }
    }
}
