// #[mco::test()]
// #[rstest]
// fn works(#[case] mut number: u32) { number += 1; }

#[rstest]
#[::mco::test()]
fn works(#[case] mut number: u32) {
    number += 1;
}
