use mco::go;
use std::sync::Mutex;

fn main() {
    let shared = Mutex::new(1);
    let guard = shared.lock().unwrap();
    go!(move || println!("{guard}"));
}
