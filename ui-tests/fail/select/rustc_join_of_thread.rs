use mco::select;

fn main() {
    let handle = std::thread::spawn(|| 5);
    select! {
        result = handle.join() => drop(result),
    }
}
