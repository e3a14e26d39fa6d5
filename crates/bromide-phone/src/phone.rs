//! The phone: model, chip and behaviour, one plug-in after the other.
//!
//! Promises: [`Phone::serve`] lasts for one plug-in and says why it ended. Every plug-in is a power cycle, except
//! the one after [`Ended::ReturnsAs2001`], which finds the agent as it was. The chip persists.

use core::convert::Infallible;
use core::time::Duration;

use bromide_proto::link::Link;

use crate::agent::{Agent, Session};
use crate::boot_rom::BootRom;
use crate::clock::Clock;
use crate::model::Model;
use crate::nand_chip::NandChip;
use crate::options::Options;
use crate::usb::HighSpeed;
use crate::wire::{Ended, Wire};

/// How many remarks are kept.
const REMARKS: usize = 100;

/// A virtual phone.
#[derive(Debug)]
pub struct Phone {
    /// What phone it is.
    pub model: Model,
    /// Its NAND chip.
    pub chip: NandChip,
    /// How it behaves; faults that happen a number of times are counted down here.
    pub options: Options,
    clock: Clock,
    /// The agent that is still running after [`Ended::ReturnsAs2001`], and when the watchdog bites.
    running: Option<(Agent, Option<Duration>)>,
    remarks: Vec<String>,
}

impl Phone {
    /// A phone that is switched off, on a real clock.
    #[must_use]
    pub fn new(model: Model, chip: NandChip, options: Options) -> Self {
        Self { model, chip, options, clock: Clock::real(), running: None, remarks: Vec::new() }
    }

    /// Measures time with another clock from now on.
    pub fn set_clock(&mut self, clock: Clock) {
        self.clock = clock;
    }

    /// The clock the phone measures time with.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Takes the battery out: an agent that was waiting to return as 0e8d:2001 is gone.
    pub fn power_off(&mut self) {
        self.running = None;
    }

    /// Whether the next plug-in is 0e8d:2001 with the agent running.
    #[must_use]
    pub fn returns_as_2001(&self) -> bool {
        self.running.is_some()
    }

    /// What the phone could not say on the cable, oldest first: why it fell silent, what is not modelled.
    #[must_use]
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// One plug-in, from the moment the host can send until one of the two leaves.
    pub async fn serve<L: Link>(&mut self, host: L) -> Ended {
        match self.plug_in(host).await {
            Err(ended) => ended,
            Ok(never) => match never {},
        }
    }

    async fn plug_in<L: Link>(&mut self, host: L) -> Result<Infallible, Ended> {
        let (agent, watchdog, resumed) = match self.running.take() {
            Some((agent, watchdog)) => (Some(agent), watchdog, true),
            None => {
                let bites = self.options.watchdog.map(|time| self.clock.now().saturating_add(time));
                (None, bites, false)
            }
        };
        let mut wire = Wire::new(host, self.clock.clone(), watchdog);
        let mut agent = match agent {
            Some(agent) => agent,
            None => self.boot(&mut wire).await?,
        };
        let mut session = Session {
            wire: &mut wire,
            agent: &mut agent,
            model: &self.model,
            chip: &self.chip,
            options: &mut self.options,
            remarks: &mut self.remarks,
        };
        let ended = match resumed {
            true => session.commands().await,
            false => match session.start().await {
                Ok(()) => session.commands().await,
                Err(ended) => Err(ended),
            },
        };
        // A high-speed link that breaks takes the agent with it or not, as the options say.
        let outlives = resumed
            && ended == Err(Ended::Unplugged)
            && matches!(self.options.usb.high_speed, HighSpeed::Aborts(_));
        if ended == Err(Ended::ReturnsAs2001) || outlives {
            agent.switch_to_high_speed();
            self.running = Some((agent, wire.watchdog));
        }
        ended
    }

    /// BootROM or preloader until an agent runs.
    async fn boot<L: Link>(&mut self, wire: &mut Wire<L>) -> Result<Agent, Ended> {
        let jumped = BootRom::new(wire, &self.model, &self.options).run().await?;
        if let Some(generation) = jumped {
            return Ok(Agent::new(generation, self.options.boot));
        }
        remark(
            &mut self.remarks,
            "what was uploaded is no agent this phone knows; it does not answer".to_owned(),
        );
        match wire.silence().await {
            Ok(never) => match never {},
            Err(Ended::Unplugged) => Err(Ended::Crashed),
            Err(other) => Err(other),
        }
    }
}

/// Adds a remark; a host that provokes very many only gets the first hundred kept.
pub(crate) fn remark(remarks: &mut Vec<String>, what: String) {
    if remarks.len() < REMARKS {
        remarks.push(what);
    }
}
