// go!(server.clone().serve(connection, 5))

fn here() {
    ::mco::coroutine::spawn({
        let mut operands = (server.clone(),);
        move || operands.0.serve(connection, 5)
    })
}
