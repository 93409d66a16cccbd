//! The launcher as a program of its own, for tests and benches whose own program
//! has threads before `main`.

fn main() {
    hands::launcher_main(std::env::args_os());
}
