use mco::join;

fn main() {
    join!("5".parse::<u8>()?, 2);
}
