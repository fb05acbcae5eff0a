use mco::go;

fn main() {
    go!(std::future::ready(1).await);
}
