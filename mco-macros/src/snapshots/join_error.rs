// join!(|| one(), two()?)

fn here() {
    {
        ::core::compile_error! {
            "`join!` calls no closure: write what it does, `join!(a(), { .. })`"
        }
        ::core::compile_error! {
            "`?` has no function to return from in `join!`: apply it to the result, `let (a, b) = join!(..); a?; b?;`"
        }
    }
}
