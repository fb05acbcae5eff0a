// join!(crate = rt, one())

fn here() {
    rt::macro_support::join::all(|joint| {
        let handle0 = joint.spawn(|| one());
        match (handle0.join(),) {
            (::core::result::Result::Ok(value0),) => (value0,),
            (value0,) => joint.pass_on([joint.failure(value0)]),
        }
    })
}
