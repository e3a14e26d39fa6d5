//! What the phone shows on the bus, one face after the other, from plugging in to being gone.
//!
//! Promises: no clock and no bus in here. A phone held by its key returns to the BootROM after every reset; one
//! that is not goes through its preloader to Android, which is not modelled: the plug-in is over
//! (`brom-preloader.md` section 1).

use core::time::Duration;

use super::{Face, HighSpeed, Key, Pull, UsbOptions};
use crate::options::Boot;
use crate::wire::Ended;

/// The agent's time off the bus for the switch to high speed (`da-legacy.md` section 3.2).
const SWITCH: Duration = Duration::from_millis(200);
/// A BootROM that gave up returns "at once"; a hub needs to see it gone.
const RETURN: Duration = Duration::from_millis(200);
/// From a reset to the first program on the bus.
const RESET: Duration = Duration::from_millis(500);

/// The next appearance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) face: Face,
    /// Time off the bus before it.
    pub(crate) after: Duration,
    /// Whatever ran is gone.
    pub(crate) reset: bool,
    /// Bytes to the host after which the link breaks.
    pub(crate) limit: Option<u64>,
}

/// How an appearance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// The phone's program left.
    Program(Ended),
    /// The host or the bus let go.
    Host,
    /// The limit was reached.
    Broken,
    /// Nobody configured it.
    Ignored,
}

/// One phone and its plug-ins.
#[derive(Debug)]
pub(crate) struct Plug {
    options: UsbOptions,
    boot: Boot,
    plugs_left: Option<u32>,
    seed: u64,
    /// Bytes to the host until the cable is pulled.
    pull: Option<u64>,
    step: Step,
}

impl Plug {
    pub(crate) fn new(options: UsbOptions, boot: Boot) -> Self {
        let seed = if let Some(Pull::Random(seed)) = options.pull { seed } else { 0 };
        let step = Step { face: Face::BootRom, after: Duration::ZERO, reset: true, limit: None };
        Self { plugs_left: options.plugs, options, boot, seed, pull: None, step }
    }

    /// The first appearance of the next plug-in; `None`: there were enough.
    pub(crate) fn begin(&mut self) -> Option<Step> {
        if let Some(left) = &mut self.plugs_left {
            *left = left.checked_sub(1)?;
        }
        self.pull = match self.options.pull {
            None => None,
            Some(Pull::After(bytes)) => Some(bytes),
            Some(Pull::Random(_)) => Some(self.draw()),
        };
        let face = match self.boot {
            Boot::BootRom => Face::BootRom,
            Boot::Preloader => Face::Preloader,
        };
        Some(self.appear(face, Duration::ZERO, true))
    }

    /// Some moments of a session lie within few bytes, others within many.
    fn draw(&mut self) -> u64 {
        let bits = self.random() % 24;
        self.random() % (1 << bits)
    }

    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn appear(&mut self, face: Face, after: Duration, reset: bool) -> Step {
        let breaks = match self.options.high_speed {
            HighSpeed::Aborts(bytes) | HighSpeed::Dies(bytes) if face == Face::Agent => Some(bytes),
            _ => None,
        };
        let limit = [breaks, self.pull].into_iter().flatten().min();
        self.step = Step { face, after, reset, limit };
        self.step
    }

    fn reset(&mut self, after: Duration) -> Step {
        match self.options.key {
            Key::Held => self.appear(Face::BootRom, after, true),
            Key::Released => self.appear(Face::Preloader, RESET, true),
        }
    }

