// join!()

fn here() {
    ()
}
