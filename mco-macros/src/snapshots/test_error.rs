// #[mco::test(workers = 2, seed = 7, worker = 1)]
// fn works() { body(); }

fn works() {
    body();
}
::core::compile_error! {
    "`seed` and `workers` exclude each other: a seed decides the order of the coroutines of one worker; leave one of them out"
}
::core::compile_error! {
    "unknown key `worker`: did you mean `workers`? `#[mco::test]` takes `workers`, `timeout`, `virtual_time`, `seed`, `seeds`, `deadlock`, `leaks` and `crate`"
}
