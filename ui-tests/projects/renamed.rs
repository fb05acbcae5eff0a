//! In a crate that depends on mco as `rt`, every macro has a way to say so.
#![forbid(unsafe_code)]
#![deny(warnings)]

fn work(number: u32) -> u32 {
    number
}

#[rt::main(crate = rt, workers = 1)]
fn main() {
    rt::defer! { crate = rt, work(1); work(2); }
    rt::defer!(crate = ::rt, println!("bye"));
    rt::go!(crate = rt, || work(1)).join().unwrap();
    rt::go!(crate = rt, "name", work(1 + 1)).join().unwrap();
    rt::co!(crate = rt, { work(1) }).join().unwrap();
    rt::spawn! { crate = rt, work(1); }.join().unwrap();
    let (sender, receiver) = rt::chan!(u32, 1);
    rt::select! { crate = rt; sent = sender.send(1) => sent.unwrap() }
    rt::select! { crate = rt; biased; number = receiver.recv() => assert_eq!(number, Ok(1)) }
    assert_eq!(rt::join!(crate = rt, work(1), work(2)), (1, 2));
}

#[rt::test(crate = rt, workers = 1)]
fn works() {
    work(1);
}
