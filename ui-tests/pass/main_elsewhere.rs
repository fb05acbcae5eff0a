//! A function that is not called `main` may have the attribute, too; what it calls by its own name is itself.
#![forbid(unsafe_code)]
#![deny(warnings)]

mod inner {
    #[mco::main(workers = 1)]
    pub(crate) fn r#try() -> Result<(), std::num::ParseIntError> {
        "7".parse::<u32>().map(drop)
    }

    #[mco::main]
    pub fn main() {}
}

fn main() {
    assert_eq!(inner::r#try(), Ok(()));
    inner::main();
}
