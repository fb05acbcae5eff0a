#[mco::test]
fn works(number: u32) {
    assert_eq!(number, 1);
}

fn main() {}
