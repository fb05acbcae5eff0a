// join!(one(), { two() }, 3)

fn here() {
    ::mco::macro_support::join::all(|joint| {
        let handle0 = joint.spawn(|| one());
        let handle1 = joint.spawn(|| { two() });
        let handle2 = joint.spawn(|| 3);
        match (handle0.join(), handle1.join(), handle2.join()) {
            (
                ::core::result::Result::Ok(value0),
                ::core::result::Result::Ok(value1),
                ::core::result::Result::Ok(value2),
            ) => (value0, value1, value2),
            (value0, value1, value2) => {
                joint
                    .pass_on([
                        joint.failure(value0),
                        joint.failure(value1),
                        joint.failure(value2),
                    ])
            }
        }
    })
}
