//! `log show`.

use std::fs;

use bromide_log::{ACCOUNT, Redactor, Store};
use clap::Args;
use serde_json::Value;

use super::{failed, find, redactor};
use crate::front::Front;
use crate::out::{self, harmless};
use crate::report::Failure;

/// Show what happened in a run: the account (Markdown), or every event
///
/// RUN is a folder, the number in bromide log list, or the beginning of the folder's name. With --redact the account
/// can be shown to others: bromide log show --redact > hacklog.md
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Which run [default: the newest]
    run: Option<String>,
    /// Every event with its time instead of the account
    #[arg(long)]
    events: bool,
}

/// `bromide log show`.
pub(super) fn show(args: &Show, store: &Store, redact: bool, front: &mut Front) -> Result<(), Failure> {
    let run = find(store, args.run.as_deref())?;
    let redactor = redact.then(|| redactor(&run));
    let masked =
        |text: &str| redactor.as_ref().map_or_else(|| text.to_owned(), |it: &Redactor| it.text(text));
    let json = matches!(front, Front::Json(_));
    if !args.events && !json {
        let text = fs::read(run.folder.join(ACCOUNT)).map_err(|e| failed(&run, &e))?;
        let text = harmless(&masked(&String::from_utf8_lossy(&text)));
        return out::result(&text.lines().map(str::to_owned).collect::<Vec<_>>());
    }
    let mut events = run.events().map_err(|e| failed(&run, &e))?;
    if let Some(redactor) = &redactor {
        events.retain(|event| event["event"] != "ids");
        for event in &mut events {
            if let Some(fields) = event.as_object_mut() {
                fields.remove("names");
            }
            redactor.value(event);
        }
    }
    let line = |event: &Value| if json { event.to_string() } else { harmless(&readable(event)) };
    out::result(&events.iter().map(line).collect::<Vec<_>>())
}

/// `18:57:08.123  phone  chip=MT6575 ...`
fn readable(event: &Value) -> String {
    let at = event["at"].as_str().and_then(|at| at.get(11..23)).unwrap_or("");
    let name = event["event"].as_str().unwrap_or("");
    let mut fields = Vec::new();
    for (field, value) in event.as_object().into_iter().flatten() {
        if !matches!(field.as_str(), "at" | "event") {
            flat(field, value, &mut fields);
        }
    }
    format!("{at}  {name:<16} {}", fields.join(" ")).trim_end().to_owned()
}

fn flat(name: &str, value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            fields.iter().for_each(|(field, value)| flat(&format!("{name}.{field}"), value, into));
        }
        Value::Array(values) if values.iter().all(Value::is_string) => {
            let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            into.push(format!("{name}={:?}", values.join(" ")));
        }
        Value::Array(values) => into.push(format!("{name}=({} of them)", values.len())),
        Value::String(text) if !text.is_empty() && !text.contains([' ', '"', '\n']) => {
            into.push(format!("{name}={text}"));
        }
        Value::String(text) => into.push(format!("{name}={text:?}")),
        other => into.push(format!("{name}={other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_one_line_a_person_can_read() {
        let event = json!({
            "at": "2026-11-29T18:57:08.123Z", "event": "storage", "nand": {"id": ["ec", "bc"], "bytes": 7},
            "text": "two words", "nothing": null, "file": "a.img", "partitions": [{}, {}],
        });
        let told = "18:57:08.123  storage          file=a.img nand.bytes=7 nand.id=\"ec bc\" partitions=(2 of them) \
                    text=\"two words\"";
        assert_eq!(readable(&event), told);
        assert_eq!(readable(&json!({})), "");
    }
}
