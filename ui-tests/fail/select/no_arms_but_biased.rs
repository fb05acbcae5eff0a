use mco::select;

fn main() {
    select! { biased; }
}
