//! The ceiling a read back is compared with: nothing but queued bulk reads.

use std::time::{Duration, Instant};

use nusb::transfer::{Buffer, Bulk, In};

use super::{hold, source};

const PATIENCE: Duration = Duration::from_secs(20);

/// Reads, checks the length and says bytes a second.
pub(crate) fn drain(bytes: &str, request: &str, depth: &str) -> Result<(), String> {
    let number = |text: &str| text.parse::<usize>().map_err(|_| format!("{text} is no number"));
    let (bytes, request, depth) = (number(bytes)?, number(request)?, number(depth)?);
    let claimed = hold::claim(source::ID)?;
    let data = claimed.get(1).ok_or("no data interface")?;
    let mut endpoint = data.endpoint::<Bulk, In>(source::IN).map_err(|e| e.to_string())?;
    let begun = Instant::now();
    let mut got = 0;
    while got < bytes {
        // How many it takes depends on where the device ends its transfers; what is left over is taken back.
        while endpoint.pending() < depth {
            endpoint.submit(Buffer::new(request));
        }
        let done = endpoint.wait_next_complete(PATIENCE).ok_or("silence")?;
        done.status.map_err(|e| e.to_string())?;
        got += done.buffer.len();
    }
    println!("{:.0}", got as f64 / begun.elapsed().as_secs_f64());
    Ok(())
}
