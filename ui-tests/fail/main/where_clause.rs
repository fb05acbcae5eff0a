#[mco::main]
fn main()
where
    (): Sized,
{
}
