//! `menagerie doctor`: what on this machine disturbs measurements, and what to do about it.

use std::process::ExitCode;

use crate::manifest::{host_facts, load1};
use crate::output::show;

/// A remark: what is so, why it matters, the remedy.
struct Remark(String);

/// Prints facts and remarks; remarks do not fail, since many machines cannot be changed.
pub(crate) fn doctor() -> ExitCode {
    let facts = host_facts();
    let mut out = String::new();
    for (name, value) in &facts {
        out += &format!("{name:<24} {value}\n");
    }
    let get = |name: &str| facts.get(name).map(String::as_str);
    let mut remarks = Vec::new();
    if cfg!(debug_assertions) {
        remarks.push(Remark("this is a debug build: measure with a release build".to_owned()));
    }
    if let Some(load) = load1()
        && load > 0.5
    {
        remarks.push(Remark(format!(
            "the load average is {load:.2}: other programs run; wait or stop them"
        )));
    }
    if let Some(governor) = get("governor")
        && governor != "performance"
    {
        remarks.push(Remark(format!(
            "the frequency governor is {governor}: times depend on its mood; set performance"
        )));
    }
    if get("governor").is_none() {
        remarks.push(Remark(
            "no frequency control is visible (a virtual machine?): compare within blocks only"
                .to_owned(),
        ));
    }
    if get("turbo_off") == Some("0") {
        remarks.push(Remark(
            "turbo is on: the clock depends on the temperature; switch it off".to_owned(),
        ));
    }
    if get("smt_active") == Some("1") {
        remarks.push(Remark(
            "hardware threads share cores: use one per core for schedulers".to_owned(),
        ));
    }
    if get("swap_total").is_some_and(|s| !s.starts_with("0 ")) {
        remarks.push(Remark("swap is on: a large heap may be measured on disk".to_owned()));
    }
    if get("aslr") == Some("0") {
        remarks.push(Remark(
            "address randomisation is off: all invocations share one layout; switch it on"
                .to_owned(),
        ));
    }
    out += &format!("\n{} remarks\n", remarks.len());
    for Remark(text) in remarks {
        out += &format!("  - {text}\n");
    }
    show(&out)
}
