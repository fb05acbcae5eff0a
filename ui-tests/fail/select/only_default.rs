use mco::select;

fn main() {
    select! { default => {} }
}
