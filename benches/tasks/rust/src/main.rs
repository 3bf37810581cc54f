//! What tasks cost in tokio and rayon: see ../../tasks.mena.
//!
//! usage: `tasks tokio|rayon WORKERS OPERATION N EMPTY`. tokio with one worker is its current-thread
//! runtime. rayon has forks and scopes, and no channels: `fork_join` and `spawn_all` alone.

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;

use tokio::sync::mpsc::{Receiver, Sender, channel};

fn work(i: i64) -> i64 {
    black_box(i) % 7
}

async fn spawn_join(n: i64, empty: bool) -> i64 {
    let mut sum = 0;
    for i in 0..n {
        sum += if empty {
            work(i)
        } else {
            tokio::spawn(async move { work(i) }).await.expect("it ends")
        };
    }
    sum
}

async fn spawn_all(n: i64, empty: bool) -> i64 {
    if empty {
        let all: Vec<i64> = (0..n).collect();
        return black_box(all).into_iter().map(work).sum();
    }
    let tasks: Vec<_> = (0..n).map(|i| tokio::spawn(async move { work(i) })).collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.expect("it ends");
    }
    sum
}

/// In a scope: its tasks have no handles.
fn spawn_all_rayon(n: i64, empty: bool) -> i64 {
    let mut results: Vec<i64> = (0..n).collect();
    if empty {
        return black_box(results).into_iter().map(work).sum();
    }
    rayon::scope(|scope| {
        for result in &mut results {
            scope.spawn(|_| *result = work(*result));
        }
    });
    results.into_iter().sum()
}

async fn turns(n: i64, empty: bool) -> i64 {
    let mut count = 0;
    for _ in 0..n / 2 {
        if !empty {
            tokio::task::yield_now().await;
        }
        count = black_box(count + 1);
    }
    count
}

async fn switch(n: i64, empty: bool) -> i64 {
    let other = tokio::spawn(turns(n, empty));
    let own = turns(n, empty).await;
    own + other.await.expect("it ends")
}

/// tokio's channels have a capacity of one at least.
async fn ping_pong(n: i64, empty: bool) -> i64 {
    let (there, mut arrivals) = channel::<i64>(1);
    let (answer, mut back) = channel(1);
    let other = tokio::spawn(async move {
        while let Some(v) = arrivals.recv().await {
            answer.send(v + 1).await.expect("somebody receives");
        }
    });
    let mut sum = 0;
    for i in 0..n {
        sum += if empty {
            work(i) - work(i) + i % 2
        } else {
            there.send(i % 2).await.expect("somebody receives");
            back.recv().await.expect("somebody sends") - 1
        };
    }
    drop(there);
    other.await.expect("it ends");
    sum
}

fn fib(k: i64) -> i64 {
    if black_box(k) < 2 { k } else { fib(k - 1) + fib(k - 2) }
}

fn fork(k: i64) -> Pin<Box<dyn Future<Output = i64> + Send>> {
    Box::pin(async move {
        if k < 2 {
            return k;
        }
        let left = tokio::spawn(fork(k - 1));
        let right = fork(k - 2).await;
        left.await.expect("it ends") + right
    })
}

fn fork_rayon(k: i64) -> i64 {
    if black_box(k) < 2 {
        return k;
    }
    let (left, right) = rayon::join(|| fork_rayon(k - 1), || fork_rayon(k - 2));
    left + right
}

fn node(parent: Sender<i64>, first: i64, leaves: i64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if leaves == 1 {
            return parent.send(first).await.expect("somebody receives");
        }
        let (sender, mut children) = channel(10);
        let share = leaves / 10;
        for i in 0..10 {
            tokio::spawn(node(sender.clone(), first + i * share, share));
        }
        let mut sum = 0;
        for _ in 0..10 {
            sum += children.recv().await.expect("somebody sends");
        }
        parent.send(sum).await.expect("somebody receives");
    })
}

fn plain(first: i64, leaves: i64) -> i64 {
    if black_box(leaves) == 1 {
        return first;
    }
    let share = leaves / 10;
    (0..10).map(|i| plain(first + i * share, share)).sum()
}

async fn skynet(n: i64, empty: bool) -> i64 {
    if empty {
        return plain(0, n);
    }
    let (sender, mut result) = channel(1);
    tokio::spawn(node(sender, 0, n));
    result.recv().await.expect("somebody sends")
}

/// Many receivers of one channel: a semaphore without permits stands for the gate.
async fn parked(n: i64, empty: bool) -> i64 {
    if empty {
        return (0..n).map(|i| work(i) - work(i) + 1).sum();
    }
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let (sender, mut done): (Sender<i64>, Receiver<i64>) = channel(1);
    for _ in 0..n {
        let (gate, done) = (gate.clone(), sender.clone());
        tokio::spawn(async move {
            gate.acquire().await.expect("it stays open").forget();
            done.send(1).await.expect("somebody receives");
        });
    }
    tokio::task::yield_now().await;
    let mut sum = 0;
    for _ in 0..n {
        gate.add_permits(1);
        sum += done.recv().await.expect("somebody sends");
    }
    sum
}

async fn operation(name: String, n: i64, empty: bool) -> i64 {
    match name.as_str() {
        "spawn_join" => spawn_join(n, empty).await,
        "spawn_all" => spawn_all(n, empty).await,
        "switch" => switch(n, empty).await,
        "ping_pong" => ping_pong(n, empty).await,
        "fork_join" if empty => fib(n),
        "fork_join" => fork(n).await,
        "skynet" => skynet(n, empty).await,
        "parked" => parked(n, empty).await,
        _ => panic!("no operation `{name}`"),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [library, workers, name, n, empty] = &arguments[..] else {
        panic!("usage: tasks tokio|rayon WORKERS OPERATION N EMPTY");
    };
    let workers = workers.parse().expect("WORKERS is a number");
    let (n, empty) = (n.parse().expect("N is a number"), empty == "1");
    let result = match (library.as_str(), name.as_str()) {
        ("rayon", "fork_join") => {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(workers).build();
            pool.expect("threads").install(|| if empty { fib(n) } else { fork_rayon(n) })
        }
        ("rayon", "spawn_all") => {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(workers).build();
            pool.expect("threads").install(|| spawn_all_rayon(n, empty))
        }
        ("tokio", _) if workers == 1 => {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            runtime.expect("a runtime").block_on(operation(name.clone(), n, empty))
        }
        // In a task of its own: `block_on` would run it outside of the workers.
        ("tokio", _) => {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(workers).build();
            let runtime = runtime.expect("threads");
            let main = runtime.spawn(operation(name.clone(), n, empty));
            runtime.block_on(main).expect("it ends")
        }
        _ => panic!("{library} has no operation `{name}`"),
    };
    println!("{result}");
}
