//! What users get: the expansion of each form, kept in `snapshots/*.rs` for reviewers to read.
//!
//! After a change that is meant to be seen, write them anew and look at the difference:
//!
//! ```text
//! MCO_SNAPSHOTS=overwrite cargo test -p mco-macros snapshots
//! ```

use crate::{defer, entry, go, join, select};
use proc_macro2::TokenStream;
use std::fs;
use std::path::Path;

/// Compares one expansion with its snapshot. `source` is what the user writes, `items` what it expands to.
fn check(name: &str, source: &str, items: &TokenStream) {
    let file = syn::parse2(items.clone())
        .unwrap_or_else(|error| panic!("`{name}` is no Rust: {error}\n{items}"));
    let source: String = source.lines().map(|line| format!("// {line}\n")).collect();
    let actual = format!("{source}\n{}", prettyplease::unparse(&file));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/snapshots/{name}.rs"));
    if std::env::var("MCO_SNAPSHOTS").is_ok_and(|value| value == "overwrite") {
        fs::write(&path, actual).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        actual == expected,
        "`{name}` expands to\n\n{actual}\nand no longer to\n\n{expected}\nif that is as it should be: MCO_SNAPSHOTS=overwrite"
    );
}

fn tokens(source: &str) -> TokenStream {
    source.parse().unwrap()
}

/// A function-like macro stands in a function.
fn inside(expansion: &TokenStream) -> TokenStream {
    quote::quote!(fn here() { #expansion })
}

#[track_caller]
fn go_to(name: &str, source: &str) {
    check(name, &format!("go!({source})"), &inside(&go::expand("go", tokens(source))));
}

#[track_caller]
fn defer_to(name: &str, source: &str) {
    check(name, &format!("defer!({source})"), &inside(&defer::expand(tokens(source))));
}

#[track_caller]
fn select_to(name: &str, source: &str) {
    check(name, &format!("select! {{\n{source}\n}}"), &inside(&select::expand(tokens(source))));
}

#[track_caller]
fn join_to(name: &str, source: &str) {
    check(name, &format!("join!({source})"), &inside(&join::expand(tokens(source))));
}

#[track_caller]
fn main_to(name: &str, args: &str, item: &str) {
    check(name, &format!("#[mco::main({args})]\n{item}"), &entry::main(tokens(args), tokens(item)));
}

#[track_caller]
fn test_to(name: &str, args: &str, item: &str) {
    check(name, &format!("#[mco::test({args})]\n{item}"), &entry::test(tokens(args), tokens(item)));
}

#[test]
fn go_closures() {
    go_to("go_closure", "move || work(1)");
    go_to("go_callable", "task");
}

#[test]
fn go_calls() {
    go_to("go_call", "handle(connection.clone(), id, 5)");
    go_to("go_call_of_names", "handle::<u32>(connection, 5, move |x| x + 1)");
    go_to("go_call_of_value", "(self.handlers[0])(request)");
    go_to("go_method", "queue.push(queue.len())");
    go_to("go_method_of_value", "server.clone().serve(connection, 5)");
}

#[test]
fn go_blocks() {
    go_to("go_block", "{ first(); second() }");
    go_to("go_statements", "first(); second()");
    go_to("go_macro", "println!(\"{}\", name)");
}

#[test]
fn go_targets() {
    go_to("go_target", "\"worker\", || work(1)");
    go_to("go_target_and_call", "scope, work(&data)");
    go_to("go_crate", "crate = rt, || work(1)");
}

#[test]
fn go_errors() {
    go_to("go_error", "one, two, |x| three(x)");
}

#[test]
fn defers() {
    defer_to("defer_statements", "first(); second();");
    defer_to("defer_call", "close(file)");
    defer_to("defer_closure", "move || drop(guard)");
    defer_to("defer_callable", "close");
    defer_to("defer_crate", "crate = rt, close(file)");
}

#[test]
fn select_operations() {
    select_to("select_recv", "value = receiver.recv() => body(value),");
    select_to(
        "select_accept_and_wait",
        "_ = listener.accept() => one(),\n_ = flag.wait() => two(),",
    );
    select_to("select_send", "result = sender.send(next()) => body(result),");
    select_to("select_join", "result = handle.join() => body(result),");
    select_to("select_sleep", "_ = coroutine::sleep(timeout) => body(),");
    select_to("select_child", "bytes = { stream.read(&mut buffer) } => body(bytes),");
    select_to(
        "select_operands",
        "tick = after(timeout)?.recv() => one(tick),\nvalue = self.receivers[next()].recv() => two(value),",
    );
}

#[test]
fn select_arms() {
    select_to(
        "select_shared",
        "Ok(mut value) = receiver.recv(), if is_open => { value += 1; one(value) }\nErr(_) = receiver.recv() => two(),\nelse => three(),",
    );
    select_to(
        "select_default",
        "biased;\nPair { x, y: Some(y) } = receiver.recv() => x + y,\ndefault => 0,",
    );
    select_to(
        "select_given_back",
        "_ = sender.send(text) => None,\nvalue = receiver.recv() => Some((text, value)),\ndefault => Some(text),",
    );
    select_to("select_crate", "crate = rt;\n_ = receiver.recv() => {}");
    select_to(
        "select_error",
        "let value = receiver.recv() => one(),\nvalue = receiver => two(),\ndefault => {}\nelse => {}",
    );
}

#[test]
fn joins() {
    join_to("join", "one(), { two() }, 3");
    join_to("join_nothing", "");
    join_to("join_crate", "crate = rt, one()");
    join_to("join_error", "|| one(), two()?");
}

#[test]
fn mains() {
    main_to("main", "", "/// Starts here.\nfn main() { body(); }");
    main_to(
        "main_options",
        "crate = rt, workers = 4, stack_size = 64 * KIB",
        "#[allow(unused)]\npub fn main() -> Result<(), Error> { body()?; Ok(()) }",
    );
    main_to("main_error", "", "async fn main() { body().await }");
}

#[test]
fn tests() {
    test_to("test", "", "#[should_panic]\nfn works() { body(); }");
    test_to(
        "test_options",
        "workers = 2, timeout = \"1.5s\", virtual_time = true, leaks = true",
        "fn works() -> Result<(), Error> { body() }",
    );
    test_to("test_table", "", "#[rstest]\nfn works(#[case] mut number: u32) { number += 1; }");
    test_to("test_error", "workers = 2, seed = 7, worker = 1", "fn works() { body(); }");
}
