//! From a cable to a running agent: the steps every job begins with.

use bromide_nand::Geometry;
use bromide_proto::agent::{self, Agent, Found, Setup};
use bromide_proto::agent_format::{Because, Format};
use bromide_proto::brom::{Brom, Identity};
use bromide_proto::error::{Error, ErrorKind};
use bromide_proto::link::Link;
use bromide_proto::wire::config::HostConfig;

use crate::agent_file::AgentFile;
use crate::error::JobError;
use crate::event::{Chosen, Event, Tell};

/// Blocks of the bad-block pool where no map says otherwise (`da-legacy.md` section 2.2).
pub const DEFAULT_POOL: u32 = 80;

/// How to begin.
#[derive(Debug, Clone, Copy)]
pub struct SessionOptions {
    /// Overrules the rule for the agent's wire format.
    pub agent_format: Option<Format>,
    /// Blocks of the bad-block pool at the end of the chip.
    pub pool_blocks: u32,
}

/// A phone whose agent waits for commands.
#[derive(Debug)]
pub struct Session<L> {
    agent: Agent<L>,
    /// Who the phone is.
    pub identity: Identity,
    /// What its agent found.
    pub found: Found,
    /// Blocks of the pool the agent was told.
    pub pool_blocks: u32,
    /// Which agent it is.
    pub chosen: Chosen,
}

impl<L: Link> Session<L> {
    /// From a phone that answered the start sequence to its running agent: identity, agent, report. Refuses early:
    /// nothing is uploaded before the container is known to hold an agent for this very chip.
    pub async fn greeted(
        mut brom: Brom<L>,
        da: &AgentFile,
        options: &SessionOptions,
        tell: &mut Tell<'_>,
    ) -> Result<Self, JobError> {
        let identity = brom.identity().await?;
        tell(Event::Phone(&identity));
        let agent = da.agent_for(&identity, options.agent_format)?;
        let chosen = agent.chosen.clone();
        tell(Event::AgentChosen(&chosen));
        let talk = brom
            .start_agent(&identity, &agent.upload, &mut |done, total| tell(Event::AgentUpload(done, total)))
            .await?;
        let setup = Setup {
            format: agent.chosen.format,
            certain: matches!(agent.chosen.because, Because::KnownAgent | Because::DemoAgent),
            config: HostConfig {
                brom_version: identity.brom_version,
                bl_version: identity.bl_version,
                pool_blocks: options.pool_blocks,
            },
            records: &agent.records,
        };
        let (agent, found) =
            Agent::meet(talk, &setup, &mut |done, total| tell(Event::TableOffer(done, total))).await?;
        let [_, _, chip_byte] = found.hello;
        if chip_byte != identity.chip.agent_chip_byte {
            // The vendor's host does not mind, so this is told and nothing more.
            tell(Event::Warning(&format!(
                "the agent takes the chip for {chip_byte:02x}, agents for {} say {:02x}: is the file made for this phone?",
                identity.chip.name, identity.chip.agent_chip_byte
            )));
        }
        tell(Event::Found(&found));
        Ok(Self { agent, identity, found, pool_blocks: options.pool_blocks, chosen })
    }

    /// The agent in its command loop.
    pub fn agent(&mut self) -> &mut Agent<L> {
        &mut self.agent
    }

    /// Shape of the NAND chip, or why there is none to read.
    pub fn geometry(&self) -> Result<Geometry, JobError> {
        let nand = &self.found.report.nand;
        let fail = |kind| JobError::Talk(Error { step: "detection report", kind, tail: String::new() });
        if nand.status != 0 {
            return Err(fail(ErrorKind::NoNand(nand.status)));
        }
        let block = u32::from(nand.page) * u32::from(nand.pages_per_block);
        let blocks = nand.size.checked_div(block).unwrap_or(0);
        Geometry::new(nand.page.into(), nand.spare.into(), nand.pages_per_block.into(), blocks)
            .map_err(|e| fail(ErrorKind::Contradiction(format!("the agent reports an impossible chip: {e}"))))
    }

    /// Lets go of the cable while the agent goes on running.
    pub fn park(self) -> (L, Parked) {
        let Self { agent, identity, found, pool_blocks, chosen } = self;
        let (link, agent) = agent.park();
        (link, Parked { agent, identity, found, pool_blocks, chosen })
    }

    /// Ends the agent; the phone switches off. What was read is whole already, so a phone that leaves without its
    /// last word is told as a warning only.
    pub async fn finish(self, tell: &mut Tell<'_>) {
        if let Err(e) = self.agent.finish().await {
            tell(Event::Warning(&format!("the phone did not confirm the end of the session ({e})")));
        }
    }

    /// Ends the agent after a failure, so that the next try does not need the battery taken out. A phone that does
    /// not listen any more costs a few seconds.
    pub async fn abandon(self) {
        self.agent.abandon().await;
    }
}

/// A session whose cable was let go.
#[derive(Debug, Clone)]
pub struct Parked {
    pub(crate) agent: agent::Parked,
    identity: Identity,
    found: Found,
    pool_blocks: u32,
    chosen: Chosen,
}

impl Parked {
    /// Goes on behind another link, on which the agent waits for a command.
    pub fn resume<L: Link>(self, link: L) -> Session<L> {
        let agent = Agent::resume(link, self.agent);
        self.with(agent)
    }

    /// Goes on with the agent that was found again.
    pub fn with<L: Link>(self, agent: Agent<L>) -> Session<L> {
        let Self { identity, found, pool_blocks, chosen, .. } = self;
        Session { agent, identity, found, pool_blocks, chosen }
    }
}
