//! Decides whether the tail-call engine can be built: LLVM must turn its calls into jumps, which it
//! does from opt-level 2 on (not at 1: every handler returned), and sanitizers prevent.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(tail_calls)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    let optimised = ["2", "3"].contains(&var("OPT_LEVEL").as_str());
    let known_arch = ["x86_64", "aarch64"].contains(&var("CARGO_CFG_TARGET_ARCH").as_str());
    let flags = var("CARGO_ENCODED_RUSTFLAGS");
    let instrumented = flags.contains("sanitizer") || flags.contains("instrument-coverage");
    if optimised && known_arch && !instrumented {
        println!("cargo::rustc-cfg=tail_calls");
    }
}
