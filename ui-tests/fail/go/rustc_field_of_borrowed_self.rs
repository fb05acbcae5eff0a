use mco::go;
use std::sync::Arc;

struct Server(Arc<String>);

impl Server {
    fn start(&self) {
        go!(self.0.len());
    }
}

fn main() {
    Server(Arc::default()).start();
}
