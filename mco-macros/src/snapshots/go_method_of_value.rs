// go!(server.clone().serve(connection, 5))

fn here() {
    ::mco::coroutine::spawn({
        #[allow(unused_mut)]
        let mut operands = (server.clone(),);
        move || operands.0.serve(connection, 5)
    })
}
