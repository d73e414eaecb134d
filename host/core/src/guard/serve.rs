//! Checks that a served address is one of the worker's adopted, running instance.

use std::net::IpAddr;

use super::Scene;
use crate::model::instance::InstanceState;
use crate::model::point::resolve::Target;
use crate::model::veto::{Rule, Veto};

impl Scene<'_> {
    /// Checks a `serve` verdict and returns the address.
    ///
    /// # Errors
    /// The veto: the instance is not the worker's adopted one, is not running by its last reading,
    /// was only seen in scans, or has no such address.
    pub fn check_serve(&self, target: &Target) -> Result<IpAddr, Veto> {
        let worker = self.facts;
        let id = &target.id;
        if worker.adopted.as_ref().map(|adopted| &adopted.id) != Some(id) {
            return Err(Veto::new(
                Rule::NotThisWorkers,
                match &worker.adopted {
                    Some(adopted) => {
                        format!("{id} is not the worker's instance; {} is", adopted.id)
                    }
                    None => format!("{id} is not adopted; only an adopted instance is handed out"),
                },
            ));
        }
        let Some(known) = worker.instances.get(id) else {
            return Err(Veto::new(
                Rule::StaleReading,
                format!("nothing was read of {id} yet"),
            ));
        };
        self.is_this_workers(id)?;
        if known.instance.state != InstanceState::Running {
            return Err(Veto::new(
                Rule::WrongState,
                format!("{id} is {}, not running", known.instance.state.as_str()),
            ));
        }
        if !worker.is_confirmed(id, self.now) {
            let text = format!(
                "only scans have shown {id}, and they may show what it was minutes ago; it is read by its id before \
                 it is handed out"
            );
            let veto = Veto::new(Rule::StaleReading, text);
            let opens_at = worker.look_up_waits_until(id);
            return Err(opens_at.map_or(veto.clone(), |at| veto.opening_at(at)));
        }
        known.instance.address(target.address).ok_or_else(|| {
            Veto::new(
                Rule::NoAddress,
                format!("{id} has no {:?} address yet", target.address).to_lowercase(),
            )
        })
    }
}
