//! When to collect before the limit: the policy, apart from the collectors, so that they can be
//! compared at equal policy.
//!
//! `fixed` and `growable` are core's [`Sizer`]. `membalancer` weighs memory against time (Kirisame,
//! Shenoy, Panchekha: Optimal Heap Limits for Reducing Browser Memory Use, 2022): with L live bytes, g
//! bytes allocated per second by the program and s bytes collected per second by the collector,
//! collecting costs the share g·L / (s·E) of the time when E bytes are allocated between two
//! collections. The E that is best when one more byte is worth the share c of the time is
//!
//! ```text
//!   E = sqrt(L · g / (s · c))
//! ```
//!
//! Invariant S1: `begin` and `end` alternate; rates are of processor time between them.

use menagerie::heap::{HeapConfig, HeapError, HeapInfo, Parameter, Sizer};
use menagerie::stats::task_clock_ns;

/// The parameter by which heaps offer the choice.
pub const SIZER: Parameter = Parameter {
    name: "sizer",
    default: "configured",
    doc: "when to collect before the limit: configured (as the run says), fixed, growable, membalancer, \
          or membalancer:C, where C is the share of processor time that a MiB is worth (0.001)",
};

const MIB: f64 = (1 << 20) as f64;
/// The share of processor time that a MiB is worth.
const SHARE: f64 = 0.001;
/// Between two collections at the least, bytes: rates of less are noise.
const LEAST: usize = 1 << 20;
/// Weight of the past in the two rates, as in the paper.
const KEEP_ALLOCATION: f64 = 0.95;
const KEEP_COLLECTION: f64 = 0.5;

#[derive(Debug)]
struct Balance {
    /// Share of time per byte.
    worth: f64,
    /// Bytes and nanoseconds, both fading.
    allocated: (f64, f64),
    collected: (f64, f64),
    /// Processor time at the last `begin` or `end`.
    since_ns: u64,
}

fn fade(rate: &mut (f64, f64), keep: f64, bytes: usize, ns: u64) {
    *rate = if rate.1 == 0.0 {
        (bytes as f64, ns as f64)
    } else {
        (keep * rate.0 + (1.0 - keep) * bytes as f64, keep * rate.1 + (1.0 - keep) * ns as f64)
    };
}

impl Balance {
    fn new(worth_per_mib: f64) -> Balance {
        let since_ns = task_clock_ns();
        Balance {
            worth: worth_per_mib / MIB,
            allocated: (0.0, 0.0),
            collected: (0.0, 0.0),
            since_ns,
        }
    }
    fn elapsed_ns(&mut self) -> u64 {
        let now = task_clock_ns();
        (now - std::mem::replace(&mut self.since_ns, now)).max(1)
    }
    /// E of the formula; the least until both rates are known.
    fn allowance(&self, live_bytes: usize) -> usize {
        let rate = |(bytes, ns): (f64, f64)| bytes / ns;
        let (g, s) = (rate(self.allocated), rate(self.collected));
        let best = (live_bytes as f64 * g / (s * self.worth)).sqrt();
        // Not a number before the first collection; infinite when nothing lived.
        if best.is_finite() { LEAST.max(best as usize) } else { LEAST }
    }
}

/// A heap's sizer, and what it has seen.
#[derive(Debug)]
pub struct Sizing {
    sizer: Sizer,
    balance: Option<Balance>,
    /// What `allowance` may not exceed, with the live bytes.
    limit_bytes: usize,
}

impl Sizing {
    /// The sizer that the heap's parameter, or else the configuration, names.
    ///
    /// # Errors
    /// An unknown name, a share that is no positive number.
    pub fn new(
        config: &HeapConfig,
        info: &HeapInfo,
        limit_bytes: usize,
    ) -> Result<Sizing, HeapError> {
        let text = config.parameter(info, SIZER.name);
        let wrong = || {
            HeapError(format!(
                "sizer={text}: expected configured, fixed, growable, membalancer or membalancer:C"
            ))
        };
        let (sizer, balance) = match text {
            "configured" => (config.sizer, None),
            "fixed" => (Sizer::Fixed, None),
            "growable" => (Sizer::default(), None),
            "membalancer" => (Sizer::Fixed, Some(Balance::new(SHARE))),
            _ => {
                let share = text.strip_prefix("membalancer:").and_then(|c| c.parse().ok());
                let share = share.filter(|&c: &f64| c > 0.0 && c.is_finite()).ok_or_else(wrong)?;
                (Sizer::Fixed, Some(Balance::new(share)))
            }
        };
        Ok(Sizing { sizer, balance, limit_bytes })
    }
    /// A collection starts; so much has been allocated since the last one.
    pub fn begin(&mut self, allocated_bytes: usize) {
        if let Some(balance) = &mut self.balance {
            let ns = balance.elapsed_ns();
            fade(&mut balance.allocated, KEEP_ALLOCATION, allocated_bytes, ns);
        }
    }
    /// The collection ends; so much is live.
    pub fn end(&mut self, live_bytes: usize) {
        if let Some(balance) = &mut self.balance {
            let ns = balance.elapsed_ns();
            fade(&mut balance.collected, KEEP_COLLECTION, live_bytes, ns);
        }
    }
    /// Bytes that may be allocated before the next collection.
    pub fn allowance(&self, live_bytes: usize) -> usize {
        let room = self.sizer.allowance(live_bytes, self.limit_bytes);
        self.balance.as_ref().map_or(room, |balance| room.min(balance.allowance(live_bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(allocated: (f64, f64), collected: (f64, f64)) -> Balance {
        Balance { allocated, collected, ..Balance::new(SHARE) }
    }

    #[test]
    fn the_balance_is_the_papers() {
        // 100 MiB live, 500 MiB/s allocated, 1000 MiB/s collected: sqrt(100 · 0.5 / 0.001) MiB.
        let b = balance((500.0 * MIB, 1e9), (1000.0 * MIB, 1e9));
        let mib = b.allowance(100 << 20) as f64 / MIB;
        assert!((mib - 50_000f64.sqrt()).abs() < 0.01, "{mib}");
        // Four times the live bytes, or the rate: twice the allowance.
        let twice = b.allowance(400 << 20) as f64 / MIB;
        assert!((twice - 2.0 * mib).abs() < 0.01, "{twice}");
        let fast = balance((2000.0 * MIB, 1e9), (1000.0 * MIB, 1e9));
        assert!((fast.allowance(100 << 20) as f64 / MIB - 2.0 * mib).abs() < 0.01);
    }

    #[test]
    fn unknown_rates_give_the_least() {
        let unknown = Balance::new(SHARE);
        assert_eq!(unknown.allowance(0), LEAST);
        assert_eq!(unknown.allowance(1 << 30), LEAST);
        assert_eq!(balance((1e9, 1e9), (0.0, 1e9)).allowance(1 << 30), LEAST, "nothing lived");
    }

    #[test]
    fn rates_follow_what_happens() {
        let mut rate = (0.0, 0.0);
        fade(&mut rate, 0.5, 100, 10);
        assert_eq!(rate, (100.0, 10.0));
        fade(&mut rate, 0.5, 300, 10);
        assert_eq!(rate, (200.0, 10.0));
    }
}
