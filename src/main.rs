//! The binary; the commands are in [`shared_chats::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    shared_chats::cli::main()
}
