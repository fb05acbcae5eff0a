use mco::select;

fn main() {
    select! { else => {} }
}
