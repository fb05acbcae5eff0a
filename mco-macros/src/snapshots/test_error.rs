// #[mco::test(virtual_time = true, worker = 1)]
// fn works() { body(); }

fn works() {
    body();
}
::core::compile_error! {
    "`virtual_time` is not available in this version of mco yet: leave the key out"
}
::core::compile_error! {
    "unknown key `worker`: did you mean `workers`? `#[mco::test]` takes `workers`, `timeout` and `crate`"
}
