use mco::select;
use std::rc::Rc;

struct Inbox(Rc<u32>);

impl Inbox {
    fn recv(&self) -> u32 {
        *self.0
    }
}

fn main() {
    let inbox = Inbox(Rc::new(5));
    select! {
        value = inbox.recv() => drop(value),
    }
}
