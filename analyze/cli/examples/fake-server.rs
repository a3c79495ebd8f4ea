//! A serving process for tests of `underspan record`, see `fake_driver::server`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fake_driver::server::main(std::env::args().skip(1))
}
