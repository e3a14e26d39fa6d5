//! A virtual phone from its description: `MODEL[?KEY=VALUE&..]`, for `--via phone:` and `phone serve`.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use bromide_link::{BadPage, Cancel, ChipFaults, FaultSpec};
use bromide_phone::usb::{self, UsbOptions};
use bromide_phone::{
    Boot, BusManner, Clock, EccDelivery, Factory, Faults, Filling, Generation, Model, NandChip, Noise,
    Options, Pace, Phone, PhoneBus, ReadFault, ReadFaultKind, TableAnswer,
};

use crate::demo_flash::{self, BuildError};
use crate::front::Front;
use crate::report::{Failure, exit};

/// Pages an unkept phone has written at the start of every partition.
const EXAMPLE_PAGES: u32 = 256;

/// What phone to make.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Spec {
    /// Built-in model, or the path of a model file.
    pub(crate) model: String,
    /// File that keeps the chip.
    pub(crate) flash: Option<PathBuf>,
    pub(crate) pace: Pace,
    pub(crate) ecc: EccDelivery,
    pub(crate) agent: Option<Generation>,
    pub(crate) boot: Boot,
    /// Decides the contents of a chip in memory.
    pub(crate) seed: u64,
    /// Life of the preloader, if not the default one.
    pub(crate) stay: Option<Duration>,
    pub(crate) usb: UsbOptions,
    /// Overrules the model's word on its partition table.
    pub(crate) pmt: Option<Pmt>,
    /// What is wrong with its chip.
    pub(crate) chip_faults: ChipFaults,
    /// Decides which bits are wrong.
    pub(crate) read_seed: u64,
    /// Time passes only where somebody waits, at once.
    pub(crate) virtual_clock: bool,
}

/// Whether a phone keeps a partition table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pmt {
    No,
    Yes,
    /// On the chip, but its agent does not tell it.
    Pages,
}

impl FromStr for Pmt {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "no" => Ok(Self::No),
            "yes" => Ok(Self::Yes),
            "pages" => Ok(Self::Pages),
            _ => Err(format!("{text:?} is none of no, yes, pages")),
        }
    }
}

impl FromStr for Spec {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (model, keys) = text.split_once('?').unwrap_or((text, ""));
        let mut spec = Self { model: model.to_owned(), seed: 7, ..Self::default() };
        if model.is_empty() {
            return Err("name a model: phone:mt6575".into());
        }
        spec.keys(keys)?;
        Ok(spec)
    }
}

