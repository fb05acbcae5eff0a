//! A function that is not called `main` may have the attribute, too.
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
    let code = std::process::Termination::report(inner::r#try());
    assert_eq!(code, std::process::ExitCode::SUCCESS);
    inner::main();
}
