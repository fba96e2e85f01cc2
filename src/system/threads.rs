//! Runs work on files on a few threads. Most of that time is spent in the kernel.
//!
//! Input: a list, and the work for one item. Output: the results in the list's order, whatever the
//! number of threads. What `-v` shows is noted as if one thread did it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::system::trail;

/// More threads than this would only wait for each other in the kernel.
const MAX_THREADS: usize = 8;

/// The stack of a thread that does what else the main thread does, which has as much.
pub const STACK: usize = 8 << 20;

/// Calls `work` for each item. A thread takes `share` neighbouring items at a time; a list of at
/// most `share` items is not worth a second thread.
pub fn map<T: Sync, R: Send>(items: &[T], share: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if items.len() <= share {
        return items.iter().map(work).collect();
    }
    let shares: Vec<&[T]> = items.chunks(share.max(1)).collect();
    let helpers = cores().min(MAX_THREADS).min(shares.len()).saturating_sub(1);
    let next = AtomicUsize::new(0);
    let part = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(share) = shares.get(at) else {
                return done;
            };
            done.push((at, share.iter().map(&work).collect::<Vec<R>>()));
        }
    };
    let trail = trail::own();
    let help = || {
        let _kept = trail.clone().enter();
        part()
    };
    let mut done = std::thread::scope(|scope| {
        // A thread that cannot be spawned is no loss: this thread does the rest.
        let spawned = (0..helpers).map(|_| std::thread::Builder::new().spawn_scoped(scope, help));
        let spawned: Vec<_> = spawned.filter_map(Result::ok).collect();
        let mut done = part();
        for helper in spawned {
            match helper.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().flat_map(|(_, results)| results).collect()
}

/// Does both, at once if there are cores for it.
pub fn both<A: Send, B>(first: impl FnOnce() -> A + Send, second: impl FnOnce() -> B) -> (A, B) {
    if cores() < 2 {
        return (first(), second());
    }
    let trail = trail::own();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            let _kept = trail.enter();
            first()
        });
        let second = second();
        match first.join() {
            Ok(first) => (first, second),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// How many threads can run at once. Cached, because the answer takes reading a dozen kernel files.
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_their_order() {
        for count in [0, 1, 7, 1000] {
            let items: Vec<usize> = (0..count).collect();
            let doubled: Vec<usize> = items.iter().map(|item| item * 2).collect();
            assert_eq!(map(&items, 3, |item| item * 2), doubled);
        }
    }

    #[test]
    fn notes_of_all_threads_are_those_of_the_first() {
        let kept = trail::keep();
        let items: Vec<usize> = (0..100).collect();
        map(&items, 1, |item| trail::decided(|| item.to_string()));
        both(
            || trail::decided(|| "a".to_owned()),
            || trail::decided(|| "b".to_owned()),
        );
        assert_eq!(trail::take().len(), items.len() + 2);
        drop(kept);
    }

    #[test]
    fn both_are_done() {
        assert_eq!(both(|| 1, || "2"), (1, "2"));
    }
}
