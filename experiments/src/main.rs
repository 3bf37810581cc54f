//! The `menagerie` command.

fn main() -> std::process::ExitCode {
    menagerie_experiments::cli::main()
}
