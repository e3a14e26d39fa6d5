//! `[Manufacturer]` and the models sections it names (`formats.md` section 7.2).

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::lines::{fields, whole};
use super::sections::{Entry, Section};
use super::{Decoration, DeviceId, Inf, Notes, Oddity};

/// Longest name of a models section and longest decoration that are looked for, in bytes; Windows allows section
/// names of 255 characters. Keeps a long name with many decorations from costing quadratic time.
const LONGEST_NAME: usize = 255;

/// A models section.
#[derive(Debug, Clone)]
pub struct Models<'a> {
    /// Its name as written.
    pub section: &'a str,
    /// What its name says about systems.
    pub decoration: Decoration,
    /// Line of `[Manufacturer]` that names it. Of the sections of one such line a system uses one.
    pub named_in: u32,
    /// Its lines that name ids.
    pub lines: Vec<Model<'a>>,
}

/// `description = install-section, id[, compatible-id]..`
#[derive(Debug, Clone)]
pub struct Model<'a> {
    /// Line in the file, from 1.
    pub line: u32,
    /// Its ids: the first is the hardware id, the others compatible ids.
    pub ids: Vec<DeviceId>,
    key: Option<&'a str>,
    value: &'a str,
}

impl Inf<'_> {
    /// What Windows calls the device.
    pub fn description(&self, model: &Model<'_>) -> String {
        self.expand(&whole(model.key.unwrap_or_default()))
    }

    /// The install section a models line names, without decoration.
    pub fn install_name(&self, model: &Model<'_>) -> String {
        self.values(model.value).next().unwrap_or_default()
    }
}

/// Reads the models sections. One that is named twice counts once, so that time stays linear.
pub(super) fn read<'a>(inf: &Inf<'a>, notes: &mut Notes) -> Vec<Models<'a>> {
    let mut seen = BTreeSet::new();
    let mut models = Vec::new();
    for entry in inf.section("manufacturer").map_or(&[][..], |section| &section.entries) {
        let mut values = inf.values(entry.value);
        let Some(name) = values.next().filter(|name| !name.is_empty() && name.len() <= LONGEST_NAME) else {
            continue;
        };
        let plain = inf.section(&name);
        let mut found = plain.map(|section| (section, Decoration::Plain)).into_iter().collect::<Vec<_>>();
        let mut decorated = false;
        for text in values.filter(|text| !text.is_empty() && text.len() <= LONGEST_NAME) {
            decorated = true;
            let full = format!("{name}.{text}");
            let Some(section) = inf.section(&full) else {
                notes.add(entry.line, entry.column, Oddity::NoModels(full));
                continue;
            };
            let decoration = Decoration::parse(&text);
            if decoration == Decoration::Unknown {
                notes.add(entry.line, entry.column, Oddity::Decoration(text));
            }
            found.push((section, decoration));
        }
        if plain.is_none() && !decorated {
            notes.add(entry.line, entry.column, Oddity::NoModels(name.clone()));
        }
        for (section, decoration) in found {
            if seen.insert(section.name.to_lowercase()) {
                let lines = section.entries.iter().filter_map(|line| model(inf, line, notes)).collect();
                models.push(Models { section: section.name, decoration, named_in: entry.line, lines });
            }
        }
        unnamed(inf, entry, &name, &seen, notes);
    }
    models
}

fn model<'a>(inf: &Inf<'a>, entry: &Entry<'a>, notes: &mut Notes) -> Option<Model<'a>> {
    let ids = fields(entry.value).skip(1).filter(|field| !field.is_empty()).map(|field| {
        let text = inf.expand(&field);
        DeviceId::parse(&text).unwrap_or_else(|| {
            notes.add(entry.line, entry.column, Oddity::BadId(text));
            DeviceId::Other
        })
    });
    let ids: Vec<_> = ids.collect();
    (!ids.is_empty()).then_some(Model { line: entry.line, ids, key: entry.key, value: entry.value })
}

/// Tells of the usual decorated sections that exist but are not named.
fn unnamed(inf: &Inf<'_>, entry: &Entry<'_>, name: &str, seen: &BTreeSet<String>, notes: &mut Notes) {
    for decoration in ["NTamd64", "NTx86", "NT"] {
        let section = inf.section(&format!("{name}.{decoration}"));
        let Some(Section { name, .. }) =
            section.filter(|section| !seen.contains(&section.name.to_lowercase()))
        else {
            continue;
        };
        notes.add(entry.line, entry.column, Oddity::UnnamedModels((*name).to_owned()));
    }
}
