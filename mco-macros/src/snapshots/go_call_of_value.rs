// go!((self.handlers[0])(request))

fn here() {
    ::mco::coroutine::spawn({
        let mut operands = (self.handlers[0],);
        move || operands.0(request)
    })
}