impl Spec {
    /// Takes in `KEY=VALUE&KEY=VALUE`.
    pub(crate) fn keys(&mut self, keys: &str) -> Result<(), String> {
        for pair in keys.split('&').filter(|p| !p.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(|| format!("\"{pair}\" is no KEY=VALUE"))?;
            let said = |e: bromide_phone::UnknownWord| format!("{key}: {e}");
            match key {
                "flash" => self.flash = Some(value.into()),
                "link" => self.pace = value.parse().map_err(said)?,
                "ecc" => self.ecc = value.parse().map_err(said)?,
                "agent" => self.agent = Some(value.parse().map_err(said)?),
                "boot" => self.boot = value.parse().map_err(said)?,
                "seed" => self.seed = value.parse().map_err(|_| format!("seed: \"{value}\" is no number"))?,
                "pmt" => self.pmt = Some(value.parse().map_err(|e| format!("pmt: {e}"))?),
                "ecc-errors" => self.chip_faults.ecc = value.parse().map_err(|e| format!("{key}: {e}"))?,
                "jitter" => self.chip_faults.jitter = value.parse().map_err(|e| format!("{key}: {e}"))?,
                "bad-page" => {
                    self.chip_faults.bad_pages.push(value.parse().map_err(|e| format!("{key}: {e}"))?);
                }
                "read-seed" => {
                    self.read_seed =
                        value.parse().map_err(|_| format!("read-seed: \"{value}\" is no number"))?;
                }
                "clock" => {
                    self.virtual_clock = match value {
                        "real" => false,
                        "virtual" => true,
                        _ => return Err(format!("clock: \"{value}\" is none of real, virtual")),
                    }
                }
                "stay" => self.stay = Some(milliseconds(key, value)?),
                "layout" => self.usb.set_layout(value.parse().map_err(said)?),
                "key" => self.usb.key = value.parse().map_err(said)?,
                "plugs" => {
                    let plugs = value.parse().map_err(|_| format!("plugs: \"{value}\" is no number"))?;
                    self.usb.plugs = Some(plugs);
                }
                "gap" => self.usb.gap = milliseconds(key, value)?,
                "pull-after" => self.usb.pull = Some(value.parse().map_err(said)?),
                "high-speed" => self.usb.high_speed = value.parse().map_err(said)?,
                "transfers" => {
                    self.usb.page_transfers = match value {
                        "pages" => true,
                        "whole" => false,
                        _ => return Err(format!("transfers: \"{value}\" is none of pages, whole")),
                    }
                }
                _ => {
                    return Err(format!(
                        "unknown key \"{key}\"; known are flash, link, ecc, agent, boot, seed, pmt, ecc-errors, \
                         bad-page, jitter, read-seed, clock and, on USB, layout, stay, key, plugs, gap, pull-after, \
                         high-speed, transfers"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Adds the faults of `--fault` that concern the chip; its seed decides them all then.
    pub(crate) fn break_chip(&mut self, faults: &FaultSpec) {
        let ChipFaults { ecc, bad_pages, jitter } = &faults.chip;
        if !faults.chip.any() {
            return;
        }
        self.read_seed = faults.seed;
        if !ecc.is_never() {
            self.chip_faults.ecc = *ecc;
        }
        if !jitter.is_never() {
            self.chip_faults.jitter = *jitter;
        }
        self.chip_faults.bad_pages.extend(bad_pages);
    }

    /// The model, built in or from its file, with the partition table it was given here.
    fn model(&self) -> Result<Model, String> {
        let model = if self.model.ends_with(".toml") || self.model.contains('/') {
            let text = std::fs::read_to_string(&self.model).map_err(|e| format!("{}: {e}", self.model))?;
            Model::from_toml(&text).map_err(|e| format!("{}: {e}", self.model))?
        } else {
            Model::builtin(&self.model).map_err(|e| e.to_string())?
        };
        match self.pmt {
            None => Ok(model),
            Some(pmt) => model.with_pmt(pmt != Pmt::No).map_err(|e| e.to_string()),
        }
    }

    /// Says that making the phone will take a while, if it will.
    pub(crate) fn announce(&self, front: &mut Front) {
        if let Some(path) = self.flash.as_ref().filter(|path| !path.exists()) {
            front
                .say(&format!("Making the chip in {}: a system partition of invented files", path.display()));
        }
    }

    /// The phone, switched off.
    pub(crate) fn phone(&self, cancel: &Cancel) -> Result<Phone, Failure> {
        let model = self.model().map_err(|e| {
            let advice = "bromide phone models lists the models; a file of your own ends in .toml";
            Failure::new("phone/model", exit::USAGE, e, advice)
        })?;
        let mut chip = match &self.flash {
            Some(path) => kept(&model, path, cancel)?,
            None => example(&model, self.seed)
                .map_err(|e| Failure::new("phone/model", exit::USAGE, e, "correct the model file"))?,
        };
        let ChipFaults { ecc, jitter, bad_pages } = &self.chip_faults;
        chip.set_noise(Noise { seed: self.read_seed, weak_cells: ecc.value(), jitter: jitter.value() });
        let faults = Faults { reads: bad_pages.iter().map(silent_stop).collect(), ..Faults::default() };
        let table = if self.pmt == Some(Pmt::Pages) { TableAnswer::Refused } else { TableAnswer::default() };
        let mut options = Options {
            boot: self.boot,
            agent: self.agent,
            ecc: self.ecc,
            table,
            usb: self.usb.clone(),
            faults,
            ..Options::default()
        };
        if self.stay.is_some() {
            options.preloader_patience = self.stay;
        }
        Ok(Phone::new(model, chip, options))
    }

    /// The phone on a bus in this process.
    pub(crate) fn bus(&self, cancel: &Cancel) -> Result<PhoneBus, Failure> {
        let manner = BusManner {
            enumerates: Duration::ZERO,
            key_from: (self.usb.key == usb::Key::Held).then_some(Duration::ZERO),
            high_speed: self.usb.high_speed,
            pace: self.pace,
            ..BusManner::default()
        };
        let clock = if self.virtual_clock { Clock::virtual_time() } else { Clock::real() };
        Ok(PhoneBus::new(self.phone(cancel)?, clock, manner))
    }
}

/// The agent stops in the middle of the packet, as it does where the chip does not answer.
fn silent_stop(bad: &BadPage) -> ReadFault {
    let times = bad.times.unwrap_or(u32::MAX);
    ReadFault { page: bad.page, times, kind: ReadFaultKind::SilentStop }
}

fn milliseconds(key: &str, value: &str) -> Result<Duration, String> {
    value
        .parse()
        .map(Duration::from_millis)
        .map_err(|_| format!("{key}: \"{value}\" is no number of milliseconds"))
}

/// The chip in a file; a missing file is made, with the demo's contents.
fn kept(model: &Model, path: &Path, cancel: &Cancel) -> Result<NandChip, Failure> {
    let advice = "a chip file holds all pages of the chip; name another one, or one that does not exist yet";
    let failed = |what: String| Failure::new("phone/flash", exit::FAILED, what, advice);
    if !path.exists() {
        let stop = &mut |_, _| if cancel.is_set() { Err(BuildError::Stopped) } else { Ok(()) };
        demo_flash::build(model, path, stop).map_err(|e| match e {
            BuildError::Stopped => Failure::stopped(),
            e => failed(format!("{}: {e}", path.display())),
        })?;
    }
    NandChip::open(&model.nand, path).map_err(|e| failed(e.to_string()))
}

/// A chip in memory: some pages at the start of every partition.
fn example(model: &Model, seed: u64) -> Result<NandChip, String> {
    let mut factory = Factory::new(model, NandChip::blank(&model.nand)).map_err(|e| e.to_string())?;
    for partition in model.partitions() {
        let filling = Filling { seed, ..Filling::default() };
        factory.fill(&partition.name, EXAMPLE_PAGES, filling).map_err(|e| e.to_string())?;
    }
    factory.finish().map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bromide_phone::usb::{HighSpeed, Key, Layout, Pull};

    #[test]
    fn every_key_of_the_help_text_is_understood() {
        let spec: Spec =
            "mt6577?flash=a b.bin&link=full-speed&ecc=corrected&agent=g1&boot=preloader&seed=9&pmt=pages"
                .parse()
                .unwrap();
        assert_eq!(
            spec,
            Spec {
                model: "mt6577".into(),
                flash: Some("a b.bin".into()),
                pace: Pace::FullSpeed,
                ecc: EccDelivery::Corrected,
                agent: Some(Generation::G1),
                boot: Boot::Preloader,
                seed: 9,
                pmt: Some(Pmt::Pages),
                stay: None,
                usb: UsbOptions::default(),
                chip_faults: ChipFaults::default(),
                read_seed: 0,
                virtual_clock: false,
            }
        );
    }

    #[test]
    fn every_key_of_a_faulty_chip_is_understood() {
        let text = "small?ecc-errors=1e-6&bad-page=77x2&bad-page=9&jitter=0.01&read-seed=5&clock=virtual";
        let mut spec: Spec = text.parse().unwrap();
        let bad_pages = vec![BadPage { page: 77, times: Some(2) }, BadPage { page: 9, times: None }];
        let faults = ChipFaults { ecc: "1e-6".parse().unwrap(), bad_pages, jitter: "0.01".parse().unwrap() };
        assert_eq!((&spec.chip_faults, spec.read_seed, spec.virtual_clock), (&faults, 5, true));
        let before = spec.clone();
        spec.break_chip(&"seed=9,drop=0.1".parse().unwrap());
        assert_eq!(spec, before, "there is nothing about the chip in it");
        spec.break_chip(&"seed=9,ecc=1e-3,bad-page=1".parse().unwrap());
        assert_eq!(spec.read_seed, 9);
        assert_eq!(spec.chip_faults.ecc.to_string(), "1e-3");
        assert_eq!(spec.chip_faults.jitter, faults.jitter);
        assert_eq!(spec.chip_faults.bad_pages.len(), 3);
    }

    #[test]
    fn a_chip_with_weak_cells_has_the_same_ones_whenever_it_is_made() {
        let read = |text: &str| {
            let phone = text.parse::<Spec>().unwrap().phone(&Cancel::new()).unwrap();
            let mut bytes = vec![0; 64 * 2112];
            phone.chip.read(0, &mut bytes).unwrap();
            bytes
        };
        let broken = read("small?ecc-errors=1e-4&read-seed=1");
        assert_eq!(broken, read("small?ecc-errors=1e-4&read-seed=1"));
        assert_ne!(broken, read("small?ecc-errors=1e-4&read-seed=2"));
        assert_ne!(broken, read("small"));
    }

    #[test]
    fn every_key_of_a_phone_on_usb_is_understood() {
        let spec: Spec = "mt6575?layout=p3&layout=b2&layout=d1&stay=700&key=released&plugs=3&gap=20\
                          &pull-after=random:4&high-speed=dies:99&transfers=whole"
            .parse()
            .unwrap();
        assert_eq!(spec.stay, Some(Duration::from_millis(700)));
        assert_eq!(
            spec.usb,
            UsbOptions {
                preloader: Layout::P3,
                boot_rom: Layout::B2,
                agent: Layout::D1,
                key: Key::Released,
                plugs: Some(3),
                gap: Duration::from_millis(20),
                pull: Some(Pull::Random(4)),
                high_speed: HighSpeed::Dies(99),
                page_transfers: false,
            }
        );
    }

    #[test]
    fn unknown_keys_and_words_are_named() {
        for (text, said) in [
            ("", "name a model"),
            ("mt6575?x=1", "unknown key"),
            ("mt6575?link=usb3", "full-speed"),
            ("mt6575?seed=x", "no number"),
            ("mt6575?pmt=perhaps", "pages"),
            ("mt6575?flash", "KEY=VALUE"),
            ("mt6575?layout=hostile:99", "hostile:10"),
            ("mt6575?gap=soon", "milliseconds"),
            ("small?ecc-errors=1", "ecc-errors: "),
            ("small?bad-page=x", "bad-page: "),
            ("small?clock=fast", "virtual"),
            ("mt6575?high-speed=dies", "dies:BYTES"),
        ] {
            assert!(text.parse::<Spec>().unwrap_err().contains(said), "{text}");
        }
        let unknown: Spec = "mt9999".parse().unwrap();
        assert!(unknown.model().is_err());
    }

    #[test]
    fn an_unkept_phone_has_pages_to_read() {
        let spec: Spec = "mt6575".parse().unwrap();
        let phone = spec.phone(&Cancel::new()).unwrap();
        let recovery = phone.model.partition("recovery").unwrap();
        let page =
            bromide_phone::stored_page(&phone.model, &phone.chip, (recovery.start / 2048) as u32).unwrap();
        assert!(page.iter().any(|b| *b != 0xff));
    }
}
