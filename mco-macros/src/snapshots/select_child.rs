// select! {
// bytes = { stream.read(&mut buffer) } => body(bytes),
// }

fn here() {
    {
        enum __Selected<A0> {
            B0(A0),
        }
        let chosen = {
            let mut operation0 = ::core::pin::pin!(
                ::mco::macro_support::select::Operation:: <
                ::mco::macro_support::select::NeverArm < _ >, _ > ::child(|| { stream
                .read(& mut buffer) })
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
                            bytes => break __Selected::B0((bytes,)),
                        }
                    }
                    _ => ::mco::macro_support::select::no_arm_left(),
                }
            };
            chosen
        };
        match chosen {
            __Selected::B0((bytes,)) => body(bytes),
        }
    }
}
