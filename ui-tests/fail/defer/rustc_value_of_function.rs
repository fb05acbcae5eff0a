use mco::defer;

fn main_thread() -> u32 {
    1
}

fn main() {
    defer!(main_thread);
}
