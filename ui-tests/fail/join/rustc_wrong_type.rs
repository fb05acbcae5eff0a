use mco::join;

fn main() {
    let (_, _): (u8, String) = join!(5, 6);
}
