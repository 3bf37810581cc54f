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

/// Schedulers as their tests see them: tasks are numbers.
#[cfg(test)]
pub(crate) mod numbered {
    use menagerie::sched::{Notify, Pick, Ready, Scheduler};
    use menagerie::task::TaskId;

    pub(crate) fn task(number: u64) -> TaskId {
        TaskId::new(number, number as usize)
    }
    pub(crate) fn push<S: Scheduler>(
        sched: &S,
        local: &mut S::Local,
        number: u64,
        why: Ready,
    ) -> Notify {
        sched.push(Some(local), task(number), why)
    }
    pub(crate) fn next<S: Scheduler>(sched: &S, local: &mut S::Local, tick: u64) -> Option<u64> {
        sched.next(local, Pick { tick }).map(TaskId::number)
    }
}
