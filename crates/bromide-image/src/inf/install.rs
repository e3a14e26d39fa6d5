//! What an install section installs: service and driver file (`formats.md` section 7.2).

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::sections::Section;
use super::{Inf, Model, System};

/// Most entries of one kind that are looked at in an install section.
const MOST: usize = 16;

/// In-box INF files whose driver is known: what is needed from them, the service, the file.
const IN_BOX: [(&str, &str, &str, &str); 1] = [("winusb.inf", "winusb.nt", "WinUSB", "winusb.sys")];

/// What a device gets installed on a system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Install {
    /// The install section as written, with its decoration.
    pub section: String,
    /// Name of the service that drives the device.
    pub service: Option<String>,
    /// `ServiceBinary` as written, such as `%12%\usbser.sys`; `%12%` is the folder of drivers.
    pub binary: Option<String>,
    /// File name of the driver, in lower case.
    pub driver: Option<String>,
    /// INF files of Windows that are drawn in, as written.
    pub includes: Vec<String>,
    /// Sections of those that are drawn in, as written.
    pub needs: Vec<String>,
}

impl Inf<'_> {
    /// What a models line installs on a system; nothing if the file has no install section for it.
    pub fn install(&self, model: &Model<'_>, system: System) -> Option<Install> {
        let name = self.install_name(model);
        let arch = system.letters();
        let candidates = [format!("{name}.NT{arch}"), format!("{name}.NT"), name];
        let section = candidates.iter().find_map(|candidate| self.section(candidate))?;
        let services = self.section(&format!("{}.Services", section.name));
        let mut install = Install { section: section.name.to_owned(), ..Install::default() };
        for part in [Some(section), services].into_iter().flatten() {
            install.includes.extend(self.listed(part, "include"));
            install.needs.extend(self.listed(part, "needs"));
        }
        if let Some((service, section)) = services.and_then(|services| self.function_service(services)) {
            install.binary =
                section.and_then(|section| self.value(self.section(&section)?.first("servicebinary")?.value));
            install.driver = install.binary.as_deref().map(file_name);
            install.service = Some(service);
        }
        if install.driver.is_none() {
            install.take_in_box();
        }
        Some(install)
    }

    fn listed(&self, section: &Section<'_>, key: &str) -> Vec<String> {
        let entries = section.all(key).take(MOST);
        entries
            .flat_map(|entry| self.values(entry.value))
            .take(MOST)
            .filter(|name| !name.is_empty())
            .collect()
    }

    /// The service that drives the device, and its section: the one with flag 2 (`SPSVCINST_ASSOCSERVICE`), else
    /// the only one. Others are filters.
    fn function_service(&self, services: &Section<'_>) -> Option<(String, Option<String>)> {
        let all: Vec<_> = services
            .all("addservice")
            .take(MOST)
            .filter_map(|entry| {
                let mut values = self.values(entry.value);
                let name = values.next().filter(|name| !name.is_empty())?;
                Some((name, flags(&values.next().unwrap_or_default()), values.next()))
            })
            .collect();
        let function = all.iter().find(|(_, flags, _)| flags & 2 != 0);
        let (name, _, section) = function.or_else(|| all.first().filter(|_| all.len() == 1))?;
        Some((name.clone(), section.clone().filter(|section| !section.is_empty())))
    }
}

impl Install {
    fn take_in_box(&mut self) {
        let has =
            |list: &[String], start: &str| list.iter().any(|name| name.to_lowercase().starts_with(start));
        for (inf, need, service, driver) in IN_BOX {
            if has(&self.includes, inf) && has(&self.needs, need) {
                self.service.get_or_insert_with(|| service.to_owned());
                self.driver = Some(driver.to_owned());
            }
        }
    }
}

fn flags(text: &str) -> u32 {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    hex.map_or_else(|| text.parse(), |digits| u32::from_str_radix(digits, 16)).unwrap_or(0)
}

fn file_name(path: &str) -> String {
    path.rsplit(['\\', '/']).next().unwrap_or(path).to_lowercase()
}
