#[mco::test(workers = 0, timeout = "5", seed = "x", wrokers = 2)]
const fn works(number: u32) {
    assert!(number == 1);
}

fn main() {}
