//! The schedulers: one file per policy.

pub mod deterministic;
pub mod green;
pub mod inline;
pub mod threads;
pub mod work_sharing;
pub mod work_stealing;

use menagerie::sched::{SchedulerConfig, SchedulerError, SchedulerInfo};

/// The parameter `quantum` of policies that have one.
pub(crate) fn quantum(
    config: &SchedulerConfig,
    info: &SchedulerInfo,
) -> Result<u64, SchedulerError> {
    match config.parameter(info, "quantum") {
        "max" => Ok(u64::MAX),
        text => text.parse().ok().filter(|&q| q > 0).ok_or_else(|| {
            SchedulerError(format!("quantum={text}: not a number from 1 on, nor `max`"))
        }),
    }
}

/// Refuses more than one worker.
pub(crate) fn one_worker(
    config: &SchedulerConfig,
    info: &SchedulerInfo,
) -> Result<(), SchedulerError> {
    if config.workers > 1 {
        let message = format!("`{}` has one worker, not {}", info.name, config.workers);
        return Err(SchedulerError(message));
    }
    Ok(())
}
