use mco::join;

fn main() {
    let mut number = 5;
    join!(number += 1, number += 2);
}
