#[mco::main(workers = 0, stack = 4, workers = 2, workers = "x")]
async fn main(arguments: Vec<String>) {
    drop(arguments);
}
