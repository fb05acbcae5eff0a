// select! {
// let value = receiver.recv() => one(),
// value = receiver => two(),
// default => {}
// else => {}
// }

fn here() {
    {
        ::core::compile_error! {
            "an arm needs no `let`: `pattern = operation => body`"
        }
        ::core::compile_error! {
            "there is nothing to wait for in `receiver`: write an operation, such as `receiver.recv()`"
        }
        ::core::compile_error! {
            "with `default` nothing waits, and `else` is for when there is nothing left to wait for: keep one of the two"
        }
    }
}
