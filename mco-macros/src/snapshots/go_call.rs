// go!(handle(connection.clone(), id, 5))

fn here() {
    ::mco::coroutine::spawn({
        let operands = (connection.clone(), id);
        move || handle(operands.0, operands.1, 5)
    })
}
