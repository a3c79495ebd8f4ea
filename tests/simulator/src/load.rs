//! Who asks for what and when, and the way a request takes to the server and back.

use crate::random::Random;

/// How requests arrive and how large they are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Load {
    pub(crate) n_requests: usize,
    /// Mean time between arrivals, ns.
    pub(crate) gap_ns: f64,
    pub(crate) pattern: Pattern,
    pub(crate) prompt: Length,
    pub(crate) output: Length,
    /// Shared beginnings of prompts.
    pub(crate) prefixes: Option<Prefixes>,
    /// Requests with very long prompts.
    pub(crate) giants: Option<Giants>,
}

/// When requests arrive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pattern {
    /// Independently of each other.
    Poisson,
    /// With a steady rate: times between arrivals vary by half.
    Steady,
    /// In bursts of about so many.
    Bursts(f64),
}

/// A log-normal length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Length {
    pub(crate) median: f64,
    pub(crate) spread: f64,
    pub(crate) most: u64,
}

/// Shared prompt beginnings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Prefixes {
    pub(crate) groups: u64,
    pub(crate) tokens: u64,
}

/// A few very long prompts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Giants {
    /// Share of the requests.
    pub(crate) share: f64,
    pub(crate) tokens: u64,
}

/// Delays on the way between gateway, client and server, ns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Way {
    pub(crate) gateway_ns: f64,
    pub(crate) network_ns: f64,
    pub(crate) fault: Option<WayFault>,
}

/// Something wrong on the way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct WayFault {
    pub(crate) place: Place,
    /// Share of the requests.
    pub(crate) share: f64,
    /// Mean delay, ns.
    pub(crate) delay_ns: f64,
}

/// Where a request is held up outside the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the gateway before it calls.
    Gateway,
    /// On the network, both ways.
    Network,
    /// Sent to a far replica of the same service.
    FarReplica,
    /// In the server's own front end, before the engine sees it.
    Frontend,
}

/// One request on its way in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Arrival {
    pub(crate) trace_id: u128,
    pub(crate) span_ids: [u64; 3],
    pub(crate) prompt: u64,
    pub(crate) output: u64,
    /// Group of the shared beginning, and its tokens.
    pub(crate) prefix: Option<(u64, u64)>,
    pub(crate) is_giant: bool,
    pub(crate) gateway_ns: u64,
    pub(crate) client_ns: u64,
    pub(crate) server_ns: u64,
    /// Delay in the server before the engine sees it, ns.
    pub(crate) frontend_ns: u64,
    /// From the server's end to the client's, and on to the gateway's, ns.
    pub(crate) back_ns: (u64, u64),
    pub(crate) server_address: &'static str,
}

/// Name of the replica that is watched, and of one far away.
const NEAR: &str = "inference-0.svc";
const FAR: &str = "inference-0.eu-west-1.svc";

impl Load {
    /// All requests in order of arrival at the gateway.
    ///
    /// Every quantity has a source of its own, so that a fault in one leaves the others as they
    /// were.
    pub(crate) fn arrivals(&self, seed: u64, way: &Way) -> Vec<Arrival> {
        let source = |purpose: &str| Random::for_purpose(seed, purpose);
        let (mut times, mut ids, mut prompts, mut outputs) =
            (source("times"), source("ids"), source("prompts"), source("outputs"));
        let (mut groups, mut giants, mut ways, mut faults) =
            (source("groups"), source("giants"), source("ways"), source("way faults"));
        let mut at_ns = 1e6;
        let mut left_in_burst = 0.0;
        (0..self.n_requests)
            .map(|_| {
                at_ns += self.next_gap(&mut times, &mut left_in_burst);
                let prefix = self.prefixes.map(|p| (groups.between(0, p.groups), p.tokens));
                let own = prompts.log_normal(self.prompt.median, self.prompt.spread);
                let own = (own as u64).clamp(4, self.prompt.most);
                let is_drawn = giants.unit();
                let giant_factor = giants.within(0.9, 1.1);
                let giant = self.giants.filter(|g| is_drawn < g.share);
                let prompt = giant.map_or(own, |g| (g.tokens as f64 * giant_factor) as u64)
                    + prefix.map_or(0, |(_, tokens)| tokens);
                let output = outputs.log_normal(self.output.median, self.output.spread) as u64;
                let mut arrival = Arrival {
                    trace_id: u128::from(ids.next_u64()) << 64 | u128::from(ids.next_u64()),
                    span_ids: [ids.next_u64() | 1, ids.next_u64() | 1, ids.next_u64() | 1],
                    prompt,
                    output: output.clamp(1, self.output.most),
                    prefix,
                    is_giant: giant.is_some(),
                    gateway_ns: at_ns as u64,
                    client_ns: 0,
                    server_ns: 0,
                    frontend_ns: 0,
                    back_ns: (0, 0),
                    server_address: NEAR,
                };
                way.travel(&mut arrival, &mut ways, &mut faults);
                arrival
            })
            .collect()
    }

