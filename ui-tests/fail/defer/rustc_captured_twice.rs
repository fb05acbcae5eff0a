use mco::defer;

fn main() {
    let text = String::new();
    defer!(drop(text));
    defer!(drop(text));
}
