//! Where this is compiled as a test: `#[mco::test]` in its forms.
#![forbid(unsafe_code)]
#![deny(warnings)]

fn main() {
    println!("only its tests are of interest");
}

#[cfg(test)]
mod tests {
    #![deny(missing_docs)]

    const WORKERS: usize = 1;

    /// Plain.
    #[mco::test]
    fn plain() {
        assert!(mco::go!(|| true).join().unwrap());
    }

    /// With options, and a name that is none.
    #[mco::test(workers = WORKERS + 1, timeout = "1.5s",)]
    #[should_panic(expected = "number")]
    fn r#type() {
        assert!(mco::go!(|| false).join().unwrap(), "no number");
    }

    /// With a result.
    #[mco::test(crate = mco)]
    #[ignore = "needs nothing"]
    fn result() -> Result<(), Box<dyn std::error::Error>> {
        let number: u32 = "42".parse()?;
        if number == 42 {
            return Ok(());
        }
        Err("not the answer".into())
    }
}
