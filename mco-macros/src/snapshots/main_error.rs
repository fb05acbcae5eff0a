// #[mco::main()]
// async fn main() { body().await }

const _: () = {
    async fn main() {
        body().await
    }
};
fn main() {}
::core::compile_error! {
    "`#[mco::main]` takes no `async fn`, coroutines block instead: remove `async`, and hand a future to `mco::block_on`"
}
