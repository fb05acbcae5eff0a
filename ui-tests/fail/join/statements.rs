use mco::join;

fn main() {
    join! {
        let one = 1;
        one
    };
}
