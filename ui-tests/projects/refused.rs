//! What only a test harness refuses.
#[mco::test]
fn returns_no_termination() -> String {
    String::new()
}

#[mco::test]
fn returns_too_much() {
    5
}
