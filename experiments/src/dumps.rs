//! `kill -USR1` on a running `menagerie exec`: what every task does, on the error output, while the program
//! goes on.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use menagerie::lang::diagnostics::Sources;
use menagerie::report::Place;
use menagerie::table::{Doing, Standing};
use menagerie::vm::Dumps;
use signal_hook::consts::SIGUSR1;
use signal_hook::iterator::Signals;

use crate::output::{say, say_error};

/// Waits for the signal, and asks the VM that runs now.
pub(crate) struct OnSignal(Arc<Mutex<Option<Arc<Dumps>>>>);

impl OnSignal {
    /// From now on the signal does not end the process.
    pub(crate) fn install() -> OnSignal {
        let current: Arc<Mutex<Option<Arc<Dumps>>>> = Arc::default();
        let asks = current.clone();
        let waits = move |mut signals: Signals| {
            for _ in signals.forever() {
                let dumps = asks.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if !dumps.is_some_and(|dumps| dumps.ask()) {
                    say("no program is running\n");
                }
            }
        };
        let installed = Signals::new([SIGUSR1]).and_then(|signals| {
            let thread = std::thread::Builder::new().name("menagerie-signals".into());
            thread.spawn(move || waits(signals))
        });
        if let Err(e) = installed {
            say_error(&format!("there will be no task dumps: {e}"));
        }
        OnSignal(current)
    }
    /// For the VM that runs next, whose program came from these files.
    pub(crate) fn of(&self, sources: &Sources) -> Arc<Dumps> {
        let sources = sources.clone();
        let dumps = Dumps::new(move |tasks| say(&text(&sources, tasks)));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(dumps.clone());
        dumps
    }
}

/// Every task: where it is, what it does there, where it comes from.
fn text(sources: &Sources, tasks: &[Standing]) -> String {
    let place = |at: &Option<Place>| at.map_or_else(|| "?".to_owned(), |at| sources.place(at.span));
    let mut out = format!("tasks: {}\n", tasks.len());
    for Standing { task, function, at, spawned_at, doing } in tasks {
        let doing = match doing {
            Doing::Runs => "runs".to_owned(),
            Doing::WaitsForItsTurn => "waits for its turn".to_owned(),
            Doing::WaitsFor(what) => format!("waits for {what}"),
        };
        let _ = writeln!(out, "  task {task} in {function} at {} {doing}", place(at));
        if spawned_at.is_some() {
            let _ = writeln!(out, "    spawned at {}", place(spawned_at));
        }
    }
    out
}
