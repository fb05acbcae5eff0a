use mco::go;

fn main() {
    go!("name", async move { 1 });
}
