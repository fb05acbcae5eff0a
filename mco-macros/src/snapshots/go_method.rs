// go!(queue.push(queue.len()))

fn here() {
    ::mco::coroutine::spawn({
        let operands = (queue.len(),);
        move || queue.push(operands.0)
    })
}
