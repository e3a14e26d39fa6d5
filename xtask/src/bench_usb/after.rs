//! What is checked on the machine when the guest is done with a job: its capture.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::capture::{self, Event};
use super::jobs::After;
use super::tools;

/// MediaTek, as tshark prints it.
const VENDOR: &str = "0x0e8d";

/// Lines in the manner of a job: `PASS`, `FAIL`, `FIGURE`.
pub(crate) fn check(what: After, folder: &Path) -> String {
    let lines = capture(folder).and_then(|events| match what {
        After::Faces => faces(&events, folder),
        After::Arrival => arrival(&events, folder),
    });
    lines.unwrap_or_else(|what| format!("FAIL {what}\n"))
}

fn capture(folder: &Path) -> Result<Vec<Event>, String> {
    let path = folder.join("usbmon.raw");
    let stream = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(capture::events(&stream))
}

/// The product ids of the device descriptors, in order and without repetition, are those in the file `faces`.
fn faces(events: &[Event], folder: &Path) -> Result<String, String> {
    let file = folder.join("usbmon.pcap");
    fs::write(&file, capture::file(events)).map_err(|e| format!("{}: {e}", file.display()))?;
    let expected = fs::read_to_string(folder.join("faces")).map_err(|e| format!("faces: {e}"))?;
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&file).args(["-Y", "usb.idProduct", "-T", "fields"]);
    let shown = tools::output(tshark.args(["-e", "usb.idVendor", "-e", "usb.idProduct"]))?;
    let seen = in_order(&shown);
    let text = format!("tshark opens {} events and shows {seen}", events.len());
    let right = seen.split_whitespace().eq(expected.split_whitespace());
    Ok(if right { format!("PASS {text}\n") } else { format!("FAIL {text}, not {expected}\n") })
}

fn in_order(shown: &str) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for line in shown.lines() {
        if let Some((VENDOR, product)) = line.split_once('\t') {
            let product = product.trim_start_matches("0x");
            if seen.last() != Some(&product) {
                seen.push(product);
            }
        }
    }
    seen.join(" ")
}

/// From the kernel's `add` event of each plug-in to the first byte a program sends to that device.
fn arrival(events: &[Event], folder: &Path) -> Result<String, String> {
    let log = fs::read_to_string(folder.join("events.txt")).map_err(|e| format!("events.txt: {e}"))?;
    let adds: Vec<_> = log.lines().filter_map(add).collect();
    let mut took = Vec::new();
    for (number, (at, device)) in adds.iter().enumerate() {
        let until = adds.get(number + 1).map_or(Duration::MAX, |next| next.0);
        let sent =
            events.iter().find(|e| e.sends() && e.device() == *device && (*at..until).contains(&e.at()));
        took.extend(sent.map(|e| e.at() - *at));
    }
    took.sort();
    let part = |share: usize| {
        let at = (took.len() * share / 100).min(took.len().saturating_sub(1));
        took.get(at).map_or(f64::NAN, |t| t.as_secs_f64() * 1e3)
    };
    let (plugs, answered) = (adds.len(), took.len());
    let word = if plugs > 0 && answered == plugs { "PASS" } else { "FAIL" };
    Ok(format!(
        "{word} a first byte for {answered} of {plugs} plug-ins\n\
         FIGURE from the kernel's event to the first handshake byte, {plugs} plug-ins | median {:.1} ms | \
         10 %: {:.1} ms, 90 %: {:.1} ms, slowest: {:.1} ms | \n",
        part(50),
        part(10),
        part(90),
        part(100)
    ))
}

/// `SECONDS add e8d/2000/100 BUS DEVICE`: a phone.
fn add(line: &str) -> Option<(Duration, (u32, u32))> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [at, "add", product, bus, device] = words.as_slice() else { return None };
    product.starts_with("e8d/").then_some(())?;
    let (seconds, micros) = at.split_once('.')?;
    let at = Duration::from_secs(seconds.parse().ok()?) + Duration::from_micros(micros.parse().ok()?);
    // With leading zeros in the event, without in usbmon's head.
    Some((at, (bus.parse().ok()?, device.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_are_told_in_order_without_repetition() {
        let shown = "0x1d6b\t0x0002\n0x0e8d\t0x0003\n0x0e8d\t0x0003\n0x0e8d\t0x2001\n0x0e8d\t0x0003\n";
        assert_eq!(in_order(shown), "0003 2001 0003");
    }

    #[test]
    fn only_a_phone_that_is_added_counts() {
        let line = "1700000000.000250 add e8d/2000/100 001 007";
        assert_eq!(add(line), Some((Duration::from_micros(1_700_000_000_000_250), (1, 7))));
        assert_eq!(add("1.0 remove e8d/2000/100 001 007"), None);
        assert_eq!(add("1.0 add 1d6b/2/602 001 001"), None);
    }
}
