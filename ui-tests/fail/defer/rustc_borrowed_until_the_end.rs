use mco::defer;

fn main() {
    let mut list = vec![1];
    defer!(list.push(2));
    list.push(3);
}
