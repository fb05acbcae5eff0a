// go!(one, two, |x| three(x))

fn here() {
    ::mco::cqueue::Cqueue::add(&one, two, |x| three(x))
}