    fn next_gap(&self, random: &mut Random, left_in_burst: &mut f64) -> f64 {
        match self.pattern {
            Pattern::Poisson => random.exponential(self.gap_ns),
            Pattern::Steady => self.gap_ns * random.within(0.5, 1.5),
            Pattern::Bursts(size) => {
                if *left_in_burst < 1.0 {
                    *left_in_burst = random.within(0.5, 1.5) * size;
                    return random.exponential(self.gap_ns * size * 0.8);
                }
                *left_in_burst -= 1.0;
                random.exponential(self.gap_ns * 0.2)
            }
        }
    }
}

impl Way {
    /// A gateway and a client in the same data centre.
    pub(crate) fn short() -> Self {
        Self { gateway_ns: 95_000.0, network_ns: 140_000.0, fault: None }
    }

    fn travel(&self, arrival: &mut Arrival, random: &mut Random, faults: &mut Random) {
        let mut gateway_ns = random.log_normal(self.gateway_ns, 0.25);
        let mut there_ns = random.log_normal(self.network_ns, 0.25);
        let mut back_ns = random.log_normal(0.35 * self.network_ns, 0.25);
        let rest_ns = random.log_normal(0.5 * self.gateway_ns, 0.25);
        let is_hit = faults.unit();
        let delay_factor = faults.within(0.7, 1.3);
        if let Some(fault) = self.fault.filter(|fault| is_hit < fault.share) {
            let delay_ns = fault.delay_ns * delay_factor;
            match fault.place {
                Place::Gateway => gateway_ns += delay_ns,
                Place::Network | Place::FarReplica => {
                    there_ns += delay_ns / 2.0;
                    back_ns += delay_ns / 2.0;
                }
                Place::Frontend => arrival.frontend_ns += delay_ns as u64,
            }
            if fault.place == Place::FarReplica {
                arrival.server_address = FAR;
            }
        }
        arrival.client_ns = arrival.gateway_ns + gateway_ns as u64;
        arrival.server_ns = arrival.client_ns + there_ns as u64;
        arrival.back_ns = (back_ns as u64, rest_ns as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load() -> Load {
        Load {
            n_requests: 2_000,
            gap_ns: 1e6,
            pattern: Pattern::Poisson,
            prompt: Length { median: 100.0, spread: 0.4, most: 1_000 },
            output: Length { median: 10.0, spread: 0.4, most: 64 },
            prefixes: None,
            giants: None,
        }
    }

    #[test]
    fn a_fault_leaves_everything_else_as_it_was() {
        let plain = load().arrivals(7, &Way::short());
        let fault = WayFault { place: Place::Gateway, share: 0.5, delay_ns: 5e6 };
        let delayed = load().arrivals(7, &Way { fault: Some(fault), ..Way::short() });
        let giants = Load { giants: Some(Giants { share: 0.05, tokens: 8_000 }), ..load() };
        let giants = giants.arrivals(7, &Way::short());
        for ((a, b), c) in plain.iter().zip(&delayed).zip(&giants) {
            assert_eq!((a.gateway_ns, a.prompt, a.output), (b.gateway_ns, b.prompt, b.output));
            assert_eq!((a.gateway_ns, a.output), (c.gateway_ns, c.output));
            assert!(c.is_giant || a.prompt == c.prompt);
        }
        assert!(delayed.iter().zip(&plain).any(|(b, a)| b.client_ns > a.client_ns + 3_000_000));
        let n_giants = giants.iter().filter(|a| a.is_giant).count();
        assert!((60..150).contains(&n_giants), "{n_giants}");
    }

    #[test]
    fn every_pattern_keeps_the_mean_rate() {
        for pattern in [Pattern::Poisson, Pattern::Steady, Pattern::Bursts(12.0)] {
            let arrivals = Load { pattern, ..load() }.arrivals(3, &Way::short());
            let span = arrivals[1_999].gateway_ns as f64;
            assert!((1.6e9..2.4e9).contains(&span), "{pattern:?} {span}");
        }
    }
}
