// go!(one, two, |x| three(x))

fn here() {
    {
        ::core::compile_error! {
            "`go!` takes at most a target and what to run, its forms are `go!(|| ..)`, `go!(call(x))`, `go! { .. }` and `go!(target, || ..)`"
        }
    }
}
