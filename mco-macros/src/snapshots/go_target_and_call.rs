// go!(scope, work(&data))

fn here() {
    ::mco::coroutine::Spawn::spawn_on(
        scope,
        {
            let operands = (&data,);
            move || work(operands.0)
        },
    )
}
