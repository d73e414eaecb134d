//! Random draws from the seed. Each kind of choice has its own stream, so a new kind does not
//! change the draws of the others.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use reeve_core::time::Millis;

use super::Boot;

/// The streams of one world.
#[derive(Clone, Debug)]
pub(super) struct Draws {
    boot: ChaCha8Rng,
    address: ChaCha8Rng,
    stop: ChaCha8Rng,
    id: ChaCha8Rng,
    reboot: ChaCha8Rng,
}

impl Draws {
    pub(super) fn new(seed: u64) -> Self {
        let stream = |number| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(number);
            rng
        };
        Self {
            boot: stream(1),
            address: stream(2),
            stop: stream(3),
            id: stream(4),
            reboot: stream(5),
        }
    }

    /// A boot: about 16 s from `pending` to `running`, as in a public measurement, and an address 1
    /// to 5 s later (docs/incidents.md#ip-race).
    pub(super) fn boot(&mut self) -> Boot {
        Boot {
            pending: between(&mut self.boot, 12_000, 20_000),
            address_after: between(&mut self.address, 1_000, 5_000),
        }
    }

    /// The length of a stop. AWS documents none; the swarm also draws longer ones.
    pub(super) fn stop(&mut self) -> Millis {
        between(&mut self.stop, 10_000, 40_000)
    }

    /// The length of a reboot: a shutdown and a boot of the operating system.
    pub(super) fn reboot(&mut self) -> Millis {
        between(&mut self.reboot, 20_000, 60_000)
    }

    /// The 17 hexadecimal digits of an EC2 instance id.
    pub(super) fn instance_id(&mut self) -> String {
        let high = self.id.next_u64();
        let low = self.id.next_u32() & 0xf;
        format!("i-{high:016x}{low:x}")
    }

    /// The 32 hexadecimal digits of an ECS task id.
    pub(super) fn task_id(&mut self) -> String {
        format!("{:016x}{:016x}", self.id.next_u64(), self.id.next_u64())
    }
}

fn between(rng: &mut ChaCha8Rng, from_ms: u64, to_ms: u64) -> Millis {
    Millis::new(from_ms + rng.next_u64() % (to_ms - from_ms + 1))
}
