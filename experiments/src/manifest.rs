//! `manifest.json`: what a results folder came from. Facts of the machine and of the environment
//! are taken from an allow-list: nothing else of the user's environment is published.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::analyze::load::label;
use crate::experiment::Experiment;
use crate::invoke::ENVIRONMENT;
use crate::matrix::{Plan, hex, pairs};

/// What a results folder came from.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) schema: u32,
    pub(crate) experiment: String,
    pub(crate) about: String,
    /// The specification, verbatim, and its hash.
    pub(crate) spec: String,
    pub(crate) spec_sha256: String,
    pub(crate) plan_sha256: String,
    pub(crate) seed: u64,
    /// As in legends: with parameters.
    pub(crate) reference_heap: String,
    pub(crate) reference_scheduler: String,
    pub(crate) invocations_per_cell: u32,
    pub(crate) iterations: u32,
    pub(crate) warmup: u32,
    pub(crate) menagerie_version: String,
    pub(crate) binary_sha256: String,
    pub(crate) profile: String,
    /// Cells left out, with the reasons.
    pub(crate) excluded: Vec<String>,
    pub(crate) planned: usize,
    /// Recorded invocations by status.
    pub(crate) recorded: BTreeMap<String, usize>,
    /// Seconds since 1970 when the first run began, and when the last one ended.
    pub(crate) first_start_utc: u64,
    pub(crate) last_end_utc: u64,
    /// Command lines of the runs that wrote here.
    pub(crate) commands: Vec<Vec<String>>,
    pub(crate) host: BTreeMap<String, String>,
    pub(crate) environment: BTreeMap<String, String>,
}

pub(crate) const FILE: &str = "manifest.json";

/// Seconds since 1970.
pub(crate) fn now_utc() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| d.as_secs())
}

/// The hash of a file.
pub(crate) fn sha256(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    Ok(hex(&Sha256::digest(bytes)))
}

/// A machine's name, so that its rows can be told apart but not its owner.
pub(crate) fn host_hash() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    hex(&Sha256::digest(name.as_encoded_bytes())[..4])
}

/// The first line of a file of the system, if it can be read.
fn fact(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.lines().next().unwrap_or_default().trim().to_owned())
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|l| l.split(':').next().is_some_and(|n| n.trim() == name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// What is known of the machine; what is not known is absent.
pub(crate) fn host_facts() -> BTreeMap<String, String> {
    let cpus = std::thread::available_parallelism().map(|n| n.to_string()).ok();
    let cpu0 = "/sys/devices/system/cpu/cpu0";
    [
        ("cpu_model", field("/proc/cpuinfo", "model name")),
        ("cpu_microcode", field("/proc/cpuinfo", "microcode")),
        ("cpus_usable", cpus),
        ("memory_total", field("/proc/meminfo", "MemTotal")),
        ("swap_total", field("/proc/meminfo", "SwapTotal")),
        ("kernel", fact("/proc/sys/kernel/osrelease")),
        ("aslr", fact("/proc/sys/kernel/randomize_va_space")),
        ("governor", fact(&format!("{cpu0}/cpufreq/scaling_governor"))),
        ("turbo_off", fact("/sys/devices/system/cpu/intel_pstate/no_turbo")),
        ("smt_active", fact("/sys/devices/system/cpu/smt/active")),
        ("transparent_hugepages", fact("/sys/kernel/mm/transparent_hugepage/enabled")),
        ("clocksource", fact("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        ("cgroup_memory_max", fact("/sys/fs/cgroup/memory.max")),
        ("cgroup_cpu_max", fact("/sys/fs/cgroup/cpu.max")),
        ("perf_event_paranoid", fact("/proc/sys/kernel/perf_event_paranoid")),
        ("os", Some(std::env::consts::OS.to_owned())),
        ("arch", Some(std::env::consts::ARCH.to_owned())),
        ("host", Some(host_hash())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect()
}

/// The load average over one minute.
pub(crate) fn load1() -> Option<f64> {
    fact("/proc/loadavg")?.split(' ').next()?.parse().ok()
}

impl Manifest {
    /// The manifest of a plan.
    pub(crate) fn new(experiment: &Experiment, plan: &Plan) -> Result<Manifest, String> {
        let spec = &experiment.spec;
        let environment = ENVIRONMENT
            .iter()
            .filter_map(|&name| Some((name.to_owned(), std::env::var(name).ok()?)))
            .collect();
        Ok(Manifest {
            schema: 1,
            experiment: spec.name.clone(),
            about: spec.about.clone(),
            spec: spec.text.clone(),
            spec_sha256: hex(&Sha256::digest(&spec.text)),
            plan_sha256: plan.hash.clone(),
            seed: spec.seed,
            reference_heap: label(&spec.reference_heap, &experiment.reference_heap().options()),
            reference_scheduler: label(
                &spec.reference_scheduler,
                &pairs(&experiment.reference_scheduler().params),
            ),
            invocations_per_cell: spec.invocations,
            iterations: spec.iterations,
            warmup: spec.warmup,
            menagerie_version: env!("CARGO_PKG_VERSION").to_owned(),
            binary_sha256: sha256(&experiment.binary)?,
            profile: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
            excluded: plan.excluded.clone(),
            planned: plan.invocations.len(),
            recorded: BTreeMap::new(),
            first_start_utc: now_utc(),
            last_end_utc: 0,
            commands: Vec::new(),
            host: host_facts(),
            environment,
        })
    }

    /// The manifest of a folder, if it has one.
    pub(crate) fn read(folder: &Path) -> Result<Option<Manifest>, String> {
        let path = folder.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| {
                format!("{} is broken: {e}; remove it to have it written again", path.display())
            }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(format!("cannot read {}: {e}", path.display())),
        }
    }

    /// Replaces the folder's manifest at once, so that no reader ever sees half of it.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), String> {
        let (path, new) = (folder.join(FILE), folder.join("manifest.json.new"));
        let text = serde_json::to_vec_pretty(self).map_err(|e| e.to_string())?;
        let written = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &path));
        written.map_err(|e| format!("cannot write {}: {e}", path.display()))
    }
}