    /// What follows an appearance that gave so many bytes to the host; `None`: the plug-in is over.
    pub(crate) fn after(&mut self, left: Left, sent: u64) -> Option<Step> {
        let pulled = left == Left::Broken && self.pull == self.step.limit;
        self.pull = self.pull.map(|bytes| bytes.saturating_sub(sent));
        match left {
            Left::Host => None,
            Left::Broken if pulled => None,
            Left::Broken => match self.options.high_speed {
                HighSpeed::Dies(_) => Some(self.reset(RESET)),
                _ => Some(self.appear(Face::Agent, SWITCH, false)),
            },
            Left::Ignored => self.gave_up(),
            Left::Program(ended) => match ended {
                Ended::LeftBus => self.gave_up(),
                Ended::ReturnsAs2001 => Some(self.appear(Face::Agent, SWITCH, false)),
                Ended::WatchdogReset | Ended::Restarted { .. } => Some(self.reset(RESET)),
                Ended::Unplugged | Ended::Crashed | Ended::Halted | Ended::Finished(_) => None,
            },
        }
    }

    fn gave_up(&mut self) -> Option<Step> {
        (self.step.face == Face::BootRom).then(|| self.reset(RETURN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faces(options: UsbOptions, boot: Boot, ends: &[Left]) -> Vec<Option<(Face, bool)>> {
        let mut plug = Plug::new(options, boot);
        let first = plug.begin().unwrap();
        let mut seen = vec![Some((first.face, first.reset))];
        seen.extend(ends.iter().map(|end| plug.after(*end, 0).map(|step| (step.face, step.reset))));
        seen
    }

    #[test]
    fn a_held_key_brings_the_boot_rom_back_and_a_released_one_the_preloader_once() {
        let gave_up = Left::Program(Ended::LeftBus);
        let rom = Some((Face::BootRom, true));
        assert_eq!(faces(UsbOptions::default(), Boot::BootRom, &[gave_up, gave_up]), [rom, rom, rom]);
        let released = UsbOptions { key: Key::Released, ..UsbOptions::default() };
        let preloader = Some((Face::Preloader, true));
        assert_eq!(faces(released, Boot::BootRom, &[gave_up, gave_up]), [rom, preloader, None]);
    }

    #[test]
    fn an_aborting_link_keeps_the_agent_and_a_dying_one_does_not() {
        let switch = Left::Program(Ended::ReturnsAs2001);
        let agent = Some((Face::Agent, false));
        let rom = Some((Face::BootRom, true));
        let with = |high_speed| UsbOptions { high_speed, ..UsbOptions::default() };
        let ends = [switch, Left::Broken, Left::Broken];
        assert_eq!(faces(with(HighSpeed::Aborts(9)), Boot::BootRom, &ends), [rom, agent, agent, agent]);
        assert_eq!(faces(with(HighSpeed::Dies(9)), Boot::BootRom, &ends[..2]), [rom, agent, rom]);
    }

    #[test]
    fn the_cable_is_pulled_after_so_many_bytes_of_the_whole_plug_in() {
        let options = UsbOptions {
            pull: Some(Pull::After(100)),
            high_speed: HighSpeed::Aborts(60),
            ..UsbOptions::default()
        };
        let mut plug = Plug::new(options, Boot::BootRom);
        assert_eq!(plug.begin().unwrap().limit, Some(100));
        assert_eq!(plug.after(Left::Program(Ended::ReturnsAs2001), 20).unwrap().limit, Some(60));
        assert_eq!(plug.after(Left::Broken, 60).unwrap().limit, Some(20));
        assert_eq!(plug.after(Left::Broken, 20), None);
        assert_eq!(plug.begin().unwrap().limit, Some(100));
    }

    #[test]
    fn random_pulls_differ_from_plug_in_to_plug_in_and_repeat_with_the_seed() {
        let draw = || {
            let options =
                UsbOptions { pull: Some(Pull::Random(5)), plugs: Some(20), ..UsbOptions::default() };
            let mut plug = Plug::new(options, Boot::BootRom);
            std::iter::from_fn(|| plug.begin()).map(|step| step.limit.unwrap()).collect::<Vec<_>>()
        };
        let mut drawn = draw();
        assert_eq!(drawn, draw());
        assert_eq!(drawn.len(), 20);
        drawn.sort_unstable();
        drawn.dedup();
        assert!(drawn.len() > 10, "{drawn:?}");
    }
}
