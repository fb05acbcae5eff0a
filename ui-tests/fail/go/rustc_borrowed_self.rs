use mco::go;

struct Server;

impl Server {
    fn start(&self) {
        go!(self.serve());
    }

    fn serve(&self) {}
}

fn main() {
    Server.start();
}
