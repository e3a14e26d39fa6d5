//! Any bytes as a recording: an error or an end, never a panic; what is understood of it is the same when it is
//! recorded anew, when the file is cut, and when it is replayed.
#![no_main]

use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use bromide_capture::{About, Bytes, CaptureError, Entry, Pieces, Playback, Recording, What};
use bromide_link::replay::ReplayBus;
use bromide_link::{Cancel, run};
use bromide_proto::bus::{Bus, Face};
use bromide_proto::link::{Link, LinkError};
use libfuzzer_sys::fuzz_target;

/// Up to the first error, after which there is nothing.
fn play(file: &[u8]) -> Result<(Vec<Entry>, Option<CaptureError>), CaptureError> {
    let mut playback = Playback::new(file)?;
    let mut entries = Vec::new();
    for entry in &mut playback {
        match entry {
            Ok(entry) => entries.push(entry),
            Err(error) => {
                assert!(playback.next().is_none(), "nothing comes behind an error");
                return Ok((entries, Some(error)));
            }
        }
    }
    Ok((entries, None))
}

/// `None` where an entry cannot be recorded: a length or time beyond what a packet's fields hold.
fn record(entries: &[Entry]) -> Option<Vec<u8>> {
    let mut to = Recording::new(Vec::new(), &About::here("fuzz")).ok()?;
    for Entry { at, what, .. } in entries {
        u64::try_from(at.as_nanos()).ok()?;
        match what {
            What::Opened(seen) => to.opened(*at, seen),
            What::Closed => to.closed(*at),
            What::Note(text) => to.note(*at, text),
            What::Bytes(direction, Bytes::Here(bytes)) => to.bytes(*at, *direction, bytes),
            What::Bytes(direction, Bytes::Elsewhere(piece)) => to.piece(*at, *direction, piece),
        }
        .ok()?;
    }
    Some(to.into_inner())
}

/// A host that says what it likes to the recorded phone.
async fn talk(file: &[u8]) -> Result<(), LinkError> {
    let Ok(playback) = Playback::new(Cursor::new(file.to_vec())) else { return Ok(()) };
    let mut bus = ReplayBus::new(playback, Pieces::in_folder(Path::new("/nowhere")), Cancel::new());
    let mut buffer = [0; 64];
    for _ in 0..4 {
        let (_, mut link) = bus.meet(&Face::ALL, Duration::from_secs(1)).await?;
        for byte in file.iter().rev().take(50) {
            let heard = link.recv(&mut buffer, Duration::from_millis(1)).await;
            assert!(!matches!(heard, Ok(0)), "one byte at least, or an error");
            if let Err(LinkError::Other(first)) = link.send(&[*byte]).await {
                let again = link.recv(&mut buffer, Duration::from_millis(1)).await;
                assert!(matches!(again, Err(LinkError::Other(it)) if it.to_string() == first.to_string()));
                break;
            }
        }
    }
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    let Ok((entries, _)) = play(data) else { return };
    if let Some(again) = record(&entries) {
        let (same, failure) = play(&again).expect("a recording");
        assert!(failure.is_none(), "{failure:?}");
        let what = |entries: &[Entry]| entries.iter().map(|it| (it.at, it.what.clone())).collect::<Vec<_>>();
        assert_eq!(what(&same), what(&entries));
    }
    if let Ok((part, _)) = play(&data[..data.len() / 2]) {
        assert_eq!(part, entries[..part.len()], "what is whole does not depend on what follows");
    }
    let _ = run(talk(data));
});
