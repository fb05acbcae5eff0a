// go!(one, two, |x| three(x))

fn here() {
    {
        ::core::compile_error! {
            "`go!` takes at most a target and what to run: `go!(|| ..)`, `go!(call(x))`, `go! { .. }` or `go!(target, || ..)`"
        }
    }
}
