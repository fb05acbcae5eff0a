struct App;

impl App {
    #[mco::main]
    fn run(&self) {}
}

fn main() {
    App.run();
}
