//! In a crate that depends on mco as `rt`, and where no macro was told so.
#[rt::main]
fn main() {
    rt::go!(|| ());
    rt::co! { main(); };
    rt::defer!(main());
    rt::select! { _ = main() => {} }
    rt::join!(main(), main());
}

#[rt::test(workers = 1)]
fn works() {}
