//! What requests cost.
//!
//! A GPU costs its price for as long as it is held, at work or not. Of the time it works, each
//! request has its share (see [`Request::gpu_share`](underspan_engine::Request)); work of no known
//! request and idle time are shown apart, so that the parts sum to the price of the time.

use crate::Case;
use crate::gpu::Gpu;
use crate::statistics::Percentile;

/// Nanoseconds in an hour.
const HOUR_NS: f64 = 3.6e12;

/// What the requests of a capture cost, in the currency of the price.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// Price of one GPU for an hour.
    pub price_per_hour: f64,
    /// GPUs that worked.
    pub n_gpus: usize,
    /// Time that they were held: from the first to the last work of any, in nanoseconds, all GPUs
    /// together.
    pub held_ns: u64,
    /// Price of that time.
    pub total: f64,
    /// Of which the requests' shares.
    pub requests: f64,
    /// Of which work of no known request.
    pub unattributed: f64,
    /// Of which idle time.
    pub idle: f64,
    /// Per request: its own share, the median and the 95th percentile over requests with steps, in
    /// billionths of the currency.
    pub per_request: Option<(Percentile, Percentile)>,
    /// Of all that was paid, per request that was served.
    pub per_served: Option<f64>,
    /// Of all that was paid, per thousand tokens in and out; `None` where tokens are not known.
    pub per_1k_tokens: Option<f64>,
}

impl Cost {
    /// The cost of a case at a price for one GPU and hour; `None` without device work.
    pub fn of(case: &Case<'_>, price_per_hour: f64) -> Option<Self> {
        let devices = &case.analysis.occupancy.devices;
        let start = devices.iter().map(|device| device.window.start()).min()?;
        let end = devices.iter().map(|device| device.window.end()).max()?;
        let n_gpus = devices.len();
        let held_ns = end.saturating_since(start).as_ns().saturating_mul(n_gpus as u64);
        let busy_ns: u64 = devices.iter().map(|device| device.busy.as_ns()).sum();
        let price = |ns: f64| ns / HOUR_NS * price_per_hour;
        let shares: Vec<u64> = case
            .requests
            .requests
            .iter()
            .map(|r| r.gpu_share.as_ns())
            .filter(|ns| *ns > 0)
            .collect();
        // Work of several streams at a time is shared out once for each: it cannot cost more than
        // the time in which the device worked.
        let shared_ns = shares.iter().sum::<u64>() as f64;
        let scale = (busy_ns as f64 / shared_ns.max(1.0)).min(1.0);
        let mut per_request: Vec<u64> =
            shares.iter().map(|ns| (price(*ns as f64 * scale) * 1e9) as u64).collect();
        per_request.sort_unstable();
        let percentile = |percent| Percentile::of_sorted(&per_request, percent);
        let tokens: u64 = case
            .requests
            .requests
            .iter()
            .filter(|request| request.gpu_share.as_ns() > 0)
            .map(|r| r.tokens.prompt.unwrap_or(0) + r.tokens.output.unwrap_or(0))
            .sum();
        let total = price(held_ns as f64);
        Some(Self {
            price_per_hour,
            n_gpus,
            held_ns,
            total,
            requests: price(shared_ns * scale),
            unattributed: price(busy_ns as f64 - shared_ns * scale),
            idle: price(held_ns.saturating_sub(busy_ns) as f64),
            per_request: percentile(50).zip(percentile(95)),
            per_served: (!shares.is_empty()).then(|| total / shares.len() as f64),
            per_1k_tokens: (tokens > 0).then(|| total / tokens as f64 * 1e3),
        })
    }

    /// A usual price for an hour of the case's GPU on demand, in US dollars; `None` for a product
    /// that is not listed.
    ///
    /// Prices differ by provider and change: these are of the order of public on-demand offers of
    /// 2025 and are meant to be overridden.
    pub fn usual_price(case: &Case<'_>) -> Option<f64> {
        let gpu = Gpu::known(case)?;
        Some(match gpu.memory_gb_s {
            8000.0.. => 6.0,
            4000.0.. => 3.5,
            2000.0.. => 2.5,
            1500.0.. => 1.8,
            800.0.. => 1.0,
            _ => 0.7,
        })
    }
}
