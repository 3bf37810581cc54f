//! Channels and `select` against a model, one operation at a time: tasks begin operations, wake for
//! nothing, are cancelled, and channels close, in any order, while every allocation moves everything.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const TASKS: usize = 5;
const CAPACITIES: [usize; 3] = [0, 1, 2];

/// One case of an operation: a channel, and what is sent (`None`: it receives).
type Case = (usize, Option<i64>);

#[derive(Clone, Debug)]
enum Step {
    /// An idle task begins: a single case by its method, several by `select`.
    Begin(usize, Vec<Case>),
    /// A waiting task runs again.
    Redo(usize),
    Cancel(usize),
    Close(usize),
}

/// How an operation ends: its case and what it received.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Outcome {
    Done(usize, Option<i64>),
    Closed,
}

#[derive(Default)]
struct Model {
    buffers: [VecDeque<i64>; CAPACITIES.len()],
    closed: [bool; CAPACITIES.len()],
    /// Who waits for what, in the order in which they began.
    waiting: Vec<(usize, Vec<Case>)>,
    /// Operations that have happened and whose tasks have not run yet.
    outcomes: [Option<Outcome>; TASKS],
    cancelled: [bool; TASKS],
    woken: Vec<usize>,
}

impl Model {
    fn complete(&mut self, task: usize, outcome: Outcome) {
        self.waiting.retain(|(waiting, _)| *waiting != task);
        self.outcomes[task] = Some(outcome);
        self.woken.push(task);
    }
    /// The task that has waited longest to send to, or to receive from, a channel.
    fn partner(&self, channel: usize, sends: bool) -> Option<(usize, usize, Option<i64>)> {
        self.waiting.iter().find_map(|(task, cases)| {
            let fits = |case: &Case| case.0 == channel && case.1.is_some() == sends;
            let case = cases.iter().position(fits)?;
            Some((*task, case, cases[case].1))
        })
    }
    fn attempt(&mut self, (channel, sent): Case) -> Option<Result<Option<i64>, ()>> {
        if sent.is_some() && self.closed[channel] {
            return Some(Err(()));
        }
        if let Some(v) = sent {
            if let Some((task, case, _)) = self.partner(channel, false) {
                self.complete(task, Outcome::Done(case, Some(v)));
                return Some(Ok(None));
            }
            let room = self.buffers[channel].len() < CAPACITIES[channel];
            return room.then(|| {
                self.buffers[channel].push_back(v);
                Ok(None)
            });
        }
        let sender = self.partner(channel, true);
        if let Some((task, case, v)) = sender {
            self.complete(task, Outcome::Done(case, None));
            self.buffers[channel].extend(v);
        }
        match self.buffers[channel].pop_front() {
            Some(v) => Some(Ok(Some(v))),
            None => self.closed[channel].then_some(Err(())),
        }
    }
    /// What a task that begins gets at once, if anything.
    fn begin(&mut self, task: usize, cases: &[Case]) -> Option<Outcome> {
        for (n, &case) in cases.iter().enumerate() {
            match self.attempt(case) {
                Some(Ok(v)) => return Some(Outcome::Done(n, v)),
                Some(Err(())) => return Some(Outcome::Closed),
                None => {}
            }
        }
        self.waiting.push((task, cases.to_vec()));
        None
    }
    fn close(&mut self, channel: usize) {
        self.closed[channel] = true;
        let on = |cases: &[Case]| cases.iter().any(|case| case.0 == channel);
        let told: Vec<usize> =
            self.waiting.iter().filter(|(_, cases)| on(cases)).map(|(task, _)| *task).collect();
        told.into_iter().for_each(|task| self.complete(task, Outcome::Closed));
    }
}

struct Machine {
    t: T,
    model: Model,
    tasks: Vec<H>,
    channels: Vec<H>,
    /// The operation that each task is in.
    operations: [Option<Vec<Case>>; TASKS],
}

impl Machine {
    fn new() -> Machine {
        let mut t = T::new(Mode::Moving);
        let nil = t.nil();
        let tasks =
            (1..=TASKS as u64).map(|number| t.task(number, TaskState::Pending, nil).unwrap());
        let tasks: Vec<H> = tasks.collect();
        let channel = |&capacity: &usize| {
            let capacity = t.int(capacity as i64).unwrap();
            t.f("channel", &[capacity]).unwrap()
        };
        let channels = CAPACITIES.iter().map(channel).collect();
        Machine { t, model: Model::default(), tasks, channels, operations: Default::default() }
    }

