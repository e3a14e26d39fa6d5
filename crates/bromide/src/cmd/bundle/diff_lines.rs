//! What `bundle diff` found, as lines for people and objects for programs.

use bromide_image::files::Entry;
use bromide_job::bundle::compare::{BlockRun, Change, FileChange, PageDiff, Told, TreeDiff, What};
use serde_json::{Map, Value, json};

use super::diff::{Outcome, Standing};
use crate::cmd::image::{put, shown, time};
use crate::json::Json;
use crate::numbers::{grouped, pages};
use crate::out::harmless;

/// Entries of a list on a screen.
const LISTED: usize = 24;

/// Entries of each list for programs.
const MOST_LISTED: usize = 4096;

/// A difference in words.
pub(super) fn told_line((what, first, second): &Told) -> String {
    format!("{what}: {first} in the first, {second} in the second")
}

/// Every partition, and below it what differs.
pub(super) fn lines(outcomes: &[Outcome], all: bool) -> Vec<String> {
    let most = if all { usize::MAX } else { LISTED };
    let width = outcomes.iter().map(|it| it.name.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for outcome in outcomes {
        lines.push(format!("{:width$}  {}", outcome.name, standing(&outcome.standing)));
        lines.extend(outcome.read.iter().map(|it| format!("  read differently: {}", told_line(it))));
        if let Standing::Compared(found) = &outcome.standing {
            let runs = found.runs.iter().map(|run| format!("  {}", run_line(run, outcome.block_bytes)));
            listed(&mut lines, runs, found.runs.len(), most, "runs of blocks");
        }
        if let Some(tree) = &outcome.tree {
            lines.push(format!("  {}", tree_line(tree)));
            lines.extend(tree.troubles.iter().map(|it| format!("  not looked at: {it}")));
            let changes = tree.changes.iter().map(|it| format!("  {}", change_line(it)));
            listed(&mut lines, changes, tree.changes.len(), most, "files");
        }
    }
    lines.iter().map(|line| harmless(line)).collect()
}

fn listed(
    lines: &mut Vec<String>,
    entries: impl Iterator<Item = String>,
    count: usize,
    most: usize,
    what: &str,
) {
    lines.extend(entries.take(most));
    if count > most {
        lines.push(format!("  and {} more {what}; --all lists them", grouped((count - most) as u64)));
    }
}

fn standing(standing: &Standing) -> String {
    match standing {
        Standing::OnlyFirst => "only in the first".to_owned(),
        Standing::OnlySecond => "only in the second".to_owned(),
        Standing::Elsewhere => "differs: not the same stretch of the chip".to_owned(),
        Standing::NotCompared(why) => format!("not compared: {why}"),
        Standing::Compared(found) => {
            let mut text = match (found.differing, found.is_same()) {
                (0, _) => "equal".to_owned(),
                (_, true) => format!("the same after correction: {}", differing(found)),
                (_, false) => format!("differs: {}", differing(found)),
            };
            if found.not_compared > 0 {
                text += &format!("; {} not compared, for one dump lacks them", pages(found.not_compared));
            }
            text
        }
    }
}

fn differing(found: &PageDiff) -> String {
    let mut text =
        format!("{} of {} in {}", grouped(found.differing), pages(found.compared), bits(found.bits));
    if found.same_after_correction > 0 && !found.is_same() {
        text += &format!(", {} of them the same after correction", grouped(found.same_after_correction));
    }
    if found.beyond_repair > 0 {
        text += &format!(", {} of them beyond repair in one", grouped(found.beyond_repair));
    }
    text
}

fn run_line(run: &BlockRun, block_bytes: u64) -> String {
    let end = run.first + run.blocks;
    let name = if run.blocks == 1 {
        format!("block {}", run.first)
    } else {
        format!("blocks {} to {}", run.first, end - 1)
    };
    let same = if run.same_after_correction { ", the same after correction" } else { "" };
    let (from, to) = (run.first * block_bytes, end * block_bytes);
    format!("{name} ({from:#x} to {to:#x}): {}, {}{same}", pages(run.pages), bits(run.bits))
}

fn bits(n: u64) -> String {
    format!("{} bit{}", grouped(n), if n == 1 { "" } else { "s" })
}

fn tree_line(tree: &TreeDiff) -> String {
    let [first, second] = &tree.titles;
    let title = if first == second { first.clone() } else { format!("{first}, then {second}") };
    let count = |of: fn(&FileChange) -> bool| tree.changes.iter().filter(|it| of(it)).count();
    let added = count(|it| matches!(it.change, Change::Added(_)));
    let removed = count(|it| matches!(it.change, Change::Removed(_)));
    let attributes = count(FileChange::is_metadata_only);
    let changed = tree.changes.len() - added - removed - attributes;
    if tree.changes.is_empty() && first == second {
        return format!("{title}: the files are the same");
    }
    format!(
        "{title}: {added} added, {removed} removed, {changed} changed, {attributes} with other attributes"
    )
}

fn change_line(change: &FileChange) -> String {
    let path = shown(&change.path);
    match &change.change {
        Change::Added(is) => format!("+ /{path}{}", size(is)),
        Change::Removed(was) => format!("- /{path}{}", size(was)),
        Change::Changed { was, is, what } => {
            let sign = if change.is_metadata_only() { '*' } else { '~' };
            let what: Vec<String> = what.iter().map(|what| what_line(what, was, is)).collect();
            format!("{sign} /{path}: {}", what.join("; "))
        }
    }
}

fn size(entry: &Entry) -> String {
    match entry.kind {
        bromide_image::files::Kind::File => format!(", {} bytes", grouped(entry.size)),
        kind => format!(", {}", kind.code()),
    }
}

fn what_line(what: &What, was: &Entry, is: &Entry) -> String {
    let pair = |what: &str, was: &str, is: &str| format!("{what} {was} -> {is}");
    match what {
        What::Kind => pair("kind", was.kind.code(), is.kind.code()),
        What::Size => pair("bytes", &grouped(was.size), &grouped(is.size)),
        What::Content(at) => format!("content, from byte {at:#x} on"),
        What::Unread(why) => format!("not compared: {why}"),
        What::Mode => pair("mode", &format!("{:04o}", was.mode), &format!("{:04o}", is.mode)),
        What::Owner => pair("owner", &format!("{}:{}", was.uid, was.gid), &format!("{}:{}", is.uid, is.gid)),
        What::Modified => pair("modified", &time(was.modified.seconds), &time(is.modified.seconds)),
        What::Target(was, is) => pair("target", &shown(was), &shown(is)),
        What::Device => {
            let of = |(major, minor): (u32, u32)| format!("{major},{minor}");
            pair("device", &of(was.device), &of(is.device))
        }
        What::Attributes => "extended attributes".to_owned(),
    }
}

/// What concerns the dumps as a whole, for programs.
pub(super) fn tell_values(json: &mut Json, phones: &[Told], maps: &[String]) {
    let phones: Vec<Value> = phones.iter().map(told_value).collect();
    json.line(&json!({ "event": "bundle-phones", "differences": phones }));
    json.line(&json!({ "event": "bundle-maps", "differences": maps }));
}

fn told_value((what, first, second): &Told) -> Value {
    json!({ "what": what, "first": first, "second": second })
}

/// One partition for programs.
pub(super) fn values(json: &mut Json, outcome: &Outcome) {
    let state = match &outcome.standing {
        Standing::OnlyFirst => "only-first",
        Standing::OnlySecond => "only-second",
        Standing::Elsewhere => "elsewhere",
        Standing::NotCompared(_) => "not-compared",
        Standing::Compared(found) if found.differing == 0 => "equal",
        Standing::Compared(found) if found.is_same() => "same-after-correction",
        Standing::Compared(_) => "differs",
    };
    let mut value = json!({ "event": "bundle-partition", "name": outcome.name, "state": state });
    value["read_differently"] = outcome.read.iter().map(told_value).collect();
    if let Standing::Compared(found) = &outcome.standing {
        value["pages"] = json!({
            "compared": found.compared, "not_compared": found.not_compared, "differing": found.differing,
            "same_after_correction": found.same_after_correction, "beyond_repair": found.beyond_repair,
        });
        value["bits"] = json!(found.bits);
        let run = |it: &BlockRun| json!([it.first, it.blocks, it.pages, it.bits, it.same_after_correction]);
        value["blocks"] = found.runs.iter().take(MOST_LISTED).map(run).collect();
        value["blocks_unlisted"] = json!(found.runs.len().saturating_sub(MOST_LISTED));
    }
    if let Standing::NotCompared(why) = &outcome.standing {
        value["why"] = json!(why);
    }
    if let Some(tree) = &outcome.tree {
        value["file_systems"] = json!(tree.titles);
        value["objects"] = json!(tree.objects);
        value["changes"] = json!(tree.changes.len());
        value["troubles"] = json!(tree.troubles);
    }
    json.line(&value);
    for change in outcome.tree.iter().flat_map(|tree| &tree.changes) {
        json.line(&file_value(&outcome.name, change));
    }
}

fn file_value(partition: &str, change: &FileChange) -> Value {
    let mut all = Map::new();
    all.insert("event".into(), json!("bundle-file"));
    all.insert("partition".into(), json!(partition));
    put(&mut all, "path", &change.path);
    let (word, was, is) = match &change.change {
        Change::Added(is) => ("added", None, Some(is)),
        Change::Removed(was) => ("removed", Some(was), None),
        Change::Changed { was, is, .. } if change.is_metadata_only() => ("attributes", Some(was), Some(is)),
        Change::Changed { was, is, .. } => ("changed", Some(was), Some(is)),
    };
    all.insert("change".into(), json!(word));
    if let Change::Changed { what, .. } = &change.change {
        all.insert("what".into(), what.iter().map(What::code).collect());
    }
    for (key, entry) in [("first", was), ("second", is)] {
        all.extend(entry.map(|entry| (key.to_owned(), entry_value(entry))));
    }
    Value::Object(all)
}

fn entry_value(entry: &Entry) -> Value {
    json!({
        "kind": entry.kind.code(), "bytes": entry.size, "uid": entry.uid, "gid": entry.gid,
        "mode": format!("{:06o}", entry.kind.type_bits() | entry.mode), "modified": entry.modified.seconds,
    })
}
