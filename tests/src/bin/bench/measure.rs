//! Times several pieces of work against each other on a noisy machine.
//!
//! Each round runs one short batch of every piece in turn, so a slow machine slows all of them. The
//! median over the rounds leaves out the batches that were interrupted.

use std::time::{Duration, Instant};

/// The length of one batch: long compared with a reading of the clock, short compared with the
/// scheduler's time slice.
const BATCH: Duration = Duration::from_millis(1);

/// One piece of work. It must keep its result from being optimised away.
pub(crate) type Work<'a> = Box<dyn FnMut() + 'a>;

/// The median microseconds of one run of each piece, measured for about `total` after a warm-up of
/// a fifth of that.
pub(crate) fn medians_us(work: &mut [Work<'_>], total: Duration) -> Vec<f64> {
    let share = total / 5 / u32::try_from(work.len()).unwrap_or(u32::MAX).max(1);
    let batches: Vec<u32> = work.iter_mut().map(|run| batch_of(run, share)).collect();
    let mut samples = vec![Vec::new(); work.len()];
    let started = Instant::now();
    while started.elapsed() < total || samples[0].len() < 3 {
        for ((run, batch), samples) in work.iter_mut().zip(&batches).zip(&mut samples) {
            samples.push(time_us(run, *batch));
        }
    }
    samples.iter_mut().map(|samples| median(samples)).collect()
}

/// The median; 0 for no values.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    percentile(values, 50)
}

/// The value that `percent` of all values do not exceed; 0 for no values.
pub(crate) fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent / 100).min(values.len().saturating_sub(1));
    values.get(rank).copied().unwrap_or(0.0)
}

/// Warms the work up for a time, and returns how many runs fill a batch.
fn batch_of(run: &mut Work<'_>, warm_up: Duration) -> u32 {
    let started = Instant::now();
    let mut runs = 0;
    while started.elapsed() < warm_up || runs < 2 {
        run();
        runs += 1;
    }
    let per_run = started.elapsed() / runs;
    let batch = BATCH.as_nanos() / per_run.as_nanos().max(1);
    u32::try_from(batch).unwrap_or(u32::MAX).max(1)
}

fn time_us(run: &mut Work<'_>, batch: u32) -> f64 {
    let started = Instant::now();
    for _ in 0..batch {
        run();
    }
    started.elapsed().as_secs_f64() * 1e6 / f64::from(batch)
}