    /// Executes the operation that the task is in, as its instruction does.
    fn execute(&mut self, task: usize) -> Result<Outcome, String> {
        let cases = self.operations[task].clone().expect("it is in an operation");
        self.t.host.running = self.t.value(self.tasks[task]);
        let nil = self.t.nil();
        let mut operand = |v: Option<i64>| v.map_or(nil, |v| self.t.int(v).unwrap());
        let words: Vec<(H, H)> =
            cases.iter().map(|&(channel, v)| (self.channels[channel], operand(v))).collect();
        let int = |t: &T, h: H| int_of(t.value(h));
        if let [(channel, sent)] = cases[..] {
            let got = match sent {
                Some(_) => self.t.m(self.channels[channel], "send", &[words[0].1]),
                None => self.t.m(self.channels[channel], "recv", &[]),
            };
            return got.map(|v| Outcome::Done(0, int(&self.t, v)));
        }
        let mut args = Vec::new();
        for (case, (channel, v)) in cases.iter().zip(words) {
            let side = self.t.int(i64::from(case.1.is_some())).unwrap();
            args.extend([side, channel, v]);
        }
        let wait = self.t.int(0).unwrap();
        args.extend([wait, nil]);
        let case = self.t.f("%select", &args)?;
        let v = self.t.f("%select_value", &[])?;
        let case = int(&self.t, case).expect("a number");
        Ok(Outcome::Done(case as usize, int(&self.t, v)))
    }

    /// Executes it and compares with what the model says.
    fn check(&mut self, task: usize, expected: Option<Outcome>) {
        let found = self.execute(task);
        let matches = match (&found, expected) {
            (Ok(found), Some(expected)) => *found == expected,
            (Err(kind), Some(Outcome::Closed)) => kind.starts_with("Closed:"),
            (Err(kind), None) if self.model.cancelled[task] => kind.starts_with("Cancelled:"),
            (Err(kind), None) => kind.starts_with("Block(Event(") && kind.ends_with(", None))"),
            _ => false,
        };
        assert!(matches, "task {task}: {found:?} instead of {expected:?}");
        if expected.is_some() {
            self.operations[task] = None;
        } else if self.model.cancelled[task] {
            self.model.cancelled[task] = false;
            self.model.waiting.retain(|(waiting, _)| *waiting != task);
            self.operations[task] = None;
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Begin(task, cases) if self.operations[*task].is_none() => {
                self.operations[*task] = Some(cases.clone());
                let cancelled = self.model.cancelled[*task];
                let outcome = if cancelled { None } else { self.model.begin(*task, cases) };
                self.check(*task, outcome);
            }
            Step::Redo(task) if self.operations[*task].is_some() => {
                let outcome = self.model.outcomes[*task].take();
                self.check(*task, outcome);
            }
            Step::Begin(..) | Step::Redo(_) => {}
            Step::Cancel(task) => {
                self.model.cancelled[*task] = true;
                self.model.woken.push(*task);
                self.t.m(self.tasks[*task], "cancel", &[]).unwrap();
            }
            Step::Close(channel) => {
                self.model.close(*channel);
                self.t.m(self.channels[*channel], "close", &[]).unwrap();
            }
        }
        // Nobody whose wait is over is left asleep, and nobody else is disturbed.
        let mut woken: Vec<usize> =
            self.t.host.woken.drain(..).map(|id| id.number() as usize - 1).collect();
        let mut expected = std::mem::take(&mut self.model.woken);
        woken.sort_unstable();
        expected.sort_unstable();
        assert_eq!(woken, expected);
    }
}

fn a_case() -> impl Strategy<Value = Case> {
    (0..CAPACITIES.len(), prop::option::of(0..100i64))
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..TASKS, prop::collection::vec(a_case(), 1..4)).prop_map(|(t, c)| Step::Begin(t, c)),
        6 => (0..TASKS).prop_map(Step::Redo),
        1 => (0..TASKS).prop_map(Step::Cancel),
        1 => (0..3 * CAPACITIES.len()).prop_map(|c| Step::Close(c % CAPACITIES.len())),
    ]
}

proptest! {
    #[test]
    fn channels_behave_like_their_model(steps in prop::collection::vec(a_step(), 1..60)) {
        let mut machine = Machine::new();
        steps.iter().for_each(|step| machine.step(step));
        // In the end everybody runs once more: what has happened is told, nothing else is.
        for task in 0..TASKS {
            machine.step(&Step::Redo(task));
        }
    }
}
